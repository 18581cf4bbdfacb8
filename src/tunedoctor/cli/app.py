"""The command line: options and their words. What a command does is in the file of its name."""

from typing import Annotated

import typer

from tunedoctor.cli.app_choose import set_command, update_command, wheel_command
from tunedoctor.cli.app_cure import fix_command, undo_command
from tunedoctor.cli.app_train import data_command, fit_command, smoke_command, train_command
from tunedoctor.cli.option_types import (
    Deep,
    FailOn,
    Format,
    KeepHost,
    Only,
    Plugin,
    Quiet,
    Self,
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
    self_: Self = False,  # noqa: FBT002
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
    raise typer.Exit(check(options, target, from_, own=self_, deep=deep))


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
    self_: Self = False,  # noqa: FBT002
    format_: Format = "terminal",
    verbose: Verbose = False,  # noqa: FBT002
    quiet: Quiet = False,  # noqa: FBT002
    only: Only = None,
    skip: Skip = None,
    fail_on: FailOn = None,
    strict: Strict = False,  # noqa: FBT002
    plugin: Plugin = None,
    keep_host: KeepHost = False,  # noqa: FBT002
) -> None:
    """Diagnose a report that somebody pasted: collect_env, nvidia-smi."""
    from tunedoctor.cli.options import Options  # noqa: PLC0415
    from tunedoctor.cli.triage import triage  # noqa: PLC0415

    options = Options.of(
        format_, only, skip, fail_on, plugin, verbose=verbose, quiet=quiet, strict=strict
    )
    raise typer.Exit(triage(options, files, target, own=self_, here=here, keep_host=keep_host))


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
    self_: Self = False,  # noqa: FBT002
    report: Annotated[
        str, typer.Option("--report", metavar="FILE", help="Write the diagnosis as JSON.")
    ] = "",
) -> None:
    """Run a command untouched; when it fails, say why on stderr."""
    from tunedoctor.cli.run import run_command  # noqa: PLC0415
    from tunedoctor.cli.target import aim  # noqa: PLC0415

    raise typer.Exit(run_command(command or [], aim(target, own=self_), report))


app.command("wheel")(wheel_command)


app.command("set")(set_command)


app.command("smoke")(smoke_command)


app.command(
    "train",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)(train_command)


app.command("fit")(fit_command)


app.command("fix")(fix_command)
app.command("undo")(undo_command)


app.command("data")(data_command)


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
    self_: Self = False,  # noqa: FBT002
    deep: Deep = False,  # noqa: FBT002
    keep_host: KeepHost = False,  # noqa: FBT002
) -> None:
    """Write down all facts, redacted: for doctor check --from, elsewhere or later."""
    from tunedoctor.cli.snapshot import snapshot  # noqa: PLC0415
    from tunedoctor.cli.target import aim  # noqa: PLC0415

    raise typer.Exit(snapshot(out, aim(target, own=self_), deep=deep, keep_host=keep_host))


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


app.command("update")(update_command)
