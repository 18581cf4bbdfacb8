"""doctor demo: its options, and the call of what it does."""

from typing import Annotated, Literal

import typer

from tunedoctor.cli.parameters import DoctorCommand, examples

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(
    name="demo",
    cls=DoctorCommand,
    epilog=examples("doctor demo", "doctor demo --format html > demo.html"),
)
def demo(
    format: Annotated[
        Literal["terminal", "html"],
        typer.Option("--format", help="Output format.", rich_help_panel="Output"),
    ] = "terminal",
) -> int:
    """Show check, fix and check again on a simulated machine. Does not touch your own."""
    from tunedoctor.cli.command_options import DemoOptions
    from tunedoctor.cli.demo import run_demo

    return run_demo(DemoOptions(format=format))
