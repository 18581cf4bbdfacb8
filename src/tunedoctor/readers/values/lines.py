"""Find names with values in lines, however they are set, in one pass.

"- name: value", columns, dots, tables, typed by hand; several in a line; lines of a known form; rows of versions:
"peft main, transformers 4.57.6, torch 2.13.0, python 3.12".
"""

import re
from collections.abc import Iterator, Sequence
from functools import cache

from tunedoctor.lazy import pattern
from tunedoctor.readers.values.cards import cards_in
from tunedoctor.readers.values.heads import headless
from tunedoctor.readers.values.kinds import NOTHING, bare, version
from tunedoctor.readers.values.names import begins_a_name, key_of, names_in, normal
from tunedoctor.readers.values.said import Said
from tunedoctor.tables.load import table

_SHORTEST, _LONGEST = 4, 1200
"""Characters of a line that are read."""
_LONGEST_FORM, _LONGEST_ROW, _LONGEST_PART, _MOST_PARTS = 2000, 300, 60, 24
_LONGEST_TYPED, _LONGEST_SEGMENTED = 160, 500
_WORDS = 6
"""Most words of a name that stands without a separator."""
_SPLIT = pattern(
    r"\A(?P<name>[^:=|│\t\n]{1,80}?)\s*"
    r"(?:(?P<colon>:(?!:|//))|=(?![=>~])|\t+|[|│]|\s?\.{3,}|\s{2,}|\s(?:->|=>|→|\u2013|\u2014|-|is)\s)"
    r"\s*(?P<value>.*)\Z"
)
_COLON = pattern(r"\A(?P<name>[^:\n]{1,80}?)\s*:(?!:)\s*(?P<value>.*)\Z")
_ENV = pattern(r"\A[A-Z][A-Z0-9_]{2,60}\Z")
_SECTION = pattern(
    r"\A\s{0,40}(?:[*-]\s+)?[\"']?(CUDA|Lightning|Packages|System|PyTorch)[\"']?\s*:\s*\{?\s*\Z"
)
_HEADING = pattern(
    r"\A\s{0,8}(?:#{1,6}\s+(?P<name>[^\n:]{2,60}?)\s*[:?]?|\*\*(?P<bold>[^*\n:]{2,60}):?\*\*:?)\s*\Z"
)
"""A title of an issue form: its answer stands below it."""
_USED = pattern(
    r"\A\W{0,4}yes\b[\s,;:(-]{1,4}(?P<gpu>[^,;()]{3,50})(?:[,;)].{0,80})?\Z", re.IGNORECASE
)
"""What people fill into the form of transformers: "Using GPU in script?: yes, RTX 3090"."""
_SEGMENTS = pattern(
    r"(?<![:=\s])\s{3,}|(?<![:=\s])\t+|(?<!\s)\s*[,;]\s+(?=[A-Za-z][\w ().?-]{1,40}[:=]\s?\S)"
    r"|(?<!\s)\s+[|•·]\s+"
    r"|,\s+(?=(?:GPU|CUDA|Python|torch|PyTorch|OS|driver)\b)"
)
_MARKS = (",", ";", "|", "•", "·", " / ", " on ")
_ALONE = ("windows", "ubuntu", "macos", "debian", "fedora", "centos")
"""Systems that stand alone in a line; between the parts of a row stands a mark."""
_DIVIDERS = pattern(r"\s+on\s+(?:an?\s)?(?=\S*[A-Z\d])|(?<!\s)\s*(?:[,;|•·]|&nbsp;|\s/\s)\s*")
_TITLE = pattern(
    r"\A(?:\w{2,12}\s)?(?:environment|env|setup|software|versions?|system|hardware|machine|specs?|info|stack)"
    r"(?:\s\w{2,12})?:\s+",
    re.IGNORECASE,
)
_PART = pattern(
    r"\A[`'\"(*-]{0,3}(?P<name>[A-Za-z][A-Za-z0-9 ._+-]{1,40}?)[`'\"*]{0,3}\s*(?:==|[:=@]|\s)\s*"
    r"[`'\"v]{0,2}(?P<value>\d\S{0,80}(?:\s\([^()]{0,60}\))?)[`'\")*]{0,3}\Z"
)
_NEUTRAL = pattern(
    r"\A(?:[\w.-]{1,30}[ :=@]{1,2}(?:main|dev|nightly|latest|git|HEAD|\d\S{0,40})(?:\s?\([^()]{0,50}\))?|\S{1,30})\Z"
)
"""A part that says nothing here, and is no sentence either."""
_TARGET = re.compile(r"gfx[0-9a-f]{3,5}")


