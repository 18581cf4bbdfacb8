"""doctor policy: its options, and the call of what it does."""

from typing import Annotated, Literal

import typer

from tunedoctor.cli.parameters import DoctorCommand, OwnOption, TargetOption, examples

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(
    name="policy",
    cls=DoctorCommand,
    epilog=examples(
        "doctor policy init --from-here", "doctor policy init --from good.json -o doctor.toml"
    ),
)
def policy(
    what: Annotated[
        Literal["init"], typer.Argument(metavar="ACTION", help="'init' writes a first policy.")
    ],
    here: Annotated[
        bool,
        typer.Option(
            "--from-here", help="Use this machine and the target.", rich_help_panel="Target"
        ),
    ] = False,
    source: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="FILE", help="Use a snapshot (- for stdin).", rich_help_panel="Target"
        ),
    ] = None,
    target: TargetOption = None,
    own: OwnOption = False,
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="File to write (- for stdout).",
            rich_help_panel="Output",
        ),
    ] = "doctor.toml",
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite an existing file.", rich_help_panel="Output")
    ] = False,
) -> int:
    """Write a policy from a machine that is known to be good."""
    from tunedoctor.cli.command_options import PolicyOptions
    from tunedoctor.cli.policy import run_policy

    return run_policy(
        PolicyOptions(
            what=what,
            here=here,
            source=source,
            target=target,
            own=own,
            output=output,
            force=force,
        )
    )
