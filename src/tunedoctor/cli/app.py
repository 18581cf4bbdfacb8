"""The command line: options and their words. What a command does is in the file of its name."""

from typing import Annotated

import typer

from tunedoctor.cli.app_cure import fix_command, undo_command
from tunedoctor.cli.option_types import (
    Deep,
    FailOn,
    Format,
    Only,
    Plugin,
    Quiet,
    Skip,
    Strict,
    Target,
    Verbose,
)

app = typer.Typer(
    name="doctor",
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
)


@app.callback(invoke_without_command=True)
def doctor(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,  # noqa: FBT002
) -> None:
    """Find what stops a machine from fine-tuning language models."""
    if version:
        from tunedoctor import __version__  # noqa: PLC0415

        typer.echo(f"tunedoctor {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        from tunedoctor.cli.overview import OVERVIEW  # noqa: PLC0415

        typer.echo(OVERVIEW, nl=False)


@app.command("check")
def check_command(  # noqa: PLR0913  each is an option
    target: Target = None,
    format_: Format = "terminal",
    verbose: Verbose = False,  # noqa: FBT002
    quiet: Quiet = False,  # noqa: FBT002
    only: Only = None,
    skip: Skip = None,
    fail_on: FailOn = None,
    strict: Strict = False,  # noqa: FBT002
    plugin: Plugin = None,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="FILE", help="Judge a snapshot (- for stdin), not this machine."
        ),
    ] = None,
    deep: Deep = False,  # noqa: FBT002
) -> None:
    """Find problems of this machine and a target environment; reads only."""
    from tunedoctor.cli.check import check  # noqa: PLC0415
    from tunedoctor.cli.options import Options  # noqa: PLC0415

    options = Options.of(
        format_, only, skip, fail_on, plugin, verbose=verbose, quiet=quiet, strict=strict
    )
    raise typer.Exit(check(options, target, from_, deep=deep))


@app.command("triage")
def triage_command(  # noqa: PLR0913
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE...", help="Pasted reports, folders of them, or - for stdin."),
    ],
    here: Annotated[  # noqa: FBT002
        bool,
        typer.Option("--here", help="This machine printed it: fill in what the text leaves open."),
    ] = False,
    target: Target = None,
    format_: Format = "terminal",
    verbose: Verbose = False,  # noqa: FBT002
    quiet: Quiet = False,  # noqa: FBT002
    only: Only = None,
    skip: Skip = None,
    fail_on: FailOn = None,
    strict: Strict = False,  # noqa: FBT002
    plugin: Plugin = None,
) -> None:
    """Diagnose a report that somebody pasted: collect_env, nvidia-smi."""
    from tunedoctor.cli.options import Options  # noqa: PLC0415
    from tunedoctor.cli.triage import triage  # noqa: PLC0415

    options = Options.of(
        format_, only, skip, fail_on, plugin, verbose=verbose, quiet=quiet, strict=strict
    )
    raise typer.Exit(triage(options, files, target, here=here))


@app.command(
    "run",
    context_settings={"allow_interspersed_args": False, "ignore_unknown_options": True},
)
def run_command_(
    command: Annotated[
        list[str] | None,
        typer.Argument(metavar="-- COMMAND...", help="As in: doctor run -- python train.py"),
    ] = None,
    target: Target = None,
    report: Annotated[
        str, typer.Option("--report", metavar="FILE", help="Write the diagnosis as JSON.")
    ] = "",
) -> None:
    """Run a command untouched; when it fails, say why on stderr."""
    from tunedoctor.cli.run import run_command  # noqa: PLC0415

    raise typer.Exit(run_command(command or [], target, report))


