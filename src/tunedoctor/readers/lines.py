"""Find names with values in lines, in any layout, in one pass, and lines of a known form.

Such as "- name: value", columns, tables; several in a line; GPUs below a title; rows such as "peft main, torch 2.13.0".
"""

from collections.abc import Iterator, Sequence

from tunedoctor.readers import names
from tunedoctor.readers.cards import cards_in
from tunedoctor.readers.output_rows import search, shape
from tunedoctor.readers.paste import Paste
from tunedoctor.tables.load import table

_SHORTEST, _LONGEST = 4, 1200
_LONGEST_FORM, _LONGEST_ROW, _LONGEST_PART, _MOST_PARTS = 2000, 300, 60, 24
_LONGEST_TYPED, _LONGEST_SEGMENTED = 160, 500
_WORDS = 6
"""Most words of a name without a separator."""
_OF_LOG = ("[", "INFO", "WARN", "ERROR", "DEBUG")
_MARKS = (",", ";", "|", "•", "·", " / ", " on ")
_ALONE = ("windows", "ubuntu", "macos", "debian", "fedora", "centos")
"""Systems that can be alone in a line; the parts of a row are separated by a mark."""


def in_forms(paste: Paste) -> Iterator[names.LabelledValue]:
    """Yield the values in lines of a known form, then those in rows of versions."""
    for line, row, match in paste.each("forms", longest=_LONGEST_FORM):
        for name, value in match.groupdict().items():
            if value is not None:
                yield from (entry._replace(line=line) for entry in _of_form(name, value, row))
    rows: set[str] = set()
    for number, text in enumerate(paste.lines):
        if _SHORTEST <= len(text) <= _LONGEST_ROW and text not in rows:
            rows.add(text)
            yield from (entry._replace(line=number) for entry in _row(text))


def in_lines(lines: Sequence[str]) -> Iterator[names.LabelledValue]:
    """Yield the values that have names, in order."""
    reader = _LineReader()
    for number, line in enumerate(lines):
        if _SHORTEST <= len(line) <= _LONGEST and not line.isspace():
            # this CUDA version is the driver's, not torch's
            of_driver = "NVIDIA-SMI" in line
            for entry in reader.entries_of(line):
                if entry.key != "cuda_plain" or not of_driver:
                    yield entry._replace(line=number)


class _LineReader:
    def __init__(self) -> None:
        self._title = self._section = ""
        self._depth = -1
        self._gpus = -1
        """Number of GPUs before a line in a list of GPUs; -1 outside a list."""
        self._gpu = "0"
        self._seen: set[tuple[str, str]] = set()

    def entries_of(self, line: str) -> Iterator[names.LabelledValue]:
        below = self._title
        if self._enters(line):
            return
        if below and (entry := _pair(below, line, "")):
            yield entry._replace(typed=True)
        yield from self._listed(line)
        if "MIG" in line and search("line.mig", line):
            yield names.LabelledValue("mig", line.strip(), self._gpu)
        if (self._section, line) in self._seen:  # repeats an earlier line
            return
        self._seen.add((self._section, line))
        for entry in _segments(line, self._section):
            yield entry
            self._gpu = entry.gpu if entry.gpu.isdigit() else self._gpu
            if entry.key == "torch" and not entry.typed:
                # rows that are indented more than torch's describe its build, as in bitsandbytes' report
                self._section, self._depth = "pytorch", _depth(line) + 1

    def _enters(self, line: str) -> bool:
        opened = search("line.section", line) if line.rstrip().endswith((":", "{")) else None
        marked = line.lstrip().startswith(("#", "**"))
        titled = search("line.heading", " ".join(line.split())) if marked else None
        self._title = (titled["name"] or titled["bold"]) if titled else ""
        if opened:
            self._section, self._depth = opened[1].lower(), _depth(line)
        elif self._section and _depth(line) < self._depth:
            self._section = ""
        return bool(opened or titled)

    def _listed(self, line: str) -> Iterator[names.LabelledValue]:
        opened = search("line.list", line)
        if opened:
            self._gpus = 0
        elif self._gpus < 0:
            return
        text = opened["value"].strip() if opened else line.strip()
        if text and cards_in(text) and (opened or not search("line.next", line)):
            yield names.LabelledValue("gpu", text, str(self._gpus))
            self._gpus += 1
        elif not opened:
            self._gpus = -1


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip())


def headless(line: str) -> str:
    """Return a line without the marks before its first word."""
    text = line.lstrip()
    if not text[:1].isalpha():
        text = _without("line.head", line)
    if text[:1].isdigit() or text.startswith(_OF_LOG):
        text = _without("line.head", _without("line.log", text))
    return text


def _without(row: str, line: str) -> str:
    return shape(row).sub("", line, count=1)


