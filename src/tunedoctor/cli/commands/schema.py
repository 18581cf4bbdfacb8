"""doctor schema: its options, and the call of what it does."""

from typing import Annotated, Literal

import typer

from tunedoctor.cli.parameters import DoctorCommand, examples

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(
    name="schema",
    cls=DoctorCommand,
    epilog=examples("doctor schema report", "doctor schema fit"),
)
def schema(
    name: Annotated[
        Literal[
            "report",
            "wheel",
            "matrix",
            "set",
            "fit",
            "data",
            "fix",
            "smoke",
            "envs",
            "config",
            "diff",
            "fleet",
        ],
        typer.Argument(
            metavar="KIND",
            help="Output to describe: report (of check and triage), wheel, matrix, set, fit, data, "
            "fix, smoke, envs, config, diff or fleet.",
        ),
    ] = "report",
) -> int:
    """Print the JSON Schema of a command's --format json output."""
    from tunedoctor.cli.command_options import SchemaOptions
    from tunedoctor.cli.explain import run_schema

    return run_schema(
        SchemaOptions(
            name=name,
        )
    )