@app.command("wheel")
def wheel_command(  # noqa: PLR0913
    target: Target = None,
    format_: Format = "terminal",
    torch: Annotated[
        str,
        typer.Option("--torch", metavar="RANGE", help="Wanted releases: '>=2.6', 2.9, ==2.9.1."),
    ] = "",
    gpu: Annotated[
        list[str] | None,
        typer.Option("--gpu", metavar="G", help="8.9, gfx1100, a name, or none (repeat for more)."),
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option("--without", metavar="G", help="Leave this GPU out (repeat for more)."),
    ] = None,
    driver: Annotated[
        str, typer.Option("--driver", metavar="V", help="NVIDIA driver, or none.")
    ] = "",
    python: Annotated[
        str, typer.Option("--python", metavar="V", help="3.12; 3.13t: free-threaded.")
    ] = "",
    platform: Annotated[
        str,
        typer.Option(
            "--platform", metavar="P", help="Another machine: linux, wsl, windows or macos."
        ),
    ] = "",
    arch: Annotated[
        str, typer.Option("--arch", metavar="A", help="CPU of the Python: x86_64, aarch64, arm64.")
    ] = "",
    glibc: Annotated[str, typer.Option("--glibc", metavar="V", help="As 2.28.")] = "",
    musl: Annotated[bool, typer.Option("--musl", help="The system has musl, not glibc.")] = False,  # noqa: FBT002
    macos: Annotated[str, typer.Option("--macos", metavar="V", help="As 14.5.")] = "",
    from_: Annotated[
        str | None,
        typer.Option("--from", metavar="FILE", help="Machines in JSON, or a snapshot (-: stdin)."),
    ] = None,
) -> None:
    """Say which PyTorch build is right for a machine, why, and how to install it."""
    from tunedoctor.cli.wheel import wheel  # noqa: PLC0415
    from tunedoctor.wheels.asked import Asked  # noqa: PLC0415

    asked = Asked(
        platform,
        arch,
        glibc,
        musl,
        macos,
        python,
        driver,
        tuple(gpu or ()),
        tuple(without or ()),
        torch,
    )
    raise typer.Exit(wheel(asked, target, from_, format_))


@app.command("set")
def set_command(  # noqa: PLR0913
    packages: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PACKAGE]...", help="What it must hold too: trl, 'peft>=0.18'."),
    ] = None,
    target: Target = None,
    format_: Format = "terminal",
    verbose: Annotated[  # noqa: FBT002
        bool, typer.Option("-v", "--verbose", help="What comes along; the resolver's own words.")
    ] = False,
    freeze: Annotated[
        str, typer.Option("--freeze", metavar="FILE", help="Write all pins with their hashes.")
    ] = "",
    pyproject: Annotated[
        str, typer.Option("--pyproject", metavar="FILE", help="Write a uv project (-: to stdout).")
    ] = "",
    force: Annotated[  # noqa: FBT002
        bool, typer.Option("--force", help="Write over files that the doctor did not write.")
    ] = False,
    offline: Annotated[  # noqa: FBT002
        bool, typer.Option("--offline", help="Go by what uv has in its cache.")
    ] = False,
    gpu: Annotated[
        list[str] | None,
        typer.Option("--gpu", metavar="G", help="8.9, gfx1100, a name, or none (repeat for more)."),
    ] = None,
    driver: Annotated[
        str, typer.Option("--driver", metavar="V", help="NVIDIA driver, or none.")
    ] = "",
    python: Annotated[str, typer.Option("--python", metavar="V", help="As 3.12.")] = "",
    platform: Annotated[
        str,
        typer.Option(
            "--platform", metavar="P", help="Another machine: linux, wsl, windows or macos."
        ),
    ] = "",
    arch: Annotated[
        str, typer.Option("--arch", metavar="A", help="CPU of the Python: x86_64, aarch64, arm64.")
    ] = "",
    glibc: Annotated[str, typer.Option("--glibc", metavar="V", help="As 2.28.")] = "",
) -> None:
    """Find one set of libraries that fits, or the smallest change that makes it fit."""
    from tunedoctor.cli.set import Files, set_  # noqa: PLC0415
    from tunedoctor.wheels.asked import Asked  # noqa: PLC0415

    asked = Asked(platform, arch, glibc, python=python, driver=driver, gpus=tuple(gpu or ()))
    files = Files(freeze, pyproject, force)
    code = set_(packages or [], asked, target, files, format_, offline=offline, verbose=verbose)
    raise typer.Exit(code)


