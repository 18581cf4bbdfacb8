"""Parameters that several commands share, and how their help and mistakes look."""

import math
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperCommand

from tunedoctor.cli.completions import complete_check, complete_gpu
from tunedoctor.render.format_names import ReportFormat

_RANGE = re.compile(r"([\d.]+)<=x<=([\d.]+)")
"""How Typer writes the allowed range of a number."""


class DoctorCommand(TyperCommand):
    """A command whose help lists options by topic, and flags that take an optional value or several."""

    allow_extra_args = True
    """`parse_args` refuses them itself, in its own words."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401  click's own types are private in Typer
        """Parse the words, after giving each bare flag an empty value and each list a flag for every word."""
        rest = super().parse_args(ctx, spell_out(args, self.context_settings))
        if rest and not (self.context_settings.get("obj") or {}).get("extra"):
            ctx.fail(f"{ctx.command_path} takes no argument {rest[0][:60]!r}")
        return rest

    def format_options(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401  as above
        """Write one section for each help panel, arguments first."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is None:
                continue
            is_argument = param.param_type_name == "argument"
            title = getattr(param, "rich_help_panel", None) or (
                "Arguments" if is_argument else "Options"
            )
            words, text = record
            sections.setdefault(title, []).append((words, _RANGE.sub(r"\1 to \2", text)))
        order = [
            "Arguments",
            *(title for title in sections if title not in ("Arguments", "Options")),
            "Options",
        ]
        for title in order:
            if rows := sections.get(title):
                with formatter.section(title):
                    formatter.write_dl(rows, col_max=28)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401, ARG002  as above
        """Write the examples, each on its own line."""
        if self.epilog:
            with formatter.section("Examples"):
                for line in self.epilog.splitlines():
                    formatter.write(f"  {line}\n")


def spell_out(words: list[str], settings: Mapping[str, Any]) -> list[str]:
    """Return the words with `--flag` as `--flag=` for optional values, and `--flag a b` as `--flag=a --flag=b`.

    Typer knows neither. `settings["obj"]` of a command names its flags: {"optional": {...}, "several": {...}}.
    """
    special = settings.get("obj") or {}
    return [*_spelled_out(words, special.get("optional", ()), special.get("several", ()))]


def _spelled_out(
    words: list[str], optional: Collection[str], several: Collection[str]
) -> Iterator[str]:
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--":
            yield word
            yield from rest
            return
        takes_value = bool(rest) and (not rest[0].startswith("-") or rest[0] == "-")
        if word in several and takes_value:
            while rest and (not rest[0].startswith("-") or rest[0] == "-"):
                yield f"{word}={rest.pop(0)}"
        elif word in optional:
            yield f"{word}={rest.pop(0)}" if takes_value else f"{word}="
        else:
            yield word


def examples(*lines: str) -> str:
    """Return the example commands that end a command's help."""
    return "\n".join(lines)


def typed_options(context: typer.Context) -> frozenset[str]:
    """Return the names of the parameters that were given on the command line."""
    sources = ((name, context.get_parameter_source(name)) for name in context.params)
    return frozenset(name for name, source in sources if source and source.name == "COMMANDLINE")


def finite(value: float | None) -> float | None:
    """Refuse nan, which no comparison excludes."""
    if value is not None and math.isnan(value):
        raise typer.BadParameter("nan is not a number")
    return value


