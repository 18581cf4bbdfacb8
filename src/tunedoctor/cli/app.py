"""The command line by commands.json: a row is an option; `in`, else `command` of its file, carries a command out."""

import argparse
import os
import sys
from collections.abc import Iterable, Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn, cast

import msgspec

from tunedoctor.render.screen import columns


class _Parser(argparse.ArgumentParser):
    """Says in one line what is wrong with the words of a command."""

    color = False
    """Since Python 3.14 there is colour, which `render` alone gives."""

    def error(self, message: str) -> NoReturn:
        """Exit with 2."""
        _misuse(message, f"{self.prog} --help lists the options")


def commands() -> dict[str, Any]:
    """Return what commands.json says."""
    known = msgspec.json.decode(Path(__file__).with_name("commands.json").read_bytes())
    return cast("dict[str, Any]", known)


def run(argv: list[str]) -> int:
    """Carry out what `argv` says; returns the exit code, or exits with 2 where it says nothing that can be."""
    try:
        return _run(argv)
    except SystemExit as ended:
        said = getattr(ended, "said", "")
        # it reads this alone, and has codes of its own
        if said and {"nagios", "--format=nagios"} & {*argv}:
            sys.stdout.write(f"DOCTOR UNKNOWN - {said.removeprefix('doctor: ')}")
            return 3
        sys.stderr.write(said)
        raise


def _run(argv: list[str]) -> int:
    known = commands()
    if "_ARGCOMPLETE" in os.environ:
        _complete(known)  # a shell asks, at the tab key
    name, *words = argv or ["help"]
    if name in ("help", "-h", "--help") and words[:1]:
        name, words = words[0], ["--help"]  # doctor help fit
    if name in ("help", "-h", "--help"):
        from textwrap import fill  # noqa: PLC0415  here alone

        wide = columns(sys.stdout)
        shown = (fill(line, wide, subsequent_indent=" " * 12) for line in known["overview"])
        sys.stdout.write("\n".join([*shown, ""]))
        return 0
    if name in ("version", "--version"):
        from tunedoctor import __version__  # noqa: PLC0415

        sys.stdout.write(f"tunedoctor {__version__}\n")
        return 0
    if name == "train" and "--init" in words:
        name, words = "init", [word for word in words if word != "--init"]
    if name not in known["commands"]:
        from tunedoctor.model.wording import near  # noqa: PLC0415  only on a mistake

        like = near(name, known["commands"])
        _Parser(prog="doctor").error(f"no command is called {name[:60]!r}{like}")
    file, _, function = known["commands"][name].get("in", f"{name}.command").partition(".")
    module = import_module(f"tunedoctor.cli.{file}")
    return cast("int", getattr(module, function)(_given(name, words, known)))


def given(name: str, **values: object) -> argparse.Namespace:
    """Return the values of all options of a command, some as named; exits with 2 where they can't be."""
    return _given(name, words_of(name, values), commands())


def words_of(name: str, values: Mapping[str, object]) -> list[str]:
    """Return values of options as words, none of which can be taken for another option; None is left out.

    Exits with 2 for what stands without a flag and begins with a dash.
    """
    rows = {row["name"]: row for row in rows_of(name, commands())}
    flags, bare = list[str](), list[str]()
    for key, value in values.items():
        several = [*value] if isinstance(value, list | tuple) else [] if value is None else [value]
        texts, flag = (
            [str(Path(one) if isinstance(one, os.PathLike) else one) for one in several],
            _flag(rows[key]),
        )
        if "argument" in rows[key]:
            if dashed := next((one for one in texts if one.startswith("-")), ""):
                _misuse(
                    f"{key} is {dashed[:60]!r}, which begins with a dash", "name a file as ./-x"
                )
            bare += texts
        elif isinstance(value, bool):
            no = [f"--no-{flag[2:]}"] if rows[key]["kind"] == "pair" else []
            flags += [flag] if value else no
        else:
            flags += [f"{flag}={one}" for one in texts]
    return [*flags, *bare]


