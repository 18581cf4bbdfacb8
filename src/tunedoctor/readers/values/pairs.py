"""Find names and values in lines, however they are set: "- name: value", columns, dots, tables, JSON, typed by hand."""

import re
from collections.abc import Iterable, Iterator

from tunedoctor.lazy import pattern
from tunedoctor.readers.values.heads import headless
from tunedoctor.readers.values.libraries import begins_a_name, library_of
from tunedoctor.readers.values.names import key_of, normal
from tunedoctor.readers.values.said import NOTHING, Said, bare

_SHORTEST, _LONGEST = 4, 1200
"""Characters of a line that are read."""
_SPLIT = pattern(
    r"""\A(?P<name>[^:=|│\t\n]{1,80}?)\s*
    (?:(?P<colon>:(?!:|//))|(?P<equals>=(?![=>~]))|\t+|(?P<bar>[|│])|\s?\.{3,}|\s{2,}|\s(?:->|=>|→|\u2013|\u2014|-|is)\s)
    \s*(?P<value>.*)\Z""",
    re.VERBOSE,
)
_ENV = pattern(r"\A[A-Z][A-Z0-9_]{2,60}\Z")
_SECTION = pattern(
    r"\A\s{0,40}(?:[*-]\s+)?[\"']?(CUDA|Lightning|Packages|System|PyTorch)[\"']?\s*:\s*\{?\s*\Z"
)
_IN_SECTION = {
    ("CUDA", "available"): "available",
    ("CUDA", "version"): "torch_cuda",
    ("PyTorch", "cuda"): "torch_cuda",
    ("PyTorch", "hip"): "torch_hip",
    ("System", "version"): "kernel",
}
_HEADING = pattern(
    r"\A\s{0,8}(?:#{1,6}\s+(?P<name>[^\n:]{2,60}?)\s*[:?]?|\*\*(?P<bold>[^*\n:]{2,60}):?\*\*:?)\s*\Z"
)
"""A title of an issue form: its answer stands below it."""
_USED = pattern(
    r"\A\W{0,4}yes\b[\s,;:(-]{1,4}(?P<gpu>[^,;()]{3,50})(?:[,;)].{0,80})?\Z", re.IGNORECASE
)
"""What people fill into the form of transformers: "Using GPU in script?: yes, RTX 3090"."""
_LONGEST_TYPED, _LONGEST_SEGMENTED = 160, 500
_WORDS = 6
"""Most words of a name that stands without a separator."""


def pairs(lines: Iterable[str]) -> Iterator[Said]:
    """Yield what every line says, in order."""
    place = _Place()
    seen: set[tuple[str, str]] = set()
    for number, line in enumerate(lines):
        if not _SHORTEST <= len(line) <= _LONGEST or not line.strip():
            continue
        below = place.title
        if place.enters(line):
            continue
        if below and (said := _pair(below, line, "")):
            yield said._replace(line=number, typed=True)
        if (place.section, line) in seen:  # says nothing new
            continue
        seen.add((place.section, line))
        for one in _segments(line, place.section):
            yield one._replace(line=number)
            if one.key == "torch" and not one.typed:
                place.below_torch(line)


class _Place:
    """Where in a report a line stands: below which title, in which section."""

    def __init__(self) -> None:
        self.title = self.section = ""
        self._depth = -1

    def enters(self, line: str) -> bool:
        """Take note of a line; tell whether it is the head of a section or a title, and nothing else."""
        opened = _SECTION.match(line)
        marked = line.lstrip().startswith(("#", "**"))
        titled = _HEADING.match(" ".join(line.split())) if marked else None
        self.title = (titled["name"] or titled["bold"]) if titled else ""
        if opened:
            self.section, self._depth = opened[1], _depth(line)
        elif self.section and _depth(line) < self._depth:
            self.section = ""
        return bool(opened or titled)

    def below_torch(self, line: str) -> None:
        """Rows that stand deeper than the one of torch speak of its build, as in bitsandbytes' report."""
        self.section, self._depth = "PyTorch", _depth(line) + 1


_SEGMENTS = pattern(
    r"(?<![:=\s])\s{3,}|(?<![:=\s])\t+|(?<!\s)\s*[,;]\s+(?=[A-Za-z][\w ().?-]{1,40}[:=]\s?\S)"
    r"|(?<!\s)\s+[|•·]\s+"
    r"|,\s+(?=(?:GPU|CUDA|Python|torch|PyTorch|OS|driver)\b)"
)


def _segments(line: str, section: str) -> list[Said]:
    """Several names in one line: "OS: Ubuntu 22.04, GPU: RTX 3090, Python 3.10", or in columns."""
    whole = list(_of_line(line, section))
    parts = [part for part in _SEGMENTS.split(line.strip())[:16] if part.strip()]
    if len(parts) == 1 or len(line) > _LONGEST_SEGMENTED:
        return whole
    said = [one for part in parts for one in _of_line(part, section)]
    return said if len({one.key for one in said}) > 1 else whole


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip())


def _of_line(line: str, section: str) -> Iterator[Said]:
    text = headless(line)
    found = _SPLIT.match(text)
    if found is not None:
        said = _pair(found["name"].strip(), found["value"], section)
        if said is None and found["colon"] is None and ":" in found["value"][:80]:
            again = re.match(r"\A(?P<name>[^:\n]{1,80}?)\s*:(?!:)\s*(?P<value>.*)\Z", text)
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
    if (section, plain) in _IN_SECTION:
        return Said(_IN_SECTION[section, plain], value)
    if section == "PyTorch" and plain in ("cuda", "hip"):
        return Said(f"torch_{plain}", value)
    if _ENV.match(raw) and "_" in raw:
        return Said(f"env {raw}", value)
    known = begins_a_name(plain)
    key, index = key_of(raw) if known else ("", "")
    if key:
        return Said(key, value, index)
    library = library_of(raw) if known else ""
    return Said(f"library {library}", value) if library else _used(plain, value)


def _used(name: str, value: str) -> Said | None:
    """Return the GPU that somebody filled into the form of transformers."""
    used = _USED.match(value) if name.startswith("using gpu in script") else None
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
        name, value = " ".join(words[:count]), " ".join(words[count:])
        key, index = key_of(name)
        if key and value.lower() not in NOTHING | {"version"}:
            yield Said(key, value, index, typed=True)
            return
        library = library_of(name)
        if library:
            yield Said(f"library {library}", value, typed=True)
            return
