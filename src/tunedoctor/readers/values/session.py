"""What a Python prompt or a shell answered: the expression or command that was typed, then the lines below it."""

import re
from collections.abc import Iterable, Iterator, Sequence

from tunedoctor.lazy import pattern
from tunedoctor.readers.prompts import Prompt, prompt, typed_in
from tunedoctor.readers.values.kinds import bare
from tunedoctor.readers.values.names import library_of
from tunedoctor.readers.values.said import Said
from tunedoctor.tables.load import table

_INLINE = pattern(
    r"""python[\d.]*(?:\.exe)?\s+(?:-\w\s+){0,4}?-c\s*(?P<quote>["'])(?P<code>.{1,800})(?P=quote)"""
)
_FAILED = pattern(
    r"\s{0,40}(?:Traceback \(most recent call last\)"
    r"|(?:[A-Za-z_]\w{0,60}\.){0,6}\w{0,60}(?:Error|Exception)\s?(?::|\Z))"
)
"""In place of an answer."""
_OUT = pattern(r"\A\s{0,40}Out\[\d{1,5}\]:\s?")
_PRINTS = pattern(r"print\(((?:[^()]|\([^()]{0,60}\)){0,300})\)")
_EXPRESSIONS: list[tuple[str, str]] = table("labels")["expressions"]
"""Label, expression."""
_EXPRESSION = pattern("|".join(f"(?P<e{i}>{one})" for i, (_, one) in enumerate(_EXPRESSIONS)))
_COMMANDS = [(key, pattern(one)) for key, one in table("labels")["commands"]]
_ASSIGN = pattern(
    r"\A(?P<alone>export\s+|ENV\s+|set\s+(?:-\w+\s+)*|setx\s+|\$env:)?(?P<rest>[A-Z][A-Z0-9_]{1,60}\s?=\s?.{0,600})\Z"
)
_ONE = pattern(
    r"""\A(?P<name>[A-Z][A-Z0-9_]{1,60})\s?=\s?(?P<value>"[^"\n]{0,500}"|'[^'\n]{0,500}'|[^\s;&"']{0,500})(?:\s+|\s*(?:;|&&)\s*|\Z)"""
)
_RUNS = pattern(
    r"\s(?:\S*/)?(?:python|torchrun|accelerate|deepspeed|llamafactory-cli|vllm|axolotl|uv)\b"
)
_ENVIRON = pattern(
    r"""\A\s{0,40}(?:>>>\s?)?os\.environ(?:\[|\.setdefault\()\s?["'](?P<name>[A-Z][A-Z0-9_]{1,60})["'](?:\]\s?=|,)\s?["'](?P<value>[^"'\n]{0,300})["']"""
)
_EMPTY = ("", "nothing", "no output", "empty", "none")
_STARTS = ("python", "export ", "ENV ", "set ", "os.environ", "$env:", "CUDA", "HSA", "HIP")
"""Beginnings of a line without a prompt that is looked at."""
_PRINTED = pattern(
    r"\s{0,8}(?:print\()?(?:torch\.(?:__version__|version\.cuda|cuda\.is_available\(\)))\)?\s{0,8}\Z"
)
"""A statement without its prompt: an answer only where a value stands below it."""
_VALUE = pattern(r"\s{0,8}['\"]?(?:\d{1,2}\.\d{1,2}[\w.+]{0,30}|True|False|None)['\"]?\s{0,8}\Z")
_NAMED = pattern(r"\A[A-Za-z][\w .]{0,40}[:=]\s+(?P<value>.+)\Z")
_VALUES = pattern(r"\[[^\]]{0,400}\]|\([^)]{0,60}\)|'[^']{0,200}'|\"[^\"]{0,200}\"|[^\s,]+")
_TRUTH = pattern(r"\b(?:[Tt]rue|[Ff]alse)\b")
"""In an answer of theirs; a warning that a terminal broke over two lines stands before it."""
_YES_OR_NO = frozenset({"available", "xpu_available", "mps_available"})
_CHANGES = frozenset({"torch", "torch_cuda", "torch_hip", "available", "xpu_available", "archs"})
"""What another torch answers otherwise."""
_OF_TORCH = frozenset({"torch", "available", "gpu", "capability", "archs"})
"""What only a torch that was imported answers."""
_SHORTEST, _LONGEST = 4, 1000
_FAR = 12
"""Lines below a command in which its answer stands."""


def answers(lines: Sequence[str]) -> Iterator[Said]:
    """Yield what was answered, and the variables that were set by what was typed."""
    for number, line in enumerate(lines):
        if _SHORTEST <= len(line) <= _LONGEST:
            yield from (one._replace(line=number) for one in _of_line(line, lines, number))


def _of_line(line: str, lines: Sequence[str], number: int) -> Iterator[Said]:
    line = line.lstrip("+ ") if line.startswith("+") else line  # of `set -x`
    found = prompt(line)
    if not found and not line.lstrip().startswith(_STARTS):
        if "torch." in line and _PRINTED.match(line) and _VALUE.match(_below(lines, number)):
            yield from _expressions(line.strip(), lines, number, repl=True)
        return
    if environ := _ENVIRON.match(line):
        yield Said(f"env {environ['name']}", environ["value"])
    command = found.typed if found else line.strip()
    went_on = _below(lines, number).lstrip().startswith((">>>", "In ["))
    if found and found.kind != "shell" and command == "import torch" and went_on:
        yield Said("ran", "")  # it printed nothing, and raised nothing
    yield from _set(command, prompted=found is not None)
    yield from _answered(command, found, lines, number)


