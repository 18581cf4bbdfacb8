"""doctor wheel: its options, and the call of what it does."""

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
    TargetOption,
    examples,
)

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(
    name="wheel",
    cls=DoctorCommand,
    epilog=examples(
        "doctor wheel --matrix", "doctor wheel --gpu 'RTX 5090' --driver 570.86 --python 3.12"
    ),
)
def wheel(
    target: TargetOption = None,
    own: OwnOption = False,
    format: FormatOption = "terminal",
    torch: Annotated[
        str,
        typer.Option(
            "--torch",
            metavar="RANGE",
            help="Acceptable releases, for example '>=2.6', 2.9 or ==2.9.1.",
            rich_help_panel="Choice",
        ),
    ] = "",
    gpus: GpusOption = None,
    without: Annotated[
        list[str] | None,
        typer.Option(
            "--without", metavar="G", help="Ignore this GPU. Repeatable.", rich_help_panel="Machine"
        ),
    ] = None,
    driver: DriverOption = "",
    python: Annotated[
        str,
        typer.Option(
            "--python",
            metavar="V",
            help="Python version, for example 3.12, or 3.13t for free-threaded.",
            rich_help_panel="Machine",
        ),
    ] = "",
    platform: PlatformOption = "",
    arch: ArchOption = "",
    glibc: GlibcOption = "",
    musl: Annotated[
        bool,
        typer.Option(
            "--musl", help="The system uses musl instead of glibc.", rich_help_panel="Machine"
        ),
    ] = False,
    macos: Annotated[
        str,
        typer.Option(
            "--macos",
            metavar="V",
            help="macOS version, for example 14.5.",
            rich_help_panel="Machine",
        ),
    ] = "",
    matrix: Annotated[
        bool,
        typer.Option(
            "--matrix",
            help="List all builds for the platform with their Python, driver and GPUs, and which ones fit.",
            rich_help_panel="Output",
        ),
    ] = False,
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="FILE",
            help="Read a snapshot, or descriptions of machines in JSON (- for stdin).",
            rich_help_panel="Machine",
        ),
    ] = None,
) -> int:
    """Choose the PyTorch build for a machine, explain the choice and print the install commands."""
    from tunedoctor.cli.command_options import WheelOptions
    from tunedoctor.cli.wheel import run_wheel

    return run_wheel(
        WheelOptions(
            target=target,
            own=own,
            format=format,
            torch=torch,
            gpus=tuple(gpus or ()),
            without=tuple(without or ()),
            driver=driver,
            python=python,
            platform=platform,
            arch=arch,
            glibc=glibc,
            musl=musl,
            macos=macos,
            matrix=matrix,
            source=source,
        )
    )
