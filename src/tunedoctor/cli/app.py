"""The command line: which commands exist, and how the words of one reach it.

A command's module in `commands/` is imported only when the command runs, so `doctor check` loads nothing of the others.
"""

import os
import sys
from importlib import import_module
from typing import Any, NamedTuple, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from tunedoctor.cli.invocation import remember
from tunedoctor.core.errors import DoctorError, misuse
from tunedoctor.render.screen import columns


class CommandInfo(NamedTuple):
    """A row of the overview: a command, its topic, what it does and the module it is in."""

    topic: str
    summary: str
    module: str = ""
    """Its module in `commands/`; "" if it has the command's own name."""


COMMANDS: dict[str, CommandInfo] = {
    "check": CommandInfo("Diagnose", "find problems; reads only, takes a quarter of a second"),
    "triage": CommandInfo("Diagnose", "diagnose a pasted error, log or report"),
    "run": CommandInfo("Diagnose", "run a command unchanged and explain why it failed"),
    "explain": CommandInfo("Diagnose", "explain a finding, an error message or a topic"),
    "diff": CommandInfo("Diagnose", "compare two machines: what differs, and what matters"),
    "fleet": CommandInfo("Diagnose", "check many machines at once and find the outliers"),
    "smoke": CommandInfo("Diagnose", "train a tiny model in the environment, offline"),
    "demo": CommandInfo("Diagnose", "see check and fix on a simulated machine; changes nothing"),
    "fix": CommandInfo("Fix", "fix what check finds; shows a plan first, can be undone"),
    "undo": CommandInfo("Fix", "restore the state before the last fix"),
    "wheel": CommandInfo("Fix", "choose the PyTorch build for a machine, with install commands"),
    "set": CommandInfo("Fix", "find a set of libraries that work together", "set_"),
    "fit": CommandInfo("Train", "estimate memory: what a fine-tune needs, and whether it fits"),
    "data": CommandInfo("Train", "check training data: faulty lines, duplicates, leaks, lengths"),
    "init": CommandInfo("Train", "write a first training configuration"),
    "train": CommandInfo("Train", "fine-tune with a configuration"),
    "chat": CommandInfo("Train", "ask a trained model, or chat with it"),
    "export": CommandInfo("Train", "convert a trained model for Ollama, llama.cpp, vLLM"),
    "config": CommandInfo("Settings", "show the effective settings and where each comes from"),
    "policy": CommandInfo("Settings", "write a policy from a machine known to be good"),
    "update": CommandInfo("Settings", "fetch the newest PyTorch wheel list"),
    "envs": CommandInfo("Reference", "list your Python environments"),
    "list": CommandInfo("Reference", "list checks, fixes and plug-ins", "list_"),
    "snapshot": CommandInfo("Reference", "write all facts, redacted: doctor snapshot -o FILE"),
    "schema": CommandInfo("Reference", "print the JSON Schema of a --format json output"),
    "completion": CommandInfo("Reference", "print the shell completion script"),
    "mcp": CommandInfo("Reference", "serve the commands to coding agents (MCP)"),
}
_INTRO = "doctor finds what stops a machine from fine-tuning language models, and fixes it."
_ENDING = (
    "Exit codes  0 ready   1 findings   2 misuse or undecided   130 interrupted",
    "Options     doctor help COMMAND lists the options of a command",
)
PARSER_ERROR: type[Exception] = typer.BadParameter.__mro__[2]
"""Base of all errors of the parser, ClickException, which Typer 0.26 moved into itself."""
COMPLETION_VARIABLE = "_DOCTOR_COMPLETE"
"""The variable through which a shell's completion script asks for words."""


def load_command(name: str) -> TyperCommand:
    """Return a command, after importing its module."""
    module = import_module(f"tunedoctor.cli.commands.{COMMANDS[name].module or name}")
    command = get_command(module.app)
    if not isinstance(command, TyperCommand):
        raise TypeError(f"{module.__name__} must define one command")
    return command