def _below(lines: Sequence[str], number: int) -> str:
    """Return the next line that is not empty, of two."""
    return next((line for line in lines[number + 1 : number + 3] if line.strip()), "")


def latest(answered: Iterable[Said]) -> Iterator[Said]:
    """Yield the answers, of a torch that changed its version only the last: what came before is over."""
    kept = list(answered)
    versions = [(at, one.value) for at, one in enumerate(kept) if one.key == "torch"]
    last = versions[-1][1] if versions else ""
    other = next((at for at, value in reversed(versions) if value != last), -1)
    since = next((at for at, _ in versions if at > other), 0) if other >= 0 else 0
    for at, one in enumerate(kept):
        if at >= since or one.key not in _CHANGES:
            yield one


def _answered(
    command: str, found: Prompt | None, lines: Sequence[str], number: int
) -> Iterator[Said]:
    """Pair a command with the lines below it; one without a prompt only where it runs Python."""
    if inline := _INLINE.search(command):
        yield from _expressions(inline["code"], lines, number, repl=False)
    elif found is None:
        return
    elif found.kind != "shell":
        yield from _expressions(command, lines, number, repl=True)
    else:
        value = _next(lines, number)
        for key, shape in _COMMANDS:
            asked = shape.match(command)
            name = asked.groupdict().get("name", "") if asked else ""
            if asked and key == "not exported":
                if value is None or value.strip("()[]<># ").lower() in _EMPTY:
                    yield Said(key, name.upper())
            elif asked and (value or (name and value is not None)):
                yield Said(f"{key} {name}".strip(), value)


def _set(command: str, *, prompted: bool) -> Iterator[Said]:
    """Variables before a command or alone: "export A=1 B=2", "CUDA_VISIBLE_DEVICES=2 python main.py"."""
    found = _ASSIGN.match(command)
    if found is None or not (prompted or found["alone"] or _RUNS.search(found["rest"])):
        return
    rest = found["rest"]
    while one := _ONE.match(rest):
        yield Said(f"env {one['name']}", one["value"].strip("\"'"))
        rest = rest[one.end() :]


def _next(lines: Sequence[str], number: int) -> str | None:
    """Return the line below, "" for an empty one; None where another prompt stands there or the text ends."""
    if number + 1 >= len(lines) or typed_in(lines[number + 1]):
        return None
    return lines[number + 1].strip()


def _expressions(source: str, lines: Sequence[str], number: int, *, repl: bool) -> Iterator[Said]:
    """Pair the expressions that a statement prints with the lines that it printed."""
    groups = _PRINTS.findall(source)
    if not groups and repl and "=" not in source.replace("==", ""):
        groups = [source]
    wanted = [[_key(m) for m in _EXPRESSION.finditer(group)] for group in groups]
    wanted = [keys for keys in wanted if keys]
    if not wanted:
        return
    printed: list[str] = []
    for line in lines[number + 1 : number + 1 + _FAR]:
        if typed_in(line) or _FAILED.match(line):
            break
        text = _OUT.sub("", line, count=1).strip()
        aside = "Warning" in text or text.startswith(("return ", "warnings.", "File "))
        if text and not aside:
            printed.append(text)
    if _YES_OR_NO.issuperset(key for keys in wanted for key in keys):
        printed = [text for text in printed if _TRUTH.search(text)]
    for keys, text in zip(wanted, printed, strict=False):
        yield from _split(keys, text)


def _key(found: re.Match[str]) -> str:
    key = _EXPRESSIONS[next(i for i in range(len(_EXPRESSIONS)) if found[f"e{i}"] is not None)][0]
    name = found["module"] or found["package"] or found["filed"] or ""
    library = library_of(name)
    if key == "file":
        return f"file {library or name}"
    if key != "library":
        return key
    return "torch" if name.lower() == "torch" else f"library {library}" if library else "other"


def _split(keys: list[str], text: str) -> Iterator[Said]:
    """One line for several expressions holds them with spaces between; brackets hold together."""
    values = [text]
    if len(keys) > 1:
        if text[0] == "(" and text[-1] == ")" and len(text) > len("()"):
            text = text[1:-1]  # a prompt prints several values as a tuple
        values = _VALUES.findall(text[:1000])
        if "gpu" in keys and len(values) > len(keys):
            at, after = keys.index("gpu"), len(values) - len(keys) + keys.index("gpu") + 1
            values[at:after] = [" ".join(values[at:after])]
        if len(values) != len(keys):
            return
    elif keys[0] not in ("gpu", "platform", "python") and (label := _NAMED.match(text)):
        values = [label["value"]]
    for key, value in zip(keys, values, strict=True):
        if key != "other":
            yield Said(key, bare(value))
        if key in _OF_TORCH:
            yield Said("ran", "")
        if key in ("gpu", "capability") and any(map(str.isdigit, value)):
            yield Said("seen", "")
