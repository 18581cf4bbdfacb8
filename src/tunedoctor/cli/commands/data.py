"""doctor data: its options, and the call of what it does."""

from typing import Annotated, Literal

import typer

from tunedoctor.cli.completions import complete_gpu
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
    name="data",
    cls=DoctorCommand,
    epilog=examples(
        "doctor data train.jsonl",
        "doctor data qa.csv --columns prompt=ask,completion=reply --convert train.jsonl --split 0.1",
    ),
)
def data(
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE|DIR",
            help="Data files: JSONL, JSON, CSV, TSV, Parquet, Arrow, also .gz and .zst.",
        ),
    ] = None,
    valid: Annotated[
        list[str] | None,
        typer.Option("--valid", metavar="FILE", help="File of the validation split. Repeatable."),
    ] = None,
    test: Annotated[
        list[str] | None,
        typer.Option("--test", metavar="FILE", help="File of the test split. Repeatable."),
    ] = None,
    model: Annotated[
        str,
        typer.Option(
            "--model",
            metavar="M",
            help="Count tokens with this model's tokenizer, in the environment.",
            rich_help_panel="Training",
        ),
    ] = "",
    seq: Annotated[
        int | None,
        typer.Option(
            "--seq",
            metavar="N",
            help="Report what this sequence length would cut off.",
            rich_help_panel="Training",
            min=1,
            max=16777216,
        ),
    ] = None,
    method: Annotated[
        Literal["lora", "qlora", "full"],
        typer.Option(
            "--method",
            help="Fine-tuning method, for the memory estimate.",
            rich_help_panel="Training",
        ),
    ] = "lora",
    batch: Annotated[
        int,
        typer.Option(
            "--batch",
            metavar="N",
            help="Rows per optimizer step, for the estimate of steps and memory.",
            rich_help_panel="Training",
            min=1,
            max=1048576,
        ),
    ] = 16,
    epochs: Annotated[
        float,
        typer.Option(
            "--epochs",
            metavar="N",
            help="Passes over the data, for the estimate of steps and time.",
            rich_help_panel="Training",
            min=0.001,
            max=10000,
            callback=finite,
        ),
    ] = 1.0,
    gpu: Annotated[
        str,
        typer.Option(
            "--gpu",
            metavar="NAME",
            help="GPU model, for the memory estimate, for example 'RTX 4090' (default: this machine's GPU).",
            rich_help_panel="Training",
            autocompletion=complete_gpu,
        ),
    ] = "",
    near: Annotated[
        bool, typer.Option("--near/--no-near", help="Also look for near duplicates.")
    ] = True,
    columns: ColumnsOption = "",
    convert: Annotated[
        str,
        typer.Option(
            "--convert",
            metavar="OUT",
            help="Write the training rows to this .jsonl file, with the column names that trainers know.",
            rich_help_panel="Output",
        ),
    ] = "",
    split: Annotated[
        float | None,
        typer.Option(
            "--split",
            metavar="SHARE",
            help="With --convert: share of rows to write to OUT.eval.jsonl instead, for example 0.1.",
            rich_help_panel="Output",
            min=0.0001,
            max=0.9,
            callback=finite,
        ),
    ] = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Let --convert overwrite files.", rich_help_panel="Output"),
    ] = False,
    jobs: Annotated[
        int,
        typer.Option(
            "--jobs",
            metavar="N",
            help="Number of processes (0: doctor chooses).",
            min=0,
            max=256,
        ),
    ] = 0,
    target: TargetOption = None,
    own: OwnOption = False,
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write the report to this file.",
            rich_help_panel="Output",
        ),
    ] = "",
    format: Annotated[
        Literal["terminal", "json", "html"],
        typer.Option("--format", help="Output format.", rich_help_panel="Output"),
    ] = "terminal",
) -> int:
    """Check training data: faulty lines, duplicates, leaks, secrets, lengths."""
    from tunedoctor.cli.data import run_data
    from tunedoctor.core.data import DataOptions

    return run_data(
        DataOptions(
            files=tuple(files or ()),
            valid=tuple(valid or ()),
            test=tuple(test or ()),
            model=model,
            seq=seq or 0,
            method=method,
            batch=batch,
            epochs=epochs,
            gpu=gpu,
            near=near,
            columns=columns,
            convert=convert,
            split=split or 0.0,
            force=force,
            jobs=jobs,
        ),
        target,
        own=own,
        output=output,
        format_=format,
    )
