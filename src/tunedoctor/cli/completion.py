"""doctor completion, and what a shell asks for at the tab key: argcomplete calls the command with _ARGCOMPLETE set."""

from argparse import Action, ArgumentParser, Namespace
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

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
                words = tuple(row["choices"]) if "choices" in row else _KINDS[row["complete"]]
                option.completer = _Words(words)  # type: ignore[attr-defined]  # where argcomplete looks
    autocomplete(parser)


class _Words(NamedTuple):
    words: tuple[str, ...] | Callable[[], Iterable[str]]

    def __call__(self, **_: object) -> Iterable[str]:
        return self.words if isinstance(self.words, tuple) else self.words()


def _ids() -> Iterable[str]:
    from tunedoctor.diagnosis.registry import all_checks  # noqa: PLC0415

    return (one.id for one in all_checks())


def _cards() -> Iterable[str]:
    from tunedoctor.tables.gpus import cards  # noqa: PLC0415

    return {one.name.removeprefix("NVIDIA ").removeprefix("GeForce ") for one in cards()}


def _models() -> Iterable[str]:
    from tunedoctor.tables.small import models  # noqa: PLC0415

    return (name for one in models() for name in (one.name, *one.alike))


def _stacks() -> Iterable[str]:
    from tunedoctor.memory.stacks import STACKS  # noqa: PLC0415

    return STACKS


def _optimizers() -> Iterable[str]:
    from tunedoctor.memory.optimizer import OPTIMIZERS  # noqa: PLC0415

    return OPTIMIZERS


_KINDS = {
    "ids": _ids,
    "cards": _cards,
    "models": _models,
    "stacks": _stacks,
    "optimizers": _optimizers,
}