def rows_of(name: str, known: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the options of a command."""
    return [
        known["shared"][row] if isinstance(row, str) else row
        for row in known["commands"][name]["params"]
    ]


def parser_of(name: str, known: dict[str, Any]) -> argparse.ArgumentParser:
    """Return the parser of a command, whose help the site shows too."""
    command: dict[str, Any] = known["commands"][name]
    parser = _Parser(
        prog=f"doctor {name}",
        description=command["help"],
        allow_abbrev=False,
        epilog="\n".join(["examples:", *(f"  {one}" for one in command["examples"])]),
        formatter_class=partial(
            argparse.RawDescriptionHelpFormatter, width=columns(sys.stdout), max_help_position=28
        ),
    )
    for row in rows_of(name, known):
        _add(parser, row)
    return parser


def _given(name: str, words: list[str], known: dict[str, Any]) -> argparse.Namespace:
    """Return the values of all options; what no option takes is `rest`, of a command that has a use for it."""
    command, rows, parser = known["commands"][name], rows_of(name, known), parser_of(name, known)
    flags = {one.dest: {*one.option_strings} for one in parser._actions}  # noqa: SLF001  no other list of them
    if any(row.get("argument") == "..." for row in rows):
        given, rest = parser.parse_args(words), list[str]()
    else:
        given, rest = parser.parse_known_intermixed_args(words)
    given.rest = [word for word in rest if word != "--"]
    if given.rest and not command.get("takes_rest"):
        from tunedoctor.model.wording import near  # noqa: PLC0415  only on a mistake

        word = given.rest[0].partition("=")[0]
        what = "has no option" if word.startswith("-") else "takes no argument"
        close = near(word, set().union(*flags.values()))
        parser.error(f"doctor {name} {what} {word[:60]!r}{close}")
    typed = {word.partition("=")[0] for word in words}
    given.typed = sorted(name for name, ways in flags.items() if ways & typed)
    said: set[str] = set()
    for row in rows:
        value = getattr(given, row["name"])
        _check(row, value, typed=row["name"] in given.typed)
        value = tuple(value) if isinstance(value, list) else value
        setattr(given, row["name"], value)
        named = ((), "") if row.get("kind") != "optional" else ((),)  # that one can be empty
        if value not in (*named, parser.get_default(row["name"])):
            said.add(row["name"])
    for rule in command.get("rules", ()):
        if said & {*rule["of"]} and (
            said & {*rule.get("not", ())} or not said & {*rule.get("needs", said)}
        ):
            _misuse(*rule["says"].split("; ", 1))
    return given


def _flag(row: dict[str, Any]) -> str:
    return str(row.get("flag", f"--{row['name'].replace('_', '-')}"))


def _add(parser: argparse.ArgumentParser, row: dict[str, Any]) -> argparse.Action:
    text = row.get("help") or f"{', '.join(row['choices'])}."
    text, kind, metavar = text.replace("%", "%%"), row.get("kind"), row.get("metavar")
    if argument := row.get("argument"):
        default: object = row.get("default", [] if argument == "*" else "")
        return parser.add_argument(
            row["name"], nargs=argument, default=default, metavar=metavar, help=text
        )
    how: dict[str, Any] = {"metavar": metavar, "default": row.get("default", "")}
    if kind == "many":
        how |= {"action": "append", "default": []}
    elif kind == "several":
        how |= {"action": "extend", "nargs": "+", "default": []}
    elif kind == "optional":
        how |= {"nargs": "?", "const": "", "default": None}
    elif kind in ("int", "float"):
        how |= {"type": int if kind == "int" else float, "default": row.get("default", 0)}
    elif kind:
        how = {"action": "store_true" if kind == "switch" else argparse.BooleanOptionalAction}
        how["default"] = row.get("default", False)
    if how["default"] and kind != "pair":
        text += " [default: %(default)s]"
    flags = [row["short"]] if "short" in row else []
    return parser.add_argument(*flags, _flag(row), dest=row["name"], help=text, **how)


def _check(row: dict[str, Any], value: Any, *, typed: bool) -> None:  # noqa: ANN401  of any kind
    """Exit with 2 for what is none of the choices, or no number that can be."""
    choices = row.get("choices")
    if choices and value is not None and value not in choices:
        name = row["metavar"] if "argument" in row else _flag(row)
        said = f"{name} is {repr(value) if value else 'empty'}"
        _misuse(said, f"choose one of {', '.join(choices)}")
    counts = typed or value != row.get("default", 0)
    if "from" in row and counts and not row["from"] <= value <= row["to"]:
        _misuse(f"{_flag(row)} is {value}", f"choose {row['from']} to {row['to']}")


def _misuse(what: str, way_out: str) -> NoReturn:
    from tunedoctor.cli.options import misuse  # noqa: PLC0415  with it come the settings and all checks

    misuse(what, way_out)


def completion(given: argparse.Namespace) -> int:
    """Print the lines that teach a shell the command's words; returns the exit code."""
    from argcomplete.shell_integration import shellcode  # noqa: PLC0415  here alone

    sys.stdout.write(shellcode(["doctor", "tunedoctor"], shell=given.shell).strip() + "\n")
    return 0


def _complete(known: dict[str, Any]) -> None:
    from argcomplete import autocomplete  # noqa: PLC0415

    parser = argparse.ArgumentParser(prog="doctor")
    commands = parser.add_subparsers()
    for name, command in known["commands"].items():
        of_one = commands.add_parser(name, help=command["help"])
        for said in command["params"]:
            row = known["shared"][said] if isinstance(said, str) else said
            option = _add(of_one, row)
            if "choices" in row or "complete" in row:
                option.completer = partial(_words, row)  # type: ignore[attr-defined]  # where argcomplete looks
    autocomplete(parser)


def _words(row: dict[str, Any], **_: object) -> Iterable[str]:
    """Return the choices of an option, or the names of what its row says it completes."""
    if "choices" in row:
        return [str(one) for one in row["choices"]]
    module, _, name = row["complete"].partition(":")
    every: Any = getattr(import_module(f"tunedoctor.{module}"), name)
    names: set[str] = set()
    for one in cast("Iterable[Any]", every() if callable(every) else every):
        names |= {one if isinstance(one, str) else getattr(one, "id", None) or one.name}
        names |= {*getattr(one, "alike", ())}
    return {one.removeprefix("NVIDIA ").removeprefix("GeForce ") for one in names}
