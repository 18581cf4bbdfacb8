"""doctor completion, and what a shell asks for at the tab key: argcomplete calls the command with _ARGCOMPLETE set."""

from argparse import Action, ArgumentParser, Namespace
from collections.abc import Callable, Iterable
from functools import partial
from importlib import import_module
from typing import Any

from tunedoctor.cli.output import write


def command(given: Namespace) -> int:
    """Print the lines that teach a shell the command's words; returns the exit code."""
    from argcomplete.shell_integration import shellcode  # noqa: PLC0415  here alone

    write(shellcode(["doctor", "tunedoctor"], shell=given.shell).strip() + "\n")
    return 0


def answer(known: dict[str, Any], add: Callable[[ArgumentParser, dict[str, Any]], Action]) -> None:
    """Write what can stand at the cursor, and exit; `add` makes an option of a row of commands.json."""
    from argcomplete import autocomplete  # noqa: PLC0415

    parser = ArgumentParser(prog="doctor")
    commands = parser.add_subparsers()
    for name, command in known["commands"].items():
        of_one = commands.add_parser(name, help=command["help"])
        for said in command["params"]:
            row = known["shared"][said] if isinstance(said, str) else said
            option = add(of_one, row)
            if "choices" in row or "complete" in row:
                option.completer = partial(_words, row)  # type: ignore[attr-defined]  # where argcomplete looks
    autocomplete(parser)


def _words(row: dict[str, Any], **_: object) -> Iterable[str]:
    """Return the choices of an option, or the names of what its row says it completes."""
    if "choices" in row:
        return [str(one) for one in row["choices"]]
    module, _, name = row["complete"].partition(":")
    found = getattr(import_module(f"tunedoctor.{module}"), name)
    names: set[str] = set()
    for one in found() if callable(found) else found:
        names |= {one if isinstance(one, str) else getattr(one, "id", None) or one.name}
        names |= {*getattr(one, "alike", ())}
    return {one.removeprefix("NVIDIA ").removeprefix("GeForce ") for one in names}
