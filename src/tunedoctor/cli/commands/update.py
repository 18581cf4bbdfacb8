"""doctor update: its options, and the call of what it does."""

from typing import Annotated

import typer

from tunedoctor.cli.parameters import DoctorCommand, FormatOption, examples

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(
    name="update",
    cls=DoctorCommand,
    epilog=examples("doctor update", "doctor update --dry-run"),
)
def update(
    index: Annotated[
        str,
        typer.Option(
            "--index",
            metavar="URL",
            help="Mirror of the PyTorch index to use.",
            rich_help_panel="Package sources",
        ),
    ] = "",
    format: FormatOption = "terminal",
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Ask the index even if the last update was less than a day ago."
        ),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing.")] = False,
    offline: Annotated[
        bool,
        typer.Option(
            "--offline", help="Do not use the network.", rich_help_panel="Package sources"
        ),
    ] = False,
) -> int:
    """Fetch the newest PyTorch wheel list and library releases, at most once a day."""
    from tunedoctor.cli.command_options import UpdateOptions
    from tunedoctor.cli.update import run_update

    return run_update(
        UpdateOptions(
            index=index,
            format=format,
            force=force,
            dry_run=dry_run,
            offline=offline,
        )
    )
