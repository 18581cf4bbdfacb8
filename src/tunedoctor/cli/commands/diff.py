"""doctor diff: its options, and the call of what it does."""

from typing import Annotated, Literal

import typer

from tunedoctor.cli.parameters import DoctorCommand, OwnOption, TargetOption, examples

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(
    name="diff",
    cls=DoctorCommand,
    epilog=examples("doctor diff - works.json", "doctor diff yesterday/ today/ --format markdown"),
)
def diff(
    a: Annotated[
        str,
        typer.Argument(
            metavar="A",
            help="Snapshot, report of check --format json, a folder of them, or - for this machine.",
        ),
    ],
    b: Annotated[str, typer.Argument(metavar="B", help="The same for the other machine.")],
    target: TargetOption = None,
    own: OwnOption = False,
    verbose: Annotated[
        bool,
        typer.Option("--verbose", "-v", help="Show all differences.", rich_help_panel="Output"),
    ] = False,
    format: Annotated[
        Literal["terminal", "json", "markdown"],
        typer.Option("--format", help="Output format.", rich_help_panel="Output"),
    ] = "terminal",
) -> int:
    """Compare two machines and show which differences cause a finding."""
    from tunedoctor.cli.command_options import DiffOptions
    from tunedoctor.cli.diff import run_diff

    return run_diff(
        DiffOptions(
            a=a,
            b=b,
            target=target,
            own=own,
            verbose=verbose,
            format=format,
        )
    )