def in_lines(lines: Sequence[str]) -> tuple[list[Said], list[Said]]:
    """Return what lines of known form and rows of versions say, and what names with values do, in order."""
    text = "\n".join(lines)
    forms = [form for form in table("labels")["forms"] if form[0] in text]
    place = _Place()
    shaped: list[Said] = []
    named: list[Said] = []
    for number, line in enumerate(lines):
        if not _SHORTEST <= len(line) <= _LONGEST_FORM or line.isspace():
            continue
        shaped += (one._replace(line=number) for one in place.shaped(line, forms))
        # what the driver's own tool prints is the driver's CUDA, not that of torch
        of_driver = "NVIDIA-SMI" in line
        said = (one._replace(line=number) for one in place.named(line))
        named += (one for one in said if one.key != "cuda_plain" or not of_driver)
    return shaped, named


class _Place:
    """Where in a report a line stands, below which title, in which section; and what was read before."""

    def __init__(self) -> None:
        self._title = self._section = ""
        self._depth = -1
        self._seen: set[tuple[str, str]] = set()

    def shaped(self, line: str, forms: Sequence[Sequence[str]]) -> Iterator[Said]:
        """Yield what a line of known form says, or a row."""
        if ("forms", line) in self._seen:
            return
        self._seen.add(("forms", line))
        for *marks, source in forms:
            if all(mark in line for mark in marks) and (found := _form(source).search(line)):
                yield from _of_form(found.groupdict())
        yield from _row(line)

    def named(self, line: str) -> Iterator[Said]:
        """Yield what names with values say: below a title, else in the line."""
        below = self._title
        if len(line) > _LONGEST or self._enters(line):
            return
        if below and (one := _pair(below, line, "")):
            yield one._replace(typed=True)
        if (self._section, line) in self._seen:  # says nothing new
            return
        self._seen.add((self._section, line))
        for one in _segments(line, self._section):
            yield one
            if one.key == "torch" and not one.typed:
                # rows that stand deeper than the one of torch speak of its build, as in bitsandbytes' report
                self._section, self._depth = "pytorch", _depth(line) + 1

    def _enters(self, line: str) -> bool:
        """Take note of a line; tell whether it is the head of a section or a title, and nothing else."""
        opened = _SECTION.match(line) if line.rstrip().endswith((":", "{")) else None
        marked = line.lstrip().startswith(("#", "**"))
        titled = _HEADING.match(" ".join(line.split())) if marked else None
        self._title = (titled["name"] or titled["bold"]) if titled else ""
        if opened:
            self._section, self._depth = opened[1].lower(), _depth(line)
        elif self._section and _depth(line) < self._depth:
            self._section = ""
        return bool(opened or titled)


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip())


def _segments(line: str, section: str) -> list[Said]:
    """Several names in one line: "OS: Ubuntu 22.04, GPU: RTX 3090, Python 3.10", or in columns."""
    known = names_in(line)
    if not known and not section and "_" not in line:
        return []
    whole = list(_of_line(line, section))
    if (known == 1 and "_" not in line) or len(line) > _LONGEST_SEGMENTED:
        return whole
    parts = [part for part in _SEGMENTS.split(line.strip())[:16] if part.strip()]
    said = [one for part in parts for one in _of_line(part, section)] if len(parts) > 1 else []
    return said if len({one.key for one in said}) > 1 else whole


def _of_line(line: str, section: str) -> Iterator[Said]:
    text = headless(line)
    found = _SPLIT.match(text)
    if found is not None:
        said = _pair(found["name"].strip(), found["value"], section)
        if said is None and found["colon"] is None and ":" in found["value"][:80]:
            again = _COLON.match(text)
            said = _pair(again["name"], again["value"], section) if again else None
        if said is not None:
            yield said
            return
        if found["colon"] and not text[found.end("colon") :][:1].isdigit():  # a time is none
            return
    yield from _typed(text)