class DoctorGroup(TyperGroup):
    """All commands; each is imported when it is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401, ARG002  click's own types are private in Typer
        """Return the names of all commands, in the order of the overview."""
        return [*COMMANDS]

    def get_command(self, ctx: Any, cmd_name: str) -> TyperCommand | None:  # noqa: ANN401, ARG002  as above
        """Return the command with a name, or None if it does not exist."""
        return load_command(cmd_name) if cmd_name in COMMANDS else None


def overview() -> str:
    """Return what `doctor` prints without a command: every command, by topic."""
    from textwrap import fill  # noqa: PLC0415  only here

    lines, topic = [_INTRO], ""
    for name, info in COMMANDS.items():
        if info.topic != topic:
            topic = info.topic
            lines += ["", topic]
        lines.append(f"  {name:<10}  {info.summary}")
    width = columns(sys.stdout)
    lines += ["", *_ENDING]
    return "\n".join(fill(line, width, subsequent_indent=" " * 14) for line in lines) + "\n"


def run(argv: list[str]) -> int:
    """Run a command line; returns the exit code, 2 for input that cannot be used."""
    try:
        return _run(argv)
    except DoctorError as error:
        # monitoring reads only stdout and uses other exit codes
        if {"nagios", "--format=nagios"} & {*argv}:
            sys.stdout.write(f"DOCTOR UNKNOWN - {error}\n")
            return 3
        sys.stderr.write(error.shown)
        return 2


def _run(argv: list[str]) -> int:
    if COMPLETION_VARIABLE in os.environ:
        _complete()
    remember(argv)
    name, *words = argv or ["help"]
    if name in ("help", "-h", "--help") and words[:1]:
        name, words = words[0], ["--help"]  # doctor help fit
    if name in ("help", "-h", "--help"):
        sys.stdout.write(overview())
        return 0
    if name in ("version", "--version"):
        from tunedoctor import __version__  # noqa: PLC0415

        sys.stdout.write(f"tunedoctor {__version__}\n")
        return 0
    if name == "train" and "--init" in words:
        name, words = "init", [word for word in words if word != "--init"]
    if name not in COMMANDS:
        from tunedoctor.model.wording import suggest_similar  # noqa: PLC0415  only on a mistake

        like = suggest_similar(name, COMMANDS)
        misuse(f"no command is called {name[:60]!r}{like}", "doctor --help lists the commands")
    return _run_command(name, words)


def _run_command(name: str, words: list[str]) -> int:
    width = columns(sys.stdout)
    try:
        code = load_command(name).main(
            words,
            prog_name=f"doctor {name}",
            standalone_mode=False,
            terminal_width=width,
            max_content_width=width,
        )
    except typer.Exit as ended:
        return ended.exit_code
    except typer.Abort:
        raise KeyboardInterrupt from None
    except PARSER_ERROR as error:
        misuse(_message(error, words), f"doctor {name} --help lists the options")
    return int(code or 0)


def _message(error: Any, words: list[str]) -> str:  # noqa: ANN401  click's exceptions are private in Typer
    """Return a parser's error in one line of plain words."""
    option = getattr(error, "option_name", "")
    if option and hasattr(error, "possibilities"):
        from tunedoctor.model.wording import suggest_similar  # noqa: PLC0415  only on a mistake

        flags = [flag for param in error.ctx.command.params for flag in param.opts]
        # -dash.jsonl is read as the letters of short options: name the word that was typed
        word = next((typed for typed in words if typed.startswith(option)), option)
        return (
            f"{error.ctx.command_path} has no option {word[:60]!r}{suggest_similar(option, flags)}"
        )
    parameter = getattr(error, "param", None)
    text = str(error.format_message())
    if isinstance(error, typer.BadParameter) and parameter is not None and error.message:
        argument = parameter.param_type_name == "argument"
        text = (
            f"{parameter.human_readable_name if argument else parameter.opts[0]}: {error.message}"
        )
    text = " ".join(text.split()).rstrip(".")
    return text[:1].lower() + text[1:]


def _complete() -> NoReturn:
    """Print the words that a shell asked for, and exit."""
    from typer._completion_classes import completion_init  # noqa: PLC0415  only here

    completion_init()
    group = DoctorGroup(name="doctor", rich_markup_mode=None)
    group.main([], prog_name="doctor", complete_var=COMPLETION_VARIABLE)
    sys.exit(0)