def _segments(line: str, section: str) -> list[names.LabelledValue]:
    """Return several names in one line, as "OS: Ubuntu 22.04, GPU: RTX 3090, Python 3.10", or in columns."""
    count = names.names_in(line)
    if not count and not section and "_" not in line:
        return []
    whole = _of_line(line, section)
    if (count == 1 and "_" not in line) or len(line) > _LONGEST_SEGMENTED:
        return whole
    parts = [part for part in shape("line.segments").split(line.strip())[:16] if part.strip()]
    entries = (
        [entry for part in parts for entry in _of_line(part, section)] if len(parts) > 1 else []
    )
    return entries if len({one.key for one in entries}) > 1 or not whole else whole


def _of_line(line: str, section: str) -> list[names.LabelledValue]:
    text = headless(line)
    if match := search("line.split", text):
        if entry := _pair(match["name"].strip(), match["value"], section):
            return [entry]
        if match["colon"] and not text[match.end("colon") :][:1].isdigit():  # not a time
            return []
    return _typed(text)


def _pair(name: str, value: str, section: str) -> names.LabelledValue | None:
    raw = names.bare(name)
    value = value.strip().removesuffix("|").removesuffix("│").strip()
    plain = names.normal(raw)
    if key := section and table("labels")["sections"][section].get(plain):
        return names.LabelledValue(key, value)
    if "_" in raw and search("line.env", raw):
        return names.LabelledValue(f"env {raw}", value)
    key, index = names.key_of(raw) if names.begins_a_name(plain) else ("", "")
    name, _, rest = value.partition(":")
    # a line can name a GPU twice: "GPU models and configuration: GPU 0: …"
    if key == "gpu" and rest and names.key_of(name)[0] == "gpu":
        return names.LabelledValue(key, rest.strip(), names.key_of(name)[1])
    return names.LabelledValue(key, value, index) if key else None


def _typed(text: str) -> list[names.LabelledValue]:
    """Return names without a separator: "PyTorch version 1.5.0", "GPU RTX 3060 12GB", "Driver version     470.82"."""
    # "[pip] numpy==1.26" is not about pip
    if len(text) > _LONGEST_TYPED or text.startswith("["):
        return []
    if not names.begins_a_name(text) or names.key_of(text)[0]:
        return []
    words = text.split()
    for count in range(min(_WORDS, len(words) - 1), 0, -1):
        value = " ".join(words[count:])
        key, index = names.key_of(" ".join(words[:count]))
        if key and (key.startswith("library ") or value.lower() not in names.NOTHING | {"version"}):
            return [names.LabelledValue(key, value, index, typed=True)]
    return []


def _of_form(name: str, value: str, row: str) -> Iterator[names.LabelledValue]:
    key, _, how = name.rpartition("_")
    if key == "kind":
        yield names.LabelledValue("torch_kind", how)
    elif name.startswith("lib_"):
        yield names.LabelledValue(f"library {name.removeprefix('lib_')}", value.rstrip("."))
    else:
        unit = how in ("kb", "mb", "gb")
        yield (
            names.LabelledValue(key, f"{value} {how}") if unit else names.LabelledValue(name, value)
        )
    if name in table("labels")["proof"]:
        yield names.LabelledValue("seen", row)


def _row(line: str) -> Sequence[names.LabelledValue]:
    """Return the versions, system, GPU and RAM of a row; if a part is a sentence, return nothing."""
    low = line.lower()
    if not any(map(str.isdigit, line)) or not (
        any(mark in line for mark in _MARKS) or any(name in low for name in _ALONE)
    ):
        return ()
    plain = headless(line).strip().strip("`.*")
    title = search("line.title", plain)
    if title and not names.key_of(title[0])[0]:
        plain = plain[title.end() :]
    parts = [part for part in shape("line.dividers").split(plain) if part][:_MOST_PARTS]
    if len(parts) > 1 and all(shape("line.target").fullmatch(part.strip()) for part in parts):
        return ()  # what a build has code for; names of targets alone describe no machine
    entries: list[names.LabelledValue] = []
    for part in parts:
        entry = _fragment(part) or _versioned(part)
        if entry is not None:
            entries.append(entry)
        elif not search("line.neutral", part):
            return ()
    return (
        entries
        if len(entries) > 1 or (len(parts) == 1 and entries and entries[0].key == "os")
        else ()
    )


def _versioned(part: str) -> names.LabelledValue | None:
    match = search("line.part", " ".join(part.split())) if names.begins_a_name(part) else None
    if match is None or not names.version(match["value"]):
        return None
    key = names.key_of(match["name"].strip())[0]
    expected = key in ("torch", "python", "driver") or key.startswith("library ")
    return names.LabelledValue(key, match["value"]) if expected else None


def _fragment(part: str) -> names.LabelledValue | None:
    for key in ("libc", "os", "cpu", "ram", "gpu") if len(part) <= _LONGEST_PART else ():
        if match := search(f"alone_{key}", part):
            value = match.groupdict().get("value", part)
            return names.LabelledValue(key, value) if key != "gpu" or cards_in(part) else None
    return None