def _pair(name: str, value: str, section: str) -> Said | None:
    """Return what a name with a value says; None where the name is not known."""
    raw = bare(name)
    value = value.strip().removesuffix("|").removesuffix("│").strip()
    if raw.startswith(("export ", "set ", "ENV ", "$env:")):
        return None
    plain = normal(raw)
    if key := section and table("labels")["sections"][section].get(plain):
        return Said(key, value)
    if "_" in raw and _ENV.match(raw):
        return Said(f"env {raw}", value)
    key, index = key_of(raw) if begins_a_name(plain) else ("", "")
    if key:
        return Said(key, value, index)
    used = _USED.match(value) if plain.startswith("using gpu in script") else None
    return Said("gpu", used["gpu"], typed=True) if used else None


def _typed(text: str) -> Iterator[Said]:
    """Names without a separator: "PyTorch version 1.5.0", "GPU RTX 3060 12GB", "Driver version     470.82"."""
    if len(text) > _LONGEST_TYPED or text.startswith(
        "["
    ):  # "[pip] numpy==1.26" says nothing of pip
        return
    if not begins_a_name(text) or key_of(text)[0]:
        return
    words = text.split()
    for count in range(min(_WORDS, len(words) - 1), 0, -1):
        value = " ".join(words[count:])
        key, index = key_of(" ".join(words[:count]))
        if key and (key.startswith("library ") or value.lower() not in NOTHING | {"version"}):
            yield Said(key, value, index, typed=True)
            return


@cache
def _form(source: str) -> re.Pattern[str]:
    return pattern(source)


def _of_form(groups: dict[str, str | None]) -> Iterator[Said]:
    for name, value in groups.items():
        if value is None:
            continue
        key, text = name, value
        how, _, rest = name.partition("_")
        if how == "kind":
            key, text = "torch_kind", rest
        elif how == "lib":
            key, text = f"library {rest}", value.rstrip(".")
        elif name.endswith("_pair"):
            key, text = name.removesuffix("_pair"), ".".join(re.findall(r"\d+", value))
        elif name.endswith("_digits"):
            key, text = name.removesuffix("_digits"), f"{value[:-1]}.{value[-1]}"
        elif name == "vram_mb":
            key, text = "gpu_memory", f"{value} MB"
        yield Said(key, text)
        if name in table("labels")["proof"]:
            yield Said("seen", "")


def _row(line: str) -> Iterator[Said]:
    """Yield the versions, system, GPU and RAM of a row; where a part is a sentence, nothing of it counts."""
    if len(line) > _LONGEST_ROW or not any(map(str.isdigit, line)):
        return
    low = line.lower()
    if not any(mark in line for mark in _MARKS) and not any(name in low for name in _ALONE):
        return
    plain = _TITLE.sub("", headless(line).strip().strip("`.*"), count=1)
    parts = [part for part in _DIVIDERS.split(plain) if part][:_MOST_PARTS]
    if len(parts) > 1 and all(_TARGET.fullmatch(part.strip()) for part in parts):
        return  # what a build has code for; no machine is told by names of targets alone
    said: list[Said] = []
    for part in parts:
        one = _fragment(part) or _versioned(part)
        if one is not None:
            said.append(one)
        elif not _NEUTRAL.match(part):
            return
    if len(said) > 1 or (said and len(parts) == 1 and said[0].key == "os"):
        yield from said


def _versioned(part: str) -> Said | None:
    """Return a library, torch or Python with its version."""
    found = _PART.match(" ".join(part.split())) if begins_a_name(part) else None
    if found is None or not version(found["value"]):
        return None
    key = key_of(found["name"].strip())[0]
    known = key in ("torch", "python", "driver") or key.startswith("library ")
    return Said(key, found["value"]) if known else None


def _fragment(part: str) -> Said | None:
    """Return a system, a GPU or a size of RAM that stands alone between commas."""
    if len(part) > _LONGEST_PART:
        return None
    for key, source in table("labels")["fragments"]:
        if found := _whole(source).fullmatch(part):
            value = found.groupdict().get("value", part)
            return Said(key, value) if key != "gpu" or cards_in(part) else None
    return None


@cache
def _whole(source: str) -> re.Pattern[str]:
    return pattern(source, re.IGNORECASE)
