"""The commands around a training: options and their words."""

from typing import Annotated

import typer

from tunedoctor.cli.option_types import (
    Format,
    Quiet,
    Self,
    Strict,
    Target,
    Verbose,
)


def smoke_command(  # noqa: PLR0913
    target: Target = None,
    self_: Self = False,  # noqa: FBT002
    format_: Format = "terminal",
    verbose: Verbose = False,  # noqa: FBT002
    quiet: Quiet = False,  # noqa: FBT002
    strict: Strict = False,  # noqa: FBT002
    device: Annotated[
        str, typer.Option("--device", metavar="D", help="As cuda:1 or cpu; else the best there is.")
    ] = "",
    full: Annotated[  # noqa: FBT002
        bool, typer.Option("--full", help="bitsandbytes and torch.compile too; a minute more.")
    ] = False,
    gpus: Annotated[
        str, typer.Option("--gpus", metavar="N", help="Train in N processes too; all: each GPU.")
    ] = "",
    model: Annotated[
        str, typer.Option("--model", metavar="FOLDER", help="Your model, not the tiny one.")
    ] = "",
    data: Annotated[
        str, typer.Option("--data", metavar="FILE", help="Your .jsonl, .csv or text, for --model.")
    ] = "",
    steps: Annotated[
        int, typer.Option("--steps", metavar="N", help="Steps of --model; 5 by default.")
    ] = 0,
    long: Annotated[  # noqa: FBT002
        bool, typer.Option("--long", help="Ten minutes of load too: heat, clocks, errors.")
    ] = False,
    minutes: Annotated[
        float, typer.Option("--minutes", metavar="N", help="Of load, where not ten.")
    ] = 0.0,
    then_train: Annotated[
        str, typer.Option("--then-train", metavar="CONFIG", help="Train by it where all is well.")
    ] = "",
    snapshot: Annotated[
        str,
        typer.Option("--snapshot", metavar="FILE", help="Write all facts with those of the run."),
    ] = "",
) -> None:
    """Train a tiny model in the target, offline, in seconds; name what fails and why."""
    from tunedoctor.cli.options import Options  # noqa: PLC0415
    from tunedoctor.cli.smoke import ranks_of, smoke  # noqa: PLC0415
    from tunedoctor.smoke.make import Asked  # noqa: PLC0415

    options = Options.of(
        format_, None, None, None, None, verbose=verbose, quiet=quiet, strict=strict
    )
    asked = Asked(
        device, model, data, steps, full, ranks_of(gpus), options.strict,
        minutes=minutes or (10.0 if long else 0.0),
    )  # fmt: skip
    raise typer.Exit(smoke(options, asked, target, snapshot, then_train, own=self_))


def train_command(  # noqa: PLR0913
    context: typer.Context,
    target: Target = None,
    self_: Self = False,  # noqa: FBT002
    init: Annotated[  # noqa: FBT002
        bool, typer.Option("--init", help="Write a configuration that fits this machine.")
    ] = False,
    eject: Annotated[
        str, typer.Option("--eject", metavar="FILE", help="Copy the trainer; it runs alone.")
    ] = "",
    processes: Annotated[
        int, typer.Option("--processes", metavar="N", help="One for each GPU.")
    ] = 1,
    no_check: Annotated[bool, typer.Option("--no-check", help="Begin without a check.")] = False,  # noqa: FBT002
    force: Annotated[bool, typer.Option("--force", help="Write over files.")] = False,  # noqa: FBT002
    from_: Annotated[
        str, typer.Option("--from", metavar="FILE", help="Facts of doctor smoke, for --init.")
    ] = "",
) -> None:
    """Fine-tune by CONFIG.toml and --key=value; also --dry-run and --merge."""
    from tunedoctor.cli.train import Asked, train  # noqa: PLC0415

    asked = Asked(target, eject, init, force, not no_check, processes, from_, self_)
    raise typer.Exit(train(asked, context.args))


