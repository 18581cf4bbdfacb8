"""The commands that change an environment: options and their words."""

from typing import Annotated

import typer

from tunedoctor.cli.option_types import Format, Plugin, ProjectSources, Self, Target


def fix_command(  # noqa: PLR0913  each is an option
    ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ID]...", help="Findings to cure; else all errors and warnings."),
    ] = None,
    target: Target = None,
    self_: Self = False,  # noqa: FBT002
    format_: Format = "terminal",
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Every package.")] = False,  # noqa: FBT002
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="ID", help="The same as naming the id.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan, do nothing.")] = False,  # noqa: FBT002
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Do not ask.")] = False,  # noqa: FBT002
    script: Annotated[
        str | None,
        typer.Option("--script", metavar="FILE", help="Write it as a shell script (-: stdout)."),
    ] = None,
    installer: Annotated[
        str | None, typer.Option("--installer", metavar="T", help="uv (where it is there) or pip.")
    ] = None,
    new: Annotated[
        str | None, typer.Option("--new", metavar="PATH", help="Make a ready environment there.")
    ] = None,
    with_: Annotated[
        list[str] | None, typer.Option("--with", metavar="PACKAGE", help="What --new holds too.")
    ] = None,
    python: Annotated[
        str | None,
        typer.Option("--python", metavar="P", help="Interpreter for --new: 3.12, or a path."),
    ] = None,
    deep: Annotated[  # noqa: FBT002
        bool, typer.Option("--deep", help="Look, and prove, by running the target's packages.")
    ] = False,
    smoke: Annotated[  # noqa: FBT002
        bool, typer.Option("--smoke", help="Prove it by a tiny training as well.")
    ] = False,
    no_import: Annotated[  # noqa: FBT002
        bool, typer.Option("--no-import", help="Do not prove it by importing the packages.")
    ] = False,
    system: Annotated[  # noqa: FBT002
        bool, typer.Option("--system", help="Change a Python that is no environment of its own.")
    ] = False,
    allow_project_sources: ProjectSources = False,  # noqa: FBT002
    plugin: Plugin = None,
) -> None:
    """Cure what was found: one plan, shown first; all of it or nothing, and a way back."""
    from tunedoctor.cli.fix import fix  # noqa: PLC0415
    from tunedoctor.cli.fix_case import Wish  # noqa: PLC0415
    from tunedoctor.cli.options import Options  # noqa: PLC0415

    options = Options.of(
        format_, None, None, None, plugin, verbose=verbose, quiet=False, strict=False
    )
    wish = Wish(
        tuple(dict.fromkeys([*(ids or ()), *(only or ())])), _said("--new", new), tuple(with_ or ()),
        _said("--python", python), _said("--installer", installer), _said("--script", script),
        dry_run, yes, deep, smoke, system, no_import, allow_project_sources,
    )  # fmt: skip
    raise typer.Exit(fix(options, wish, target, own=self_))


def _said(option: str, value: str | None) -> str:
    """Return the value of an option; an empty one, as of a variable that is not set, is not the same as none."""
    if value == "":
        from tunedoctor.cli.options import misuse  # noqa: PLC0415

        misuse(f"{option} is empty", "leave it out, or say what it is to be")
    return value or ""


def undo_command(
    id_: Annotated[
        str | None,
        typer.Argument(metavar="[ID]", help="A state of --list; else the one before the last fix."),
    ] = None,
    target: Target = None,
    self_: Self = False,  # noqa: FBT002
    list_: Annotated[bool, typer.Option("--list", help="Name the states that are kept.")] = False,  # noqa: FBT002
    format_: Format = "terminal",
) -> None:
    """Bring back the state of an environment before a fix."""
    from tunedoctor.cli.undo import undo_  # noqa: PLC0415

    raise typer.Exit(undo_(_said("the id", id_), target, format_, own=self_, listed=list_))
