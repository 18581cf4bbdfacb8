"""doctor set: its options, and the call of what it does."""

from typing import Annotated

import typer

from tunedoctor.cli.parameters import (
    ArchOption,
    DoctorCommand,
    DriverOption,
    FormatOption,
    GlibcOption,
    GpusOption,
    OwnOption,
    PlatformOption,
    ProjectSourcesOption,
    TargetOption,
    examples,
)

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(
    name="set",
    cls=DoctorCommand,
    epilog=examples(
        "doctor set trl peft", "doctor set 'transformers>=4.50' --freeze requirements.lock"
    ),
)
def set_(
    packages: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PACKAGE",
            help="Packages the set must include, for example trl or 'peft>=0.18'.",
        ),
    ] = None,
    requirements: Annotated[
        str,
        typer.Option(
            "-r",
            "--requirements",
            metavar="FILE",
            help="Include the packages of this requirements file.",
        ),
    ] = "",
    target: TargetOption = None,
    own: OwnOption = False,
    format: FormatOption = "terminal",
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose",
            "-v",
            help="Show indirect dependencies and the resolver's own output.",
            rich_help_panel="Output",
        ),
    ] = False,
    freeze: Annotated[
        str,
        typer.Option(
            "--freeze",
            metavar="FILE",
            help="Write all versions with hashes to this file, for pip install -r.",
            rich_help_panel="Output",
        ),
    ] = "",
    pyproject: Annotated[
        str,
        typer.Option(
            "--pyproject",
            metavar="FILE",
            help="Write a uv project to this file (- for stdout).",
            rich_help_panel="Output",
        ),
    ] = "",
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Overwrite files that doctor did not write.", rich_help_panel="Output"
        ),
    ] = False,
    allow_project_sources: ProjectSourcesOption = False,
    offline: Annotated[
        bool,
        typer.Option(
            "--offline", help="Use only what is in uv's cache.", rich_help_panel="Package sources"
        ),
    ] = False,
    gpus: GpusOption = None,
    driver: DriverOption = "",
    python: Annotated[
        str,
        typer.Option(
            "--python",
            metavar="V",
            help="Python version, for example 3.12.",
            rich_help_panel="Machine",
        ),
    ] = "",
    platform: PlatformOption = "",
    arch: ArchOption = "",
    glibc: GlibcOption = "",
) -> int:
    """Find a set of libraries that work together, or the smallest change that makes yours work."""
    from tunedoctor.cli.command_options import SetOptions
    from tunedoctor.cli.set import run_set

    return run_set(
        SetOptions(
            packages=tuple(packages or ()),
            requirements=requirements,
            target=target,
            own=own,
            format=format,
            verbose=verbose,
            freeze=freeze,
            pyproject=pyproject,
            force=force,
            allow_project_sources=allow_project_sources,
            offline=offline,
            gpus=tuple(gpus or ()),
            driver=driver,
            python=python,
            platform=platform,
            arch=arch,
            glibc=glibc,
        )
    )
