"""doctor check: its options, and the call of what it does."""

from typing import Annotated, Literal

import typer

from tunedoctor.cli.completions import complete_gpu
from tunedoctor.cli.parameters import (
    ArchOption,
    ConfigOption,
    DeepOption,
    DoctorCommand,
    DriverOption,
    FailOnOption,
    OnlyOption,
    OpenOption,
    OutputOption,
    OwnOption,
    PageOption,
    PlatformOption,
    PluginOption,
    ProjectSourcesOption,
    QuietOption,
    ReportFormatOption,
    SkipOption,
    StrictOption,
    SystemOption,
    TargetOption,
    VerboseOption,
    examples,
    finite,
    typed_options,
)

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(
    name="check",
    cls=DoctorCommand,
    context_settings={"obj": {"optional": ("--project",)}},
    epilog=examples(
        "doctor check --deep --target ./.venv",
        "doctor check --project --gpu 'RTX 5090' --gpu H100 --driver 570.86",
        "doctor check --for qlora.yml --gpu T4",
    ),
)
def check(
    context: typer.Context,
    target: TargetOption = None,
    own: OwnOption = False,
    system: SystemOption = False,
    format: ReportFormatOption = "terminal",
    output: OutputOption = None,
    report: PageOption = "",
    open: OpenOption = False,
    verbose: VerboseOption = False,
    quiet: QuietOption = False,
    only: OnlyOption = None,
    skip: SkipOption = None,
    fail_on: FailOnOption = None,
    strict: StrictOption = False,
    plugin: PluginOption = None,
    config: ConfigOption = None,
    profile: Annotated[
        Literal["project", "node", "runner", "image"],
        typer.Option(
            "--profile",
            help=(
                "What to check: project, node (the machine only), runner (a CI runner), or image"
                " (at build time, without a GPU)."
            ),
            rich_help_panel="Checks",
        ),
    ] = "project",
    require_environment: Annotated[
        bool,
        typer.Option(
            "--require-environment",
            help="Exit with 2 if no Python environment is found.",
            rich_help_panel="Policy",
        ),
    ] = False,
    baseline: Annotated[
        str,
        typer.Option(
            "--baseline",
            metavar="FILE",
            help="Fail only on findings that are not in this file.",
            rich_help_panel="Policy",
        ),
    ] = "",
    write_baseline: Annotated[
        bool,
        typer.Option(
            "--write-baseline",
            help="Write the current findings to the baseline file.",
            rich_help_panel="Policy",
        ),
    ] = False,
    timeout: Annotated[
        float | None,
        typer.Option(
            "--timeout",
            metavar="S",
            help="Time limit in seconds (default: none). Checks that have not finished by then are undecided.",
            rich_help_panel="Checks",
            min=0.5,
            max=86400,
            callback=finite,
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="FILE",
            help="Check a snapshot file instead of this machine (- for stdin).",
            rich_help_panel="Target",
        ),
    ] = None,
    configuration: Annotated[
        str,
        typer.Option(
            "--for",
            metavar="FILE",
            help=(
                "Also check this configuration file of axolotl, LLaMA-Factory, torchtune, ms-swift,"
                " TRL, unsloth, Trainer, DeepSpeed or accelerate."
            ),
            rich_help_panel="Target",
        ),
    ] = "",
    project: Annotated[
        str | None,
        typer.Option(
            "--project",
            metavar="[DIR]",
            help=(
                "Check what a project declares instead of an environment: what its lock installs, or"
                " what its requirements resolve to today. Default: the current folder."
            ),
            rich_help_panel="Project",
        ),
    ] = None,
    requirements: Annotated[
        str,
        typer.Option(
            "--requirements",
            "-r",
            metavar="FILE",
            help="Check only this requirements file. Implies --project.",
            rich_help_panel="Project",
        ),
    ] = "",
    extra: Annotated[
        list[str] | None,
        typer.Option(
            "--extra",
            metavar="NAME",
            help="Include this extra (optional dependencies) of the project. Repeatable.",
            rich_help_panel="Project",
        ),
    ] = None,
    group: Annotated[
        list[str] | None,
        typer.Option(
            "--group",
            metavar="NAME",
            help="Include this dependency group of the project. Repeatable.",
            rich_help_panel="Project",
        ),
    ] = None,
    gpu: Annotated[
        list[str] | None,
        typer.Option(
            "--gpu",
            metavar="G",
            help=(
                "Check the project or the configuration for a machine with this GPU, for example"
                " 'RTX 5090', 8.9, gfx1100 or none. With --project, repeat it to check several GPUs."
            ),
            rich_help_panel="Project",
            autocompletion=complete_gpu,
        ),
    ] = None,
    driver: DriverOption = "",
    platform: PlatformOption = "",
    arch: ArchOption = "",
    python: Annotated[
        str,
        typer.Option(
            "--python",
            metavar="V",
            help="Python version for the project, for example 3.12 (default: the one it declares).",
            rich_help_panel="Machine",
        ),
    ] = "",
    allow_project_sources: ProjectSourcesOption = False,
    deep: DeepOption = False,
    smoke: Annotated[
        bool,
        typer.Option(
            "--smoke",
            help="Also train a tiny model, as doctor smoke does.",
            rich_help_panel="Checks",
        ),
    ] = False,
) -> int:
    """Find what stops this machine and its Python environment from training. Changes nothing."""
    from tunedoctor.cli.check import run_check
    from tunedoctor.cli.command_options import CheckOptions

    return run_check(
        CheckOptions(
            target=target,
            own=own,
            system=system,
            format=format,
            output=tuple(output or ()),
            report=report,
            open=open,
            verbose=verbose,
            quiet=quiet,
            only=tuple(only or ()),
            skip=tuple(skip or ()),
            fail_on=fail_on,
            strict=strict,
            plugin=tuple(plugin or ()),
            config=config,
            profile=profile,
            require_environment=require_environment,
            baseline=baseline,
            write_baseline=write_baseline,
            timeout=timeout or 0.0,
            source=source,
            configuration=configuration,
            deep=deep,
            smoke=smoke,
            project=project,
            requirements=requirements,
            gpus=tuple(gpu or ()),
            driver=driver,
            platform=platform,
            arch=arch,
            python=python,
            extras=tuple(extra or ()),
            groups=tuple(group or ()),
            allow_project_sources=allow_project_sources,
            typed=typed_options(context),
        )
    )
