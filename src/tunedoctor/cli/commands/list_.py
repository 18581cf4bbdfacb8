"""doctor list: its options, and the call of what it does."""

import typer

from tunedoctor.cli.parameters import DoctorCommand, examples

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(
    name="list",
    cls=DoctorCommand,
    epilog=examples("doctor list", "doctor list | grep rocm"),
)
def list_() -> int:
    """List checks, fixes and plug-ins."""
    from tunedoctor.cli.explain import run_list

    return run_list()
