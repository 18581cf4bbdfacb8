"""Find commands typed at a prompt, in a Dockerfile or without a prompt, and the answers of a Python prompt or a shell.

All knowledge of prompts is here, in rows of a table. Prompt signs also occur in prose ("50 % of it", "# My machine"),
so such a line counts for sure only if a known command follows.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple

from tunedoctor.facts import Fact, Typed
from tunedoctor.model.lazy import pattern
from tunedoctor.readers.names import LabelledValue, bare, library_of
from tunedoctor.readers.output_rows import rows, search, shape
from tunedoctor.tables.load import table

if TYPE_CHECKING:
    from tunedoctor.readers.paste import Paste

LONGEST = 1000
_SIGN = shape("prompt.sign")
"""No prompt is without one of them; quick to look for."""
_MOST = 200
_SHORTEST, _FURTHEST = 4, 12
"""Characters of a line; blanks before a command."""
_NEAR = 330
"""Characters in which a prompt ends."""


class Prompt(NamedTuple):
    """One line that begins with a prompt."""

    kind: Literal["python", "notebook", "shell"]
    typed: str
    """What stands behind the prompt; a notebook's ! or % is part of it."""
    env: str = ""
    """Name of the active environment, as in "(venv) $"; empty for none."""
    sure: bool = True
    """False where prose can have the same sign, and no command of this trade follows."""


@lru_cache(maxsize=8192)
def prompt(line: str) -> Prompt | None:
    """Return the typed text in a line that begins with a prompt; None for any other line."""
    line = line[:LONGEST]
    if not _SIGN.search(line, 0, _NEAR):
        return None
    if match := shape("prompt.python").match(line):
        python, notebook, typed = match.group("python", "notebook", "typed")
        return Prompt(
            "notebook" if notebook else "python", typed.strip(), sure=bool(python or notebook)
        )
    if match := shape("prompt.magic").match(line):
        return Prompt("notebook", match["typed"].strip())
    if match := shape("prompt.shell").match(line):
        return _of_shell(match)
    if match := shape("prompt.loose").match(line):
        typed = match["typed"].strip()
        return Prompt("shell", typed, sure=known_command(typed))
    return None


def typed_in(line: str) -> str:
    """Return the typed text in a line that begins with a certain or possible prompt; "" for any other line."""
    found_prompt = prompt(line)
    return found_prompt.typed if found_prompt else ""


def known_command(typed: str) -> bool:
    """Return whether the typed text is a known command, and not a sentence that begins with the same word."""
    match = shape("prompt.program").match(typed)
    if match is None:
        return False
    words = table("labels")["shell"]
    name, rest = match["name"], match["rest"]
    if name in words["commands"] or name.rstrip("0123456789") in ("pip", "python"):
        return True
    # those that are English words count with an argument that no sentence has
    likely = rest.startswith(tuple(words["arguments"])) or any(sign in rest for sign in "/~.$=\\")
    return name in words["english"] and not match["version"] and (not rest or likely)


def _of_shell(match: re.Match[str]) -> Prompt | None:
    typed, env, sign = match["typed"].strip(), match["env"] or "", match["sign"]
    if match["windows"]:
        return Prompt("shell", typed, env)
    if zsh := shape("prompt.zsh").match(typed):
        typed = zsh["typed"].strip()
    is_known_command = known_command(typed)
    if not match["gap"]:
        # "$HOME", "50%", "#pip": no prompt without a blank, unless a command stands there; never in a comment
        return (
            Prompt("shell", typed, env)
            if is_known_command and (sign != "#" or match["host"])
            else None
        )
    sure = bool(match["host"]) or sign in "$\u276f\u279c\u03bb" or bool(env)
    return Prompt("shell", typed, env, sure or is_known_command)


