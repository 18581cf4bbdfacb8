"""doctor envs: its options, and the call of what it does."""

from typing import Annotated

import typer

from tunedoctor.cli.parameters import DoctorCommand, FormatOption, examples

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(
    name="envs",
    cls=DoctorCommand,
    epilog=examples("doctor envs", "doctor envs --quick --format json"),
)
def envs(
    quick: Annotated[bool, typer.Option("--quick", help="Leave out the sizes.")] = False,
    format: FormatOption = "terminal",
) -> int:
    """List your Python environments with Python version, torch version and size. Only reads files."""
    from tunedoctor.cli.command_options import EnvsOptions
    from tunedoctor.cli.envs import run_envs

    return run_envs(
        EnvsOptions(
            quick=quick,
            format=format,
        )
    )