TargetOption = Annotated[
    str | None,
    typer.Option(
        "--target",
        "-t",
        metavar="PATH",
        help="Python environment to use: its folder or its interpreter.",
        rich_help_panel="Target",
    ),
]
OwnOption = Annotated[
    bool,
    typer.Option("--self", help="Use doctor's own environment.", rich_help_panel="Target"),
]
SystemOption = Annotated[
    bool,
    typer.Option(
        "--system",
        help="Use the system's Python instead of a virtual environment, as on Colab and in containers.",
        rich_help_panel="Target",
    ),
]
FormatOption = Annotated[
    Literal["terminal", "json"],
    typer.Option("--format", help="Output format.", rich_help_panel="Output"),
]
ReportFormatOption = Annotated[
    ReportFormat,
    typer.Option("--format", help="Output format.", rich_help_panel="Output"),
]
OutputOption = Annotated[
    list[str] | None,
    typer.Option(
        "--output",
        metavar="F=FILE",
        help="Also write this format to a file, for example json=out.json. Repeatable.",
        rich_help_panel="Output",
    ),
]
PageOption = Annotated[
    str,
    typer.Option(
        "--report",
        metavar="FILE",
        help="Write an HTML page. Same as --output html=FILE.",
        rich_help_panel="Output",
    ),
]
OpenOption = Annotated[
    bool,
    typer.Option("--open", help="Open the HTML page in a browser.", rich_help_panel="Output"),
]
ConfigOption = Annotated[
    str | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="Read settings and policy from this file instead of ./doctor.toml or ./pyproject.toml.",
        rich_help_panel="Policy",
    ),
]
VerboseOption = Annotated[
    bool,
    typer.Option(
        "--verbose",
        "-v",
        help="Show the evidence and the checks that passed.",
        rich_help_panel="Output",
    ),
]
QuietOption = Annotated[
    bool,
    typer.Option(
        "--quiet", "-q", help="Show only errors and the verdict.", rich_help_panel="Output"
    ),
]
OnlyOption = Annotated[
    list[str] | None,
    typer.Option(
        "--only",
        metavar="ID",
        help="Run only this check. Repeatable.",
        rich_help_panel="Checks",
        autocompletion=complete_check,
    ),
]
SkipOption = Annotated[
    list[str] | None,
    typer.Option(
        "--skip",
        metavar="ID",
        help="Skip this check. Repeatable.",
        rich_help_panel="Checks",
        autocompletion=complete_check,
    ),
]
FailOnOption = Annotated[
    Literal["error", "warning", "note", "never"] | None,
    typer.Option(
        "--fail-on",
        help="Lowest severity that makes the exit code 1 (default: error).",
        rich_help_panel="Policy",
    ),
]
StrictOption = Annotated[
    bool,
    typer.Option(
        "--strict",
        help="Fail on warnings and on checks without a result.",
        rich_help_panel="Policy",
    ),
]
PluginOption = Annotated[
    list[str] | None,
    typer.Option(
        "--plugin",
        metavar="NAME",
        help="Also run the checks of this plug-in. Repeatable.",
        rich_help_panel="Checks",
    ),
]
ColumnsOption = Annotated[
    str,
    typer.Option(
        "--columns",
        metavar="C",
        help="Column names, for example prompt=question,completion=answer.",
    ),
]
DeepOption = Annotated[
    bool,
    typer.Option(
        "--deep",
        help="Also import and run the environment's packages, in a child process.",
        rich_help_panel="Checks",
    ),
]
KeepHostOption = Annotated[
    bool,
    typer.Option(
        "--keep-host",
        help="Keep this machine's host name in output meant for sharing.",
        rich_help_panel="Output",
    ),
]
GpusOption = Annotated[
    list[str] | None,
    typer.Option(
        "--gpu",
        metavar="G",
        help=(
            "GPU model or architecture, for example 8.9, gfx1100 or 'RTX 4090'; 'none' for no GPU."
            " Repeatable."
        ),
        rich_help_panel="Machine",
        autocompletion=complete_gpu,
    ),
]
DriverOption = Annotated[
    str,
    typer.Option(
        "--driver",
        metavar="V",
        help="NVIDIA driver version, or 'none'.",
        rich_help_panel="Machine",
    ),
]
PlatformOption = Annotated[
    str,
    typer.Option(
        "--platform",
        metavar="P",
        help="Operating system, if not this one: linux, wsl, windows or macos.",
        rich_help_panel="Machine",
    ),
]
ArchOption = Annotated[
    str,
    typer.Option(
        "--arch",
        metavar="A",
        help="CPU architecture, if not this one: x86_64, aarch64 or arm64.",
        rich_help_panel="Machine",
    ),
]
GlibcOption = Annotated[
    str,
    typer.Option(
        "--glibc",
        metavar="V",
        help="glibc version, for example 2.28.",
        rich_help_panel="Machine",
    ),
]
ProjectSourcesOption = Annotated[
    bool,
    typer.Option(
        "--allow-project-sources",
        help="Use the package indexes listed in pyproject.toml, uv.toml or requirements.txt.",
        rich_help_panel="Package sources",
    ),
]
