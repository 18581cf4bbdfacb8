"""`nvidia-smi -q`, as text and as XML: a tree of names and values."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from tunedoctor.facts import NvidiaGpu
from tunedoctor.lazy import pattern
from tunedoctor.readers.paste import LONGEST, Paste, search
from tunedoctor.readers.smi.words import Seen, count, fields_of, of_driver
from tunedoctor.tables.load import table

Leaf = tuple[tuple[str, ...], str]
"""Names on the way down, in lower case with underscores, and the value."""

_TAG = pattern(r"<(/?)([A-Za-z_][\w.-]{0,80})([^<>]{0,200})>([^<]{0,2000})")
_DEEPEST = 30
_SECTION = 12
"""Lines below a heading under which a few lines of one GPU say by themselves what is wrong with it."""


def queries(paste: Paste) -> list[Seen]:
    """Return every -q output; each begins with its NVSMI LOG line. A section alone is of one GPU."""
    starts = [hit.line for hit in paste.each("nvidia_smi.log")]
    ends = [*starts[1:], len(paste.lines)]
    found = [_query(paste.lines[a + 1 : b]) for a, b in zip(starts, ends, strict=bool(starts))]
    for hit in [] if starts else paste.each("nvidia_smi.section")[:1]:
        lines = paste.lines[hit.line : hit.line + _SECTION]
        if re.match(
            r"\s+(?:Correctable|Uncorrectable) Error\s{1,60}: \d", paste.line(hit.line + 1)
        ):
            found.append(_query(["GPU", "Product Name : NVIDIA GPU", *lines]))
    return found + [_query(list(_as_text(one))) for one in paste.text.split("<nvidia_smi_log>")[1:]]


def _as_text(xml: str) -> Iterator[str]:
    """Write an XML output as the text would be. It is scanned, not parsed: a cut paste is read as far as it goes."""
    above: list[str] = []
    for tag in _TAG.finditer(xml.partition("</nvidia_smi_log>")[0]):
        closes, name, attributes, value = tag[1], tag[2].lower(), tag[3], " ".join(tag[4].split())
        if closes:
            if name in above[-3:]:  # tolerate a tag whose end was lost
                del above[len(above) - 1 - above[::-1].index(name) :]
        elif name == "gpu":
            above = ["gpu"]
            yield f"GPU {attributes.partition('id=')[2].strip(chr(34) + chr(39))}"
        elif not attributes.rstrip().endswith("/"):
            yield f"{' ' * len(above)}{name}{' : ' if value else ''}{value}"
            if len(above) < _DEEPEST:
                above.append(name)


def _query(lines: Sequence[str]) -> Seen:
    head: dict[str, str] = {}
    gpus: list[list[Leaf]] = []
    above: list[tuple[int, str]] = []
    for whole in lines:
        line = whole[:LONGEST].rstrip()
        if gpu := search("nvidia_smi.gpu", line):
            gpus.append([(("gpu_bus_id",), gpu[1] or "")])
            above = []
            continue
        key, colon, value = line.partition(" : ")
        name = re.sub(r"[^a-z0-9]+", "_", key.strip().lower()).strip("_")
        if not gpus:
            if colon:
                head.setdefault(name, value)
            continue
        depth = len(line) - len(line.lstrip())
        if depth == 0 and not colon and "|" in line:
            break  # another output follows
        while above and name and above[-1][0] >= depth and (depth or not colon):
            above.pop()  # where a paste lost its indents, the last heading stays
        path = (*(one for _, one in above), name)
        if colon:
            gpus[-1].append((path, value.strip()))
        elif name and len(above) < _DEEPEST:
            above.append((depth, name))
            gpus[-1].append((path, ""))
    return of_driver(head)._replace(gpus=tuple(_gpu(at, leaves) for at, leaves in enumerate(gpus)))


def _gpu(index: int, leaves: Sequence[Leaf]) -> NvidiaGpu:
    """Make a GPU of its leaves; text and XML name a few of them differently."""
    flat: dict[tuple[str, ...], str] = {}
    for path, value in leaves:
        if "mig_device" not in path:
            flat.setdefault(path, value)
    values = {".".join(path): value for path, value in flat.items()}
    fields: dict[str, Any] = fields_of(values) | {
        "index": index,
        "mig_instances": sum(path[-2:] == ("mig_device", "index") for path, _ in leaves),
        "ecc_uncorrected": _uncorrected(flat),
        "throttle": _throttle(flat),
    }
    return NvidiaGpu(**fields)


def _uncorrected(flat: dict[tuple[str, ...], str]) -> int | None:
    """Add up the uncorrectable errors since the driver was loaded; None where none is counted."""
    counts = [
        number
        for path, value in flat.items()
        if path[:2] == ("ecc_errors", "volatile")
        and ("uncorrectable" in path[-1] or path[2:] == ("double_bit", "total"))
        and (number := count(value)) is not None
    ]
    return sum(counts) if counts else None


def _throttle(flat: dict[tuple[str, ...], str]) -> tuple[str, ...]:
    active = {
        path[-1].removeprefix("clocks_event_reason_").removeprefix("clocks_throttle_reason_")
        for path, value in flat.items()
        if path[0] in ("clocks_event_reasons", "clocks_throttle_reasons") and value == "Active"
    }
    labels = table("outputs")["throttle"]["labels"]
    return tuple(word for reason, word in labels.items() if reason in active)