def read(paste: "Paste") -> list[Fact]:
    """Return one Typed fact with the commands in the order of the text; an empty list if there are none."""
    commands, after = list[str](), 0
    for number, line in enumerate(paste.lines):
        if number >= after and (command := typed(line)):
            command, after = _whole(paste.lines, number, command)
            commands.append(command)
    kept_commands = (
        commands if len(commands) <= _MOST else commands[: _MOST // 2] + commands[-_MOST // 2 :]
    )
    return [Typed(commands=tuple(kept_commands))] if kept_commands else []


def typed(line: str) -> str:
    """Return the typed text in a line, without the prompt; "" if there is none."""
    line = line[:LONGEST]
    if len(line) < _SHORTEST or line.isspace():
        return ""
    if (found_prompt := prompt(line)) and found_prompt.sure:
        return found_prompt.typed
    plain = line.strip()
    of_file = plain.startswith(("RUN ", "FROM ", "ENV ")) and shape("prompt.dockerfile").match(line)
    if of_file:
        return of_file["typed"].strip()
    near = len(line) - len(line.lstrip()) <= _FURTHEST
    return plain if near and _begins(plain) and not shape("prompt.sentence").match(plain) else ""


def _begins(line: str) -> bool:
    programs: dict[str, list[str]] = table("labels")["shell"]["bare"]
    match = shape("prompt.begins").match(line) if any(name in line for name in programs) else None
    verbs = programs.get(match["name"]) if match else None
    return match is not None and verbs is not None and (not verbs or match["verb"] in verbs)


_LONGEST_SHOWN = 500
_LONGEST_OUTPUT = 400
"""Lines of one output that are kept."""


class ShownCommand(NamedTuple):
    """One command of a paste."""

    command: str
    output: tuple[str, ...]
    env: str
    """Name of the active environment in the prompt, as in "(venv) $"; empty for none."""
    line: int
    """Number of the command's line, from 0."""


def shown_commands(lines: Sequence[str]) -> list[ShownCommand]:
    """Return the commands in order."""
    commands: list[tuple[int, int, str, str]] = []
    below = 0
    for number, line in enumerate(lines):
        found_prompt = prompt(line[:_LONGEST_SHOWN]) if number >= below else None
        if (
            found_prompt
            and found_prompt.sure
            and (found_prompt.kind == "shell" or found_prompt.typed[0] in "!%")
        ):
            command, below = _whole(lines, number, found_prompt.typed.lstrip("!%"))
            commands.append((number, below, command, found_prompt.env))
    ends = (*(command[0] for command in commands[1:]), len(lines))
    return [
        ShownCommand(command, tuple(lines[below : min(end, below + _LONGEST_OUTPUT)]), env, number)
        for (number, below, command, env), end in zip(commands, ends, strict=bool(commands))
    ]


def _whole(lines: Sequence[str], number: int, command: str) -> tuple[str, int]:
    """Return a command with its continuation lines (after a backslash or similar), and the number of the next line."""
    parts, below = [command], number + 1
    while parts[-1].endswith((" \\", " `", " ^")) and below < min(len(lines), number + 30):
        parts[-1:] = [parts[-1][:-2], lines[below][:_LONGEST_SHOWN].strip().removeprefix("> ")]
        below += 1
    return " ".join(part.strip() for part in parts), below


_EXPRESSIONS: list[tuple[str, str]] = table("labels")["expressions"]
"""Label, expression."""
_EXPRESSION = pattern(
    "|".join(f"(?P<e{i}>{expression})" for i, (_, expression) in enumerate(_EXPRESSIONS))
)
_EMPTY = ("", "nothing", "no output", "empty", "none")
_STARTS = ("python", "export ", "ENV ", "set ", "os.environ", "$env:", "CUDA", "HSA", "HIP")
"""Beginnings of a line without a prompt that is looked at."""
_YES_OR_NO = frozenset({"available", "xpu_available", "mps_available"})
_CHANGES = frozenset({"torch", "torch_cuda", "torch_hip", "available", "xpu_available", "archs"})
"""What another torch answers otherwise."""
_OF_TORCH = frozenset({"torch", "available", "gpu", "capability", "archs"})
"""What only a torch that was imported answers."""
_FAR = 12
"""Lines below a command in which its answer stands."""


def answers(lines: Sequence[str]) -> Iterator[LabelledValue]:
    """Yield the answers, and the variables that the typed commands set."""
    for number, line in enumerate(lines):
        if _SHORTEST <= len(line) <= LONGEST:
            yield from (entry._replace(line=number) for entry in _of_line(line, lines, number))


def latest(answers: Iterable[LabelledValue]) -> Iterator[LabelledValue]:
    """Yield the answers, of a torch that changed its version only the last: what came before is over."""
    entries = list(answers)
    versions = [(at, entry.value) for at, entry in enumerate(entries) if entry.key == "torch"]
    other = [at for at, value in versions if value != versions[-1][1]]
    since = next(at for at, _ in versions if at > other[-1]) if other else 0
    yield from (
        entry for at, entry in enumerate(entries) if at >= since or entry.key not in _CHANGES
    )


def _of_line(line: str, lines: Sequence[str], number: int) -> Iterator[LabelledValue]:
    line = line.lstrip("+ ") if line.startswith("+") else line  # of `set -x`
    found_prompt = prompt(line)
    below = next((line for line in lines[number + 1 : number + 3] if line.strip()), "")
    if not found_prompt and not line.lstrip().startswith(_STARTS):
        # a statement without its prompt: an answer only where a value stands below it
        bare_one = "torch." in line and search("session.statement", line)
        if bare_one and search("session.value", below):
            yield from _expressions(line.strip(), lines, number, repl=True)
        return
    if environ := search("session.environ", line):
        yield LabelledValue(f"env {environ['name']}", environ["value"])
    command = found_prompt.typed if found_prompt else line.strip()
    went_on = below.lstrip().startswith((">>>", "In ["))
    if found_prompt and found_prompt.kind != "shell" and command == "import torch" and went_on:
        yield LabelledValue("ran", "")  # it printed nothing, and raised nothing
    yield from _set(command, prompted=found_prompt is not None)
    if inline := search("session.inline", command):
        yield from _expressions(inline["code"], lines, number, repl=False)
    elif found_prompt and found_prompt.kind != "shell":
        yield from _expressions(command, lines, number, repl=True)
    elif found_prompt:
        yield from _answers_to(command, lines[number + 1 : number + 2])


def _answers_to(command: str, below: Sequence[str]) -> Iterator[LabelledValue]:
    value = next((line.strip() for line in below if not typed_in(line)), None)
    for row in rows("asked"):
        key, match = row.name.rstrip("_"), row.pattern.match(command)
        name = match.groupdict().get("name", "") if match else ""
        if match and key == "not exported":
            if value is None or value.strip("()[]<># ").lower() in _EMPTY:
                yield LabelledValue(key, name.upper())
        elif match and value is not None and (value or name):
            yield LabelledValue(f"{key} {name}".strip(), value)


def _set(command: str, *, prompted: bool) -> Iterator[LabelledValue]:
    """Variables before a command or alone: "export A=1 B=2", "CUDA_VISIBLE_DEVICES=2 python main.py"."""
    match = search("session.assign", command)
    if match is None or not (prompted or match["alone"] or search("session.runs", match["rest"])):
        return
    rest = match["rest"]
    while assignment := search("session.assigned", rest):
        yield LabelledValue(f"env {assignment['name']}", assignment["value"].strip("\"'"))
        rest = rest[assignment.end() :]


def _expressions(
    source: str, lines: Sequence[str], number: int, *, repl: bool
) -> Iterator[LabelledValue]:
    groups = shape("session.print").findall(source)
    if not groups and repl and "=" not in source.replace("==", ""):
        groups = [source]
    groups_of_keys = [
        keys for group in groups if (keys := [*map(_key, _EXPRESSION.finditer(group))])
    ]
    if not groups_of_keys:
        return
    printed: list[str] = []
    for line in lines[number + 1 : number + 1 + _FAR]:
        if typed_in(line) or search("session.failed", line):
            break
        text = shape("session.out").sub("", line).strip()
        aside = "Warning" in text or text.startswith(("return ", "warnings.", "File "))
        if text and not aside:
            printed.append(text)
    if _YES_OR_NO.issuperset(key for keys in groups_of_keys for key in keys):
        printed = [text for text in printed if shape("piece.truth").search(text)]
    for keys, text in zip(groups_of_keys, printed, strict=False):
        yield from _split(keys, text)


def _key(match: re.Match[str]) -> str:
    key = _EXPRESSIONS[next(i for i in range(len(_EXPRESSIONS)) if match[f"e{i}"] is not None)][0]
    name = match["module"] or match["package"] or match["filed"] or ""
    library = library_of(name)
    if key == "file":
        return f"file {library or name}"
    if key != "library":
        return key
    return "torch" if name.lower() == "torch" else f"library {library}" if library else "other"


def _split(keys: list[str], text: str) -> Iterator[LabelledValue]:
    """One line for several expressions holds them with spaces between; brackets hold together."""
    values = [text]
    if len(keys) > 1:
        if text[0] == "(" and text[-1] == ")" and len(text) > len("()"):
            text = text[1:-1]  # a prompt prints several values as a tuple
        values = shape("session.values").findall(text[:1000])
        if "gpu" in keys and len(values) > len(keys):
            at, after = keys.index("gpu"), len(values) - len(keys) + keys.index("gpu") + 1
            values[at:after] = [" ".join(values[at:after])]
        if len(values) != len(keys):
            return
    for key, value in zip(keys, values, strict=True):
        if key != "other":
            yield LabelledValue(key, bare(value))
        if key in _OF_TORCH:
            yield LabelledValue("ran", "")
        if key in ("gpu", "capability") and any(map(str.isdigit, value)):
            yield LabelledValue("seen", "")
