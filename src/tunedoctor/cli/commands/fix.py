"""doctor fix: its options, and the call of what it does."""

from typing import Annotated, Literal

import typer

from tunedoctor.cli.completions import complete_check, complete_gpu
from tunedoctor.cli.parameters import (
    ArchOption,
    DoctorCommand,
    DriverOption,
    FormatOption,
    OwnOption,
    PlatformOption,
    PluginOption,
    ProjectSourcesOption,
    TargetOption,
    examples,
)

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(
    name="fix",
    cls=DoctorCommand,
    context_settings={"obj": {"optional": ("--project",)}},
    epilog=examples(
        "doctor fix --dry-run",
        "doctor fix --project --gpu 'RTX 5090'",
        "doctor fix --new .venv --with trl",
    ),
)
def fix(
    ids: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ID",
            help="Findings to fix (default: all errors and warnings).",
            autocompletion=complete_check,
        ),
    ] = None,
    target: TargetOption = None,
    own: OwnOption = False,
    format: FormatOption = "terminal",
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show every package.", rich_help_panel="Output")
    ] = False,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only",
            metavar="ID",
            help="Same as the argument ID. Repeatable.",
            rich_help_panel="Checks",
            autocompletion=complete_check,
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Show the plan and change nothing.", rich_help_panel="Apply"
        ),
    ] = False,
    smallest: Annotated[
        bool,
        typer.Option(
            "--smallest",
            help="Try only the smallest change, never a larger one.",
            rich_help_panel="Apply",
        ),
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Apply without asking.", rich_help_panel="Apply")
    ] = False,
    plan: Annotated[
        str,
        typer.Option(
            "--plan",
            metavar="ID",
            help="Apply the plan only if it has this ID (plan_id in --format json).",
            rich_help_panel="Apply",
        ),
    ] = "",
    script: Annotated[
        str | None,
        typer.Option(
            "--script",
            metavar="FILE",
            help="Write the plan as a shell script (- for stdout). With --new, the script sets up a bare machine.",
            rich_help_panel="Apply",
        ),
    ] = None,
    installer: Annotated[
        Literal["uv", "pip"] | None,
        typer.Option(
            "--installer",
            help="Installer to use (default: uv if available).",
            rich_help_panel="Apply",
        ),
    ] = None,
    new: Annotated[
        str | None,
        typer.Option(
            "--new",
            metavar="PATH",
            help="Create an environment that is ready for training in this folder.",
            rich_help_panel="New environment",
        ),
    ] = None,
    packages: Annotated[
        list[str] | None,
        typer.Option(
            "--with",
            metavar="PACKAGE",
            help="Package to include in the new environment. Repeatable.",
            rich_help_panel="New environment",
        ),
    ] = None,
    requirements: Annotated[
        str,
        typer.Option(
            "--requirements",
            "-r",
            metavar="FILE",
            help=(
                "Requirements file to install into the new environment (default: what the project"
                " declares). With --project: fix only this file."
            ),
            rich_help_panel="New environment",
        ),
    ] = "",
    python: Annotated[
        str | None,
        typer.Option(
            "--python",
            metavar="P",
            help=(
                "Python for the new environment: a version such as 3.12, or a path. With"
                " --project: the Python version to fix the project for."
            ),
            rich_help_panel="New environment",
        ),
    ] = None,
    deep: Annotated[
        bool,
        typer.Option(
            "--deep",
            help="Run the environment's packages to find problems and to test the result.",
            rich_help_panel="Tests",
        ),
    ] = False,
    smoke: Annotated[
        bool,
        typer.Option(
            "--smoke",
            help="Also test the result by training a tiny model.",
            rich_help_panel="Tests",
        ),
    ] = False,
    no_import: Annotated[
        bool,
        typer.Option(
            "--no-import",
            help="Test the result without importing its packages.",
            rich_help_panel="Tests",
        ),
    ] = False,
    system: Annotated[
        bool,
        typer.Option(
            "--system",
            help="Allow changing a Python that is not a virtual environment.",
            rich_help_panel="Apply",
        ),
    ] = False,
    edit: Annotated[
        bool,
        typer.Option(
            "--edit",
            help="Also change install commands in the project's Dockerfiles and notebooks.",
            rich_help_panel="Apply",
        ),
    ] = False,
    environment_only: Annotated[
        bool,
        typer.Option(
            "--environment-only",
            help="Fix only the environment, not the project's files. The project's next sync undoes such a fix.",
            rich_help_panel="Apply",
        ),
    ] = False,
    project: Annotated[
        str | None,
        typer.Option(
            "--project",
            metavar="[DIR]",
            help=(
                "Fix what a project declares: edit its files and its lock, and install nothing."
                " Default: the current folder."
            ),
            rich_help_panel="Project",
        ),
    ] = None,
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
            help="Fix the project for a machine with this GPU. Repeat it for several GPUs.",
            rich_help_panel="Project",
            autocompletion=complete_gpu,
        ),
    ] = None,
    driver: DriverOption = "",
    platform: PlatformOption = "",
    arch: ArchOption = "",
    allow_project_sources: ProjectSourcesOption = False,
    plugin: PluginOption = None,
) -> int:
    """Fix what doctor check finds. Shows a plan first, applies all of it or nothing, and can be undone."""
    from tunedoctor.cli.command_options import FixArguments
    from tunedoctor.cli.fix import run_fix

    return run_fix(
        FixArguments(
            ids=tuple(ids or ()),
            target=target,
            own=own,
            format=format,
            verbose=verbose,
            only=tuple(only or ()),
            dry_run=dry_run,
            smallest=smallest,
            yes=yes,
            plan=plan,
            script=script,
            installer=installer,
            new=new,
            requirements=requirements,
            packages=tuple(packages or ()),
            python=python,
            deep=deep,
            smoke=smoke,
            no_import=no_import,
            system=system,
            edit=edit,
            environment_only=environment_only,
            project=project,
            extras=tuple(extra or ()),
            groups=tuple(group or ()),
            gpus=tuple(gpu or ()),
            driver=driver,
            platform=platform,
            arch=arch,
            allow_project_sources=allow_project_sources,
            plugin=tuple(plugin or ()),
        )
    )
