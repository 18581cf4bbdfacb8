"""doctor init: its options, and the call of what it does."""

from typing import Annotated, Literal

import typer

from tunedoctor.cli.completions import complete_goal, complete_model
from tunedoctor.cli.parameters import (
    ColumnsOption,
    DoctorCommand,
    OwnOption,
    TargetOption,
    examples,
    finite,
)

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(
    name="init",
    cls=DoctorCommand,
    epilog=examples(
        "doctor init",
        "doctor init my.toml --model=Qwen/Qwen3-0.6B --data=train.jsonl --goal=facts",
        "doctor init --for trl --model=Qwen/Qwen3-0.6B --data=train.jsonl",
    ),
)
def init(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="File to write (- for stdout; default: config.toml, config.yaml or train.py).",
        ),
    ] = "",
    framework: Annotated[
        Literal["", "axolotl", "llamafactory", "torchtune", "trl", "unsloth"],
        typer.Option(
            "--for",
            metavar="NAME",
            help="Write the configuration of another framework: axolotl, llamafactory, torchtune, trl or unsloth.",
            rich_help_panel="Output",
        ),
    ] = "",
    target: TargetOption = None,
    own: OwnOption = False,
    model: Annotated[
        str,
        typer.Option(
            "--model",
            metavar="MODEL",
            help="Model name on the Hub, a folder, or a .gguf file.",
            rich_help_panel="Training",
            autocompletion=complete_model,
        ),
    ] = "",
    data: Annotated[
        str,
        typer.Option(
            "--data",
            metavar="FILE",
            help="Training data: a file or a folder.",
            rich_help_panel="Training",
        ),
    ] = "",
    eval_data: Annotated[
        str,
        typer.Option(
            "--eval-data",
            metavar="FILE",
            help="Held-out data: evaluated on, never trained on.",
            rich_help_panel="Training",
        ),
    ] = "",
    columns: ColumnsOption = "",
    goal: Annotated[
        str,
        typer.Option(
            "--goal",
            metavar="GOAL",
            help="What the model should learn: style, format, facts or text.",
            rich_help_panel="Training",
            autocompletion=complete_goal,
        ),
    ] = "",
    hours: Annotated[
        float,
        typer.Option(
            "--hours",
            metavar="H",
            help="Longest acceptable training time, in hours (0: no limit).",
            rich_help_panel="Training",
            min=0,
            max=100000,
            callback=finite,
        ),
    ] = 0.0,
    out: Annotated[
        str,
        typer.Option(
            "--out", metavar="DIR", help="Output folder of the run.", rich_help_panel="Output"
        ),
    ] = "",
    source: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="FILE",
            help="Use the results of a smoke test, written by doctor smoke --snapshot.",
            rich_help_panel="Target",
        ),
    ] = "",
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite the file.", rich_help_panel="Output")
    ] = False,
) -> int:
    """Write a first training configuration. Asks up to four questions, or none if you give --model and --data."""
    from tunedoctor.cli.init import run_init
    from tunedoctor.core.init import InitOptions

    names = {"": "config.toml", "unsloth": "train.py"}
    file = file or names.get(framework, "config.yaml")
    return run_init(
        InitOptions(
            framework=framework,
            file=file,
            model=model,
            data=data,
            eval_data=eval_data,
            columns=columns,
            goal=goal,
            hours=hours,
            out=out,
        ),
        file,
        target,
        own=own,
        source=source,
        force=force,
    )
