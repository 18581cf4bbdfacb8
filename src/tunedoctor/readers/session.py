"""What a Python prompt or a shell answered: the expression or command that was typed, then the lines below it."""

import re
from collections.abc import Iterable, Iterator, Sequence

from tunedoctor.lazy import pattern
from tunedoctor.readers.names import Said, bare, library_of
from tunedoctor.readers.paste import search, shape
from tunedoctor.readers.prompts import prompt, typed_in
from tunedoctor.tables.load import table

_EXPRESSIONS: list[tuple[str, str]] = table("labels")["expressions"]
"""Label, expression."""
_EXPRESSION = pattern("|".join(f"(?P<e{i}>{one})" for i, (_, one) in enumerate(_EXPRESSIONS)))
_EMPTY = ("", "nothing", "no output", "empty", "none")
_STARTS = ("python", "export ", "ENV ", "set ", "os.environ", "$env:", "CUDA", "HSA", "HIP")
"""Beginnings of a line without a prompt that is looked at."""
_TRUTH = shape("piece.truth")
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


def latest(answered: Iterable[Said]) -> Iterator[Said]:
    """Yield the answers, of a torch that changed its version only the last: what came before is over."""
    kept = list(answered)
    versions = [(at, one.value) for at, one in enumerate(kept) if one.key == "torch"]
    other = [at for at, value in versions if value != versions[-1][1]]
    since = next(at for at, _ in versions if at > other[-1]) if other else 0
    yield from (one for at, one in enumerate(kept) if at >= since or one.key not in _CHANGES)


def _of_line(line: str, lines: Sequence[str], number: int) -> Iterator[Said]:
    line = line.lstrip("+ ") if line.startswith("+") else line  # of `set -x`
    found = prompt(line)
    below = next((line for line in lines[number + 1 : number + 3] if line.strip()), "")
    if not found and not line.lstrip().startswith(_STARTS):
        # a statement without its prompt: an answer only where a value stands below it
        bare_one = "torch." in line and search("session.statement", line)
        if bare_one and search("session.value", below):
            yield from _expressions(line.strip(), lines, number, repl=True)
        return
    if environ := search("session.environ", line):
        yield Said(f"env {environ['name']}", environ["value"])
    command = found.typed if found else line.strip()
    went_on = below.lstrip().startswith((">>>", "In ["))
    if found and found.kind != "shell" and command == "import torch" and went_on:
        yield Said("ran", "")  # it printed nothing, and raised nothing
    yield from _set(command, prompted=found is not None)
    if inline := search("session.inline", command):
        yield from _expressions(inline["code"], lines, number, repl=False)
    elif found and found.kind != "shell":
        yield from _expressions(command, lines, number, repl=True)
    elif found:
        yield from _asked(command, lines[number + 1 : number + 2])


def _asked(command: str, below: Sequence[str]) -> Iterator[Said]:
    """Pair a command of a shell with the line below it, unless another prompt stands there or the text ends."""
    value = next((line.strip() for line in below if not typed_in(line)), None)
    for key, source in table("labels")["commands"]:
        asked = re.match(source, command)
        name = asked.groupdict().get("name", "") if asked else ""
        if asked and key == "not exported":
            if value is None or value.strip("()[]<># ").lower() in _EMPTY:
                yield Said(key, name.upper())
        elif asked and value is not None and (value or name):
            yield Said(f"{key} {name}".strip(), value)


def _set(command: str, *, prompted: bool) -> Iterator[Said]:
    """Variables before a command or alone: "export A=1 B=2", "CUDA_VISIBLE_DEVICES=2 python main.py"."""
    found = search("session.assign", command)
    if found is None or not (prompted or found["alone"] or search("session.runs", found["rest"])):
        return
    rest = found["rest"]
    while one := search("session.assigned", rest):
        yield Said(f"env {one['name']}", one["value"].strip("\"'"))
        rest = rest[one.end() :]


def _expressions(source: str, lines: Sequence[str], number: int, *, repl: bool) -> Iterator[Said]:
    """Pair the expressions that a statement prints with the lines that it printed."""
    groups = re.findall(r"print\(((?:[^()]|\([^()]{0,60}\)){0,300})\)", source)
    if not groups and repl and "=" not in source.replace("==", ""):
        groups = [source]
    wanted = [keys for one in groups if (keys := [*map(_key, _EXPRESSION.finditer(one))])]
    if not wanted:
        return
    printed: list[str] = []
    for line in lines[number + 1 : number + 1 + _FAR]:
        if typed_in(line) or search("session.failed", line):
            break
        text = re.sub(r"\A\s{0,40}Out\[\d{1,5}\]:\s?", "", line).strip()
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
        whole = r"\[[^\]]{0,400}\]|\([^)]{0,60}\)|'[^']{0,200}'|\"[^\"]{0,200}\"|[^\s,]+"
        values = re.findall(whole, text[:1000])
        if "gpu" in keys and len(values) > len(keys):
            at, after = keys.index("gpu"), len(values) - len(keys) + keys.index("gpu") + 1
            values[at:after] = [" ".join(values[at:after])]
        if len(values) != len(keys):
            return
    for key, value in zip(keys, values, strict=True):
        if key != "other":
            yield Said(key, bare(value))
        if key in _OF_TORCH:
            yield Said("ran", "")
        if key in ("gpu", "capability") and any(map(str.isdigit, value)):
            yield Said("seen", "")
