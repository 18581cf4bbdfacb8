"""doctor undo: its options, and the call of what it does."""

from typing import Annotated

import typer

from tunedoctor.cli.parameters import DoctorCommand, FormatOption, OwnOption, TargetOption, examples

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(
    name="undo",
    cls=DoctorCommand,
    epilog=examples("doctor undo", "doctor undo --list"),
)
def undo(
    id: Annotated[
        str | None,
        typer.Argument(
            metavar="ID",
            help="State to restore, as --list shows (default: the one before the last fix).",
        ),
    ] = None,
    target: TargetOption = None,
    own: OwnOption = False,
    listed: Annotated[bool, typer.Option("--list", help="List the saved states.")] = False,
    format: FormatOption = "terminal",
) -> int:
    """Restore an environment to its state before a fix."""
    from tunedoctor.cli.command_options import UndoOptions
    from tunedoctor.cli.undo import run_undo

    return run_undo(
        UndoOptions(
            id=id,
            target=target,
            own=own,
            listed=listed,
            format=format,
        )
    )
