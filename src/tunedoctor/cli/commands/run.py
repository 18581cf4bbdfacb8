"""doctor run: its options, and the call of what it does."""

from typing import Annotated

import typer

from tunedoctor.cli.parameters import DoctorCommand, OwnOption, TargetOption, examples

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(
    name="run",
    cls=DoctorCommand,
    epilog=examples(
        "doctor run -- python train.py",
        "doctor run --report run.json -- accelerate launch train.py",
    ),
    context_settings={"allow_interspersed_args": False, "ignore_unknown_options": True},
)
def run(
    command: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="-- COMMAND", help="Command to run, for example: doctor run -- python train.py"
        ),
    ] = None,
    target: TargetOption = None,
    own: OwnOption = False,
    report: Annotated[
        str,
        typer.Option(
            "--report",
            metavar="FILE",
            help="Write the diagnosis as JSON.",
            rich_help_panel="Output",
        ),
    ] = "",
) -> int:
    """Run a command unchanged and, if it fails, explain why on stderr."""
    from tunedoctor.cli.command_options import RunOptions
    from tunedoctor.cli.run import run_run

    return run_run(
        RunOptions(
            command=tuple(command or ()),
            target=target,
            own=own,
            report=report,
        )
    )
