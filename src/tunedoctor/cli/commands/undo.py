"""doctor undo: its options, and the call of what it does."""

from typing import Annotated

import typer

from tunedoctor.cli.parameters import DoctorCommand, FormatOption, OwnOption, TargetOption, examples

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(
    name="undo",
    cls=DoctorCommand,
    context_settings={"obj": {"optional": ("--project",)}},
    epilog=examples("doctor undo", "doctor undo --list", "doctor undo --project"),
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
    project: Annotated[
        str | None,
        typer.Option(
            "--project",
            metavar="[DIR]",
            help="Restore the files that doctor fix --project changed. Default: the current folder.",
        ),
    ] = None,
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
            project=project,
            listed=listed,
            format=format,
        )
    )
