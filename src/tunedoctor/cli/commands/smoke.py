"""doctor smoke: its options, and the call of what it does."""

from typing import Annotated

import typer

from tunedoctor.cli.parameters import (
    DoctorCommand,
    FormatOption,
    OwnOption,
    QuietOption,
    StrictOption,
    TargetOption,
    VerboseOption,
    examples,
    finite,
)

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(
    name="smoke",
    cls=DoctorCommand,
    epilog=examples("doctor smoke", "doctor smoke --model ./model --data rows.jsonl --steps 50"),
)
def smoke(
    target: TargetOption = None,
    own: OwnOption = False,
    format: FormatOption = "terminal",
    verbose: VerboseOption = False,
    quiet: QuietOption = False,
    strict: StrictOption = False,
    device: Annotated[
        str,
        typer.Option(
            "--device",
            metavar="D",
            help="Device to train on, for example cuda:1 or cpu (default: the best one).",
            rich_help_panel="Training",
        ),
    ] = "",
    full: Annotated[
        bool,
        typer.Option(
            "--full",
            help="Also test bitsandbytes and torch.compile. Takes about a minute longer.",
            rich_help_panel="Training",
        ),
    ] = False,
    gpus: Annotated[
        str,
        typer.Option(
            "--gpus",
            metavar="N",
            help="Number of training processes, or 'all' for one per GPU.",
            rich_help_panel="Training",
        ),
    ] = "",
    node: Annotated[
        bool,
        typer.Option(
            "--node",
            help="Also measure each GPU and the links between them.",
            rich_help_panel="Training",
        ),
    ] = False,
    model: Annotated[
        str,
        typer.Option(
            "--model",
            metavar="FOLDER",
            help="Train this model instead of the tiny one.",
            rich_help_panel="Training",
        ),
    ] = "",
    data: Annotated[
        str,
        typer.Option(
            "--data",
            metavar="FILE",
            help="Training data for --model: a .jsonl, .csv or text file.",
            rich_help_panel="Training",
        ),
    ] = "",
    steps: Annotated[
        int | None,
        typer.Option(
            "--steps",
            metavar="N",
            help="Steps to train --model (default: 5).",
            rich_help_panel="Training",
            min=1,
            max=1000,
        ),
    ] = None,
    long: Annotated[
        bool,
        typer.Option(
            "--long",
            help="Also run a load test of ten minutes that watches temperature, clocks and errors.",
            rich_help_panel="Training",
        ),
    ] = False,
    minutes: Annotated[
        float,
        typer.Option(
            "--minutes",
            metavar="N",
            help="Length of the load test in minutes (0: ten with --long, otherwise none).",
            rich_help_panel="Training",
            min=0,
            max=1440,
            callback=finite,
        ),
    ] = 0.0,
    then_train: Annotated[
        str,
        typer.Option(
            "--then-train",
            metavar="CONFIG",
            help="Train with this configuration if the smoke test passes.",
            rich_help_panel="Training",
        ),
    ] = "",
    snapshot: Annotated[
        str,
        typer.Option(
            "--snapshot",
            metavar="FILE",
            help="Write all facts, including those of the run, to this file.",
            rich_help_panel="Output",
        ),
    ] = "",
) -> int:
    """Train a tiny model in the environment, offline, in seconds, and explain any failure."""
    from tunedoctor.cli.smoke import SmokeOutput
    from tunedoctor.cli.smoke import smoke as run
    from tunedoctor.core.smoke import SmokeOptions

    return run(
        SmokeOptions(
            strict=strict,
            device=device,
            full=full,
            gpus=gpus,
            node=node,
            model=model,
            data=data,
            steps=steps or 0,
            long=long,
            minutes=minutes,
        ),
        target,
        SmokeOutput(
            format=format,
            verbose=verbose,
            quiet=quiet,
            then_train=then_train,
            snapshot=snapshot,
        ),
        own=own,
    )