def fit_command(  # noqa: PLR0913
    model: Annotated[
        str, typer.Argument(metavar="[MODEL]", help="A name, a folder, a config.json, or 7B.")
    ] = "",
    method: Annotated[
        str, typer.Option("--method", metavar="M", help="lora, qlora or full.")
    ] = "lora",
    rank: Annotated[int, typer.Option("--rank", metavar="R", help="Of the adapters.")] = 16,
    targets: Annotated[
        str, typer.Option("--targets", metavar="T", help="all-linear, or q_proj,v_proj …")
    ] = "all-linear",
    dora: Annotated[bool, typer.Option("--dora", help="Weight-decomposed adapters.")] = False,  # noqa: FBT002
    seq: Annotated[
        int, typer.Option("--seq", metavar="N", help="Tokens of the longest sample.")
    ] = 2048,
    batch: Annotated[
        int, typer.Option("--batch", metavar="N", help="Samples at a time, per GPU.")
    ] = 1,
    accum: Annotated[int, typer.Option("--accum", metavar="N", help="Batches for one step.")] = 1,
    optimizer: Annotated[
        str, typer.Option("--optimizer", metavar="O", help="adamw, adamw_8bit, adafactor …")
    ] = "adamw",
    checkpointing: Annotated[  # noqa: FBT002
        bool, typer.Option("--checkpointing/--no-checkpointing", help="Recompute activations.")
    ] = True,
    attn: Annotated[
        str, typer.Option("--attn", metavar="A", help="sdpa, eager or flash.")
    ] = "sdpa",
    stack: Annotated[
        str, typer.Option("--stack", metavar="S", help="doctor, hf, trl, unsloth, other …")
    ] = "doctor",
    precision: Annotated[
        str, typer.Option("--precision", metavar="P", help="bf16, mixed (fp32 weights) or fp32.")
    ] = "bf16",
    quant: Annotated[
        str, typer.Option("--quant", metavar="Q", help="Of qlora: nf4-dq, nf4 or int8.")
    ] = "nf4-dq",
    padded: Annotated[bool, typer.Option("--padded", help="Batches have padding.")] = False,  # noqa: FBT002
    gpu: Annotated[str, typer.Option("--gpu", metavar="NAME", help="As 'RTX 4090'.")] = "",
    vram: Annotated[
        float, typer.Option("--vram", metavar="GIB", help="A card of this size.")
    ] = 0.0,
    gpus: Annotated[int, typer.Option("--gpus", metavar="N", help="Train on so many.")] = 1,
    sharding: Annotated[
        str, typer.Option("--sharding", metavar="S", help="ddp, fsdp, zero1, zero2 or zero3.")
    ] = "ddp",
    tokens: Annotated[
        str, typer.Option("--tokens", metavar="N", help="Of the whole training, as 20M: costs.")
    ] = "",
    price_per_hour: Annotated[
        float, typer.Option("--price-per-hour", metavar="P", help="Of a rented machine.")
    ] = 0.0,
    rented: Annotated[
        str, typer.Option("--rented", metavar="NAME", help="Its card, as H100; else --gpu.")
    ] = "",
    card_price: Annotated[
        float, typer.Option("--card-price", metavar="P", help="Of a card of your own.")
    ] = 0.0,
    power_price: Annotated[
        float, typer.Option("--power-price", metavar="P", help="Of a kWh.")
    ] = 0.0,
    exact: Annotated[  # noqa: FBT002
        bool, typer.Option("--exact", help="Trace the real model class in the target.")
    ] = False,
    target: Target = None,
    self_: Self = False,  # noqa: FBT002
    cards: Annotated[bool, typer.Option("--cards", help="What each card trains.")] = False,  # noqa: FBT002
    article: Annotated[  # noqa: FBT002
        bool, typer.Option("--article", help="A widely read table beside honest figures.")
    ] = False,
    format_: Format = "terminal",
) -> None:
    """Say what a fine-tune needs, whether it fits, and what to change."""
    from tunedoctor.cli.fit import Asked, fit  # noqa: PLC0415
    from tunedoctor.cli.target import aim  # noqa: PLC0415

    asked = Asked(
        method, rank, targets, dora, seq, batch, accum, optimizer, checkpointing, attn, stack,
        precision, quant, sharding, padded, gpu, gpus, vram, tokens, price_per_hour, rented,
        card_price, power_price,
    )  # fmt: skip
    table = "article" if article else "cards" if cards else ""
    raise typer.Exit(
        fit(model, asked, table, format_, place=aim(target, own=self_) if exact else None)
    )


def data_command(  # noqa: PLR0913
    files: Annotated[
        list[str] | None,
        typer.Argument(metavar="FILE|DIR...", help="JSONL, JSON, CSV or Parquet; .gz too."),
    ] = None,
    valid: Annotated[
        list[str] | None, typer.Option("--valid", metavar="FILE", help="Of the validation split.")
    ] = None,
    test: Annotated[
        list[str] | None, typer.Option("--test", metavar="FILE", help="Of the test split.")
    ] = None,
    model: Annotated[
        str, typer.Option("--model", metavar="M", help="Count with its tokenizer, in the target.")
    ] = "",
    seq: Annotated[int, typer.Option("--seq", metavar="N", help="Tell what this cuts.")] = 0,
    method: Annotated[
        str, typer.Option("--method", metavar="M", help="lora, qlora or full.")
    ] = "lora",
    batch: Annotated[int, typer.Option("--batch", metavar="N", help="Rows of a step.")] = 16,
    epochs: Annotated[float, typer.Option("--epochs", metavar="N", help="Passes.")] = 1.0,
    gpu: Annotated[str, typer.Option("--gpu", metavar="NAME", help="As 'RTX 4090'.")] = "",
    near: Annotated[  # noqa: FBT002
        bool, typer.Option("--near/--no-near", help="Look for near duplicates too.")
    ] = True,
    jobs: Annotated[
        int, typer.Option("--jobs", metavar="N", help="Processes; 0: as many as help.")
    ] = 0,
    target: Target = None,
    self_: Self = False,  # noqa: FBT002
    output: Annotated[
        str, typer.Option("-o", "--output", metavar="FILE", help="Write the report there.")
    ] = "",
    format_: Annotated[
        str, typer.Option("--format", metavar="F", help="terminal, json or html.")
    ] = "terminal",
) -> None:
    """Look at training data: faults by line, repeats, leaks, secrets, lengths."""
    from tunedoctor.cli.data import Asked, data  # noqa: PLC0415

    asked = Asked(
        tuple(files or ()), tuple(valid or ()), tuple(test or ()), model, seq, method, batch, epochs,
        gpu, near, jobs, target, self_,
    )  # fmt: skip
    raise typer.Exit(data(asked, format_, output))
