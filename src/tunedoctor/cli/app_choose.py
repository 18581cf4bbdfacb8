"""The commands that choose PyTorch and libraries: options and their words."""

from typing import Annotated

import typer

from tunedoctor.cli.option_types import (
    Format,
    ProjectSources,
    Self,
    Target,
)


def wheel_command(  # noqa: PLR0913
    target: Target = None,
    self_: Self = False,  # noqa: FBT002
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
    raise typer.Exit(wheel(asked, target, from_, format_, own=self_))


def set_command(  # noqa: PLR0913
    packages: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PACKAGE]...", help="What it must hold too: trl, 'peft>=0.18'."),
    ] = None,
    target: Target = None,
    self_: Self = False,  # noqa: FBT002
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
    allow_project_sources: ProjectSources = False,  # noqa: FBT002
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
    code = set_(
        packages or [],
        asked,
        target,
        files,
        format_,
        own=self_,
        offline=offline,
        verbose=verbose,
        project_sources=allow_project_sources,
    )
    raise typer.Exit(code)


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