@app.command("smoke")
def smoke_command(  # noqa: PLR0913
    target: Target = None,
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
    asked = Asked(device, model, data, steps, full, ranks_of(gpus), options.strict)
    raise typer.Exit(smoke(options, asked, target, snapshot))


@app.command(
    "train",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def train_command(  # noqa: PLR0913
    context: typer.Context,
    target: Target = None,
    init: Annotated[  # noqa: FBT002
        bool, typer.Option("--init", help="Write a configuration that fits this machine.")
    ] = False,
    eject: Annotated[
        str, typer.Option("--eject", metavar="FILE", help="Copy the trainer; it runs alone.")
    ] = "",
    processes: Annotated[
        int, typer.Option("--processes", metavar="N", help="One for each GPU, by torchrun.")
    ] = 1,
    no_check: Annotated[bool, typer.Option("--no-check", help="Begin without a check.")] = False,  # noqa: FBT002
    force: Annotated[bool, typer.Option("--force", help="Write over files.")] = False,  # noqa: FBT002
) -> None:
    """Fine-tune by CONFIG.toml and --key=value; also --dry-run and --merge."""
    from tunedoctor.cli.train import Asked, train  # noqa: PLC0415

    asked = Asked(target, eject, init, force, not no_check, processes)
    raise typer.Exit(train(asked, context.args))


@app.command("fit")
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
    exact: Annotated[  # noqa: FBT002
        bool, typer.Option("--exact", help="Trace the real model class in the target.")
    ] = False,
    target: Target = None,
    cards: Annotated[bool, typer.Option("--cards", help="What each card trains.")] = False,  # noqa: FBT002
    article: Annotated[  # noqa: FBT002
        bool, typer.Option("--article", help="A widely read table beside honest figures.")
    ] = False,
    format_: Format = "terminal",
) -> None:
    """Say what a fine-tune needs, whether it fits, and what to change."""
    from tunedoctor.cli.fit import Asked, fit  # noqa: PLC0415

    asked = Asked(
        method, rank, targets, dora, seq, batch, accum, optimizer, checkpointing, attn, stack,
        precision, quant, sharding, padded, gpu, gpus, vram,
    )  # fmt: skip
    table = "article" if article else "cards" if cards else ""
    raise typer.Exit(fit(model, asked, table, format_, exact=target or "" if exact else None))


app.command("fix")(fix_command)
app.command("undo")(undo_command)


@app.command("data")
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
        gpu, near, jobs, target,
    )  # fmt: skip
    raise typer.Exit(data(asked, format_, output))


@app.command("explain")
def explain_command(
    id_: Annotated[
        str,
        typer.Argument(
            metavar="ID|TEXT", help="A check, or an error text in quotes (- for stdin)."
        ),
    ] = "",
    list_: Annotated[bool, typer.Option("--list", help="Name all checks.")] = False,  # noqa: FBT002
    plugin: Plugin = None,
) -> None:
    """Tell all about one finding, or about what an error text means."""
    from tunedoctor.cli.explain import explain  # noqa: PLC0415

    raise typer.Exit(explain(id_, list_all=list_, plugins=plugin or []))


@app.command("snapshot")
def snapshot_command(
    out: Annotated[
        str, typer.Option("-o", "--output", metavar="FILE", help="Where to write (- for stdout).")
    ] = "-",
    target: Target = None,
    deep: Deep = False,  # noqa: FBT002
) -> None:
    """Write down all facts, redacted: for doctor check --from, elsewhere or later."""
    from tunedoctor.cli.snapshot import snapshot  # noqa: PLC0415

    raise typer.Exit(snapshot(out, target, deep=deep))


@app.command("list")
def list_command() -> None:
    """Name checks, fixes and plug-ins."""
    from tunedoctor.cli.list import list_all  # noqa: PLC0415

    raise typer.Exit(list_all())


@app.command("schema")
def schema_command(
    name: Annotated[
        str,
        typer.Argument(
            metavar="[report|wheel|set|fit|data|fix|smoke]",
            help="Of check and triage, or a command.",
        ),
    ] = "report",
) -> None:
    """Print the JSON Schema of what --format json gives."""
    from tunedoctor.cli.schema import schema  # noqa: PLC0415

    raise typer.Exit(schema(name))


@app.command("update")
def update_command(
    index: Annotated[
        str, typer.Option("--index", metavar="URL", help="Ask this mirror of PyTorch's index.")
    ] = "",
    format_: Format = "terminal",
    force: Annotated[bool, typer.Option("--force", help="Ask within a day too.")] = False,  # noqa: FBT002
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing.")] = False,  # noqa: FBT002
    offline: Annotated[bool, typer.Option("--offline", help="Ask no network.")] = False,  # noqa: FBT002
) -> None:
    """Learn the newest PyTorch wheels from the index; at most once a day."""
    from tunedoctor.cli.update import update  # noqa: PLC0415

    raise typer.Exit(update(index, format_, force=force, dry_run=dry_run, is_offline=offline))
