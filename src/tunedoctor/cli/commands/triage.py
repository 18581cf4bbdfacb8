"""doctor triage: its options, and the call of what it does."""

from typing import Annotated

import typer

from tunedoctor.cli.parameters import (
    DoctorCommand,
    FailOnOption,
    KeepHostOption,
    OnlyOption,
    OutputOption,
    OwnOption,
    PageOption,
    PluginOption,
    QuietOption,
    ReportFormatOption,
    SkipOption,
    StrictOption,
    TargetOption,
    VerboseOption,
    examples,
)

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(
    name="triage",
    cls=DoctorCommand,
    epilog=examples("doctor triage error.txt", "doctor triage *.log --format jsonl"),
)
def triage(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE", help="Files with such texts, folders of them, or - for stdin."
        ),
    ],
    here: Annotated[
        bool,
        typer.Option(
            "--here",
            help="The text is from this machine: read from it what the text leaves out.",
            rich_help_panel="Target",
        ),
    ] = False,
    target: TargetOption = None,
    own: OwnOption = False,
    format: ReportFormatOption = "terminal",
    output: OutputOption = None,
    report: PageOption = "",
    verbose: VerboseOption = False,
    quiet: QuietOption = False,
    only: OnlyOption = None,
    skip: SkipOption = None,
    fail_on: FailOnOption = None,
    strict: StrictOption = False,
    plugin: PluginOption = None,
    keep_host: KeepHostOption = False,
) -> int:
    """Diagnose a pasted text: a traceback, a log, or output of collect_env, nvidia-smi or pip list."""
    from tunedoctor.cli.command_options import TriageOptions
    from tunedoctor.cli.triage import run_triage

    return run_triage(
        TriageOptions(
            files=tuple(files),
            here=here,
            target=target,
            own=own,
            format=format,
            output=tuple(output or ()),
            report=report,
            verbose=verbose,
            quiet=quiet,
            only=tuple(only or ()),
            skip=tuple(skip or ()),
            fail_on=fail_on,
            strict=strict,
            plugin=tuple(plugin or ()),
            keep_host=keep_host,
        )
    )
