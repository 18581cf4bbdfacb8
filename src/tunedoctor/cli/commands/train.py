"""doctor train: its options, and the call of what it does."""

from typing import Annotated

import typer

from tunedoctor.cli.parameters import (
    ColumnsOption,
    DoctorCommand,
    OwnOption,
    TargetOption,
    examples,
    typed_options,
)

app = typer.Typer(add_completion=False, rich_markup_mode=None)
# the trainer reads these options itself, so Typer cannot list them; \b keeps the lines as they are
_HELP = """Fine-tune a model with the settings of CONFIG.toml, which doctor init writes.

Every key of CONFIG.toml is also an option and takes precedence over the file. Without a file, give at least
--model and --data.

\b
Common keys:
  --model NAME          Model: a name on the Hub, a folder or a .gguf file.
  --data FILE           Training data: a file or a folder.
  --eval-data FILE      Held-out data.
  --out DIR             Output folder (default: out).
  --method M            lora, qlora or full (default: lora).
  --objective O         sft, dpo or orpo (default: sft).
  --epochs N            Passes over the data (default: 1).
  --max-steps N         Number of steps, instead of --epochs.
  --batch N             Rows per step, over all GPUs (default: 16).
  --max-length N        Longest row in tokens (default: 1024).
  --learning-rate R     Highest learning rate (default: 2e-4).
  --resume=true         Continue a run that was stopped.

\b
Instead of a training run:
  --dry-run             Train two steps with the longest rows; save nothing.
  --merge               Merge the adapter of a finished run into its model.
"""


@app.command(
    name="train",
    cls=DoctorCommand,
    options_metavar="[CONFIG.toml] [--KEY VALUE]... [OPTIONS]",
    help=_HELP,
    epilog=examples(
        "doctor train config.toml --dry-run",
        "doctor train config.toml --epochs=2",
        "doctor train --model=Qwen/Qwen3-0.6B --data=train.jsonl --max-steps=100",
    ),
    context_settings={
        "ignore_unknown_options": True,
        "obj": {"extra": True, "optional": ("--slurm", "--ray", "--kubernetes")},
    },
)
def train(
    context: typer.Context,
    target: TargetOption = None,
    own: OwnOption = False,
    init: Annotated[bool, typer.Option("--init", help="Same as doctor init.")] = False,
    eject: Annotated[
        str,
        typer.Option(
            "--eject",
            metavar="FILE",
            help="Write the trainer as one file that runs without doctor.",
            rich_help_panel="Output",
        ),
    ] = "",
    processes: Annotated[
        int,
        typer.Option(
            "--processes",
            metavar="N",
            help="Number of processes, one per GPU.",
            rich_help_panel="Machines",
            min=1,
            max=64,
        ),
    ] = 1,
    nodes: Annotated[
        int | None,
        typer.Option(
            "--nodes",
            metavar="N",
            help="Number of nodes to train on, each with --processes processes.",
            rich_help_panel="Machines",
            min=2,
            max=4096,
        ),
    ] = None,
    slurm: Annotated[
        str | None,
        typer.Option(
            "--slurm",
            metavar="[NODES]",
            help="Use Slurm nodes: a partition, or a list such as n[1-4] (default: the nodes of this job).",
            rich_help_panel="Machines",
        ),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            "--ray",
            metavar="[ADDRESS]",
            help="Use nodes of a Ray cluster, through Ray Train.",
            rich_help_panel="Machines",
        ),
    ] = None,
    kubernetes: Annotated[
        str | None,
        typer.Option(
            "--kubernetes",
            metavar="[LABELS]",
            help="Use pods of Kubeflow's training operator, on nodes with labels such as gpu=a100.",
            rich_help_panel="Machines",
        ),
    ] = None,
    exclude: Annotated[
        str,
        typer.Option(
            "--exclude",
            metavar="NODES",
            help="Nodes to avoid: names separated by commas, with Slurm also lists such as n[7-9].",
            rich_help_panel="Machines",
        ),
    ] = "",
    wait: Annotated[
        int,
        typer.Option(
            "--wait",
            metavar="SECONDS",
            help="Seconds to wait for Ray or Kubernetes to provide the nodes.",
            rich_help_panel="Machines",
            min=1,
            max=604800,
        ),
    ] = 600,
    manifest: Annotated[
        bool,
        typer.Option(
            "--manifest",
            help="With --kubernetes: print the manifest and how to apply it.",
            rich_help_panel="Machines",
        ),
    ] = False,
    image: Annotated[
        str,
        typer.Option(
            "--image",
            metavar="NAME",
            help="With --kubernetes: container image with doctor and a training environment.",
            rich_help_panel="Machines",
        ),
    ] = "",
    resource: Annotated[
        str,
        typer.Option(
            "--resource",
            metavar="NAME",
            help="With --kubernetes: GPU resource name, for example amd.com/gpu (default: the one most nodes offer).",
            rich_help_panel="Machines",
        ),
    ] = "",
    claim: Annotated[
        str,
        typer.Option(
            "--claim",
            metavar="NAME[:FOLDER]",
            help=(
                "With --kubernetes: PersistentVolumeClaim that contains the current folder. Add"
                " :FOLDER if it contains a parent folder instead."
            ),
            rich_help_panel="Machines",
        ),
    ] = "training",
    columns: ColumnsOption = "",
    no_check: Annotated[
        bool,
        typer.Option(
            "--no-check", help="Start without checking the machine first.", rich_help_panel="Checks"
        ),
    ] = False,
    report: Annotated[
        str,
        typer.Option(
            "--report",
            metavar="FILE",
            help="Write an HTML page about the run.",
            rich_help_panel="Output",
        ),
    ] = "",
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite files.", rich_help_panel="Output")
    ] = False,
) -> int:
    """Fine-tune a model with the settings of a configuration file and of options."""
    from tunedoctor.cli.command_options import TrainArguments
    from tunedoctor.cli.train import run_train

    return run_train(
        TrainArguments(
            target=target,
            own=own,
            init=init,
            eject=eject,
            processes=processes,
            nodes=nodes or 0,
            slurm=slurm,
            ray=ray,
            kubernetes=kubernetes,
            exclude=exclude,
            wait=wait,
            manifest=manifest,
            image=image,
            resource=resource,
            claim=claim,
            columns=columns,
            no_check=no_check,
            report=report,
            force=force,
            typed=typed_options(context),
            rest=tuple(word for word in context.args if word != "--"),
        )
    )
