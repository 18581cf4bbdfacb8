"""doctor snapshot: its options, and the call of what it does."""

from typing import Annotated, Literal

import typer

from tunedoctor.cli.parameters import (
    ConfigOption,
    DeepOption,
    DoctorCommand,
    KeepHostOption,
    OwnOption,
    SystemOption,
    TargetOption,
    examples,
)

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(
    name="snapshot",
    cls=DoctorCommand,
    epilog=examples(
        "doctor snapshot -o here.json", "doctor snapshot --deep -o - | doctor check --from -"
    ),
)
def snapshot(
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="File to write (- for stdout).",
            rich_help_panel="Output",
        ),
    ] = "-",
    target: TargetOption = None,
    own: OwnOption = False,
    system: SystemOption = False,
    deep: DeepOption = False,
    smoke: Annotated[
        bool,
        typer.Option(
            "--smoke",
            help="Also train a tiny model, as doctor smoke does.",
            rich_help_panel="Checks",
        ),
    ] = False,
    profile: Annotated[
        Literal["project", "node", "runner"],
        typer.Option(
            "--profile",
            help="What to record; node leaves out the Python environment.",
            rich_help_panel="Checks",
        ),
    ] = "project",
    config: ConfigOption = None,
    keep_host: KeepHostOption = False,
) -> int:
    """Write all facts, redacted, for doctor check --from on another machine or later."""
    from tunedoctor.cli.check import run_snapshot
    from tunedoctor.cli.command_options import SnapshotOptions

    return run_snapshot(
        SnapshotOptions(
            output=output,
            target=target,
            own=own,
            system=system,
            deep=deep,
            smoke=smoke,
            profile=profile,
            config=config,
            keep_host=keep_host,
        )
    )
