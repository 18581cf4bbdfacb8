"""Values of nvidia-smi by name, a GPU made of them, and `nvidia-smi -q`, as text and as XML."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tunedoctor.facts import GpuProcess, NvidiaGpu
from tunedoctor.readers.paste import LONGEST, Paste, bytes_of, search, shape
from tunedoctor.tables.load import table

CUT = "..."
"""What the table puts at the end of a name that is too long for it."""

_MOST = 1 << 31
_NOTHING = ("n/a", "none", "not supported", "unknown error", "not found", "not available", "err!")

Values = Mapping[str, str]
"""Names such as "memory.total" or "fb_memory_usage.total", and what stands there."""


class Seen(NamedTuple):
    """What one output of nvidia-smi says."""

    driver: str = ""
    library: str = ""
    """Version of nvidia-smi itself, which comes with the user-space libraries."""
    cuda: str = ""
    gpus: tuple[NvidiaGpu, ...] = ()


def of_driver(values: Values) -> Seen:
    """Return the versions that values name: since 610 those of the kernel's and the user's part."""

    def first(*names: str) -> str:
        return next(filter(None, (version(values.get(name, "")) for name in names)), "")

    return Seen(
        driver=first("kmd_version", "driver_version", "driver"),
        library=first("library"),
        cuda=first("cuda_umd_version", "cuda_version", "cuda"),
    )


def fields_of(values: Values) -> dict[str, Any]:
    """Return the fields of NvidiaGpu that values tell of, as the table of outputs has the names."""
    found: dict[str, Any] = {}
    for field, (kind, *names) in table("outputs")["nvidia_gpu"]["fields"].items():
        found[field] = _KINDS[kind](next((values[name] for name in names if values.get(name)), ""))
    return found


def process(pid: str, name: str, memory: str) -> GpuProcess | None:
    """Make a process of what is told of it; None where its number is none."""
    number = count(pid)
    # of its path the last part, for either system; the rest says too much of the machine
    program = re.split(r"[/\\]", told(name)[-400:])[-1]
    return None if number is None else GpuProcess(pid=number, name=program, memory=size(memory))


def told(text: str) -> str:
    """Return a value, or "" for the words that stand for none."""
    text = text.strip()
    bare = text.strip("[]").lower()
    return "" if bare.startswith(_NOTHING) or "deprecated" in bare else text


def version(text: str) -> str:
    """Return the dotted number at the start of `text`, or ""."""
    found = re.match(r"\s*(\d{1,6}(?:\.\d{1,6}){1,4})", text)
    return found[1] if found else ""


def size(text: str) -> int | None:
    """Return the bytes of "81559 MiB" or "81559"; None where no number is told."""
    return bytes_of(text, "m")


def count(text: str) -> int | None:
    """Return a whole number, or None."""
    found = re.match(r"\s*(\d{1,18})\s*$", text)
    return min(int(found[1]), _MOST) if found else None


def slot(text: str) -> str:
    """Return a bus id as sysfs has it: "00000000:0C:00.0" -> "0000:0c:00.0"; "" for none."""
    found = re.search(r"([0-9a-f]{4,8}):([0-9a-f]{2}:[0-9a-f]{2}\.[0-9a-f])", text.lower())
    return f"{found[1][-4:]}:{found[2]}" if found else ""


def driver_model(text: str) -> str:
    """Return WDDM, TCC or MCDM, else ""."""
    word = text.strip().upper()
    return word if word in ("WDDM", "TCC", "MCDM") else ""


def _throttle(text: str) -> tuple[str, ...]:
    """Return the reasons that are faults, of NVML's bits."""
    found = re.fullmatch(r"\s*0x([0-9A-Fa-f]{1,16})\s*", text)
    known = table("outputs")["throttle"]["bits"].items() if found else ()
    return tuple(name for bit, name in known if found and int(found[1], 16) & int(bit))


def _recovery(text: str) -> str:
    """Return a recovery action as NVML names it: "Reset" -> "GPU_RESET", "None" -> ""."""
    word = re.sub(r"\W+", "_", told(text)[:40]).upper()
    return {"RESET": "GPU_RESET", "REBOOT": "NODE_REBOOT"}.get(word, word)


def _fabric(text: str) -> str:
    low = text.strip().lower()
    return low if low == "not supported" else told(low)[:80]


def _capability(text: str) -> str:
    return text if re.fullmatch(r"\d{1,2}\.\d", text) else ""


_KINDS: Mapping[str, Callable[[str], Any]] = {
    "told": told,
    "slot": slot,
    "size": size,
    "count": count,
    "capability": _capability,
    "switch": lambda text: {"enabled": True, "disabled": False}.get(text.strip().lower()),
    "yes": lambda text: text.lower() in ("yes", "1"),
    "recovery": _recovery,
    "throttle": _throttle,
    "fabric": _fabric,
    "driver_model": driver_model,
}


Leaf = tuple[tuple[str, ...], str]
"""Names on the way down, in lower case with underscores, and the value."""

_TAG = shape("piece.tag")
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
    return of_driver(head)._replace(
        gpus=tuple(_of_leaves(at, leaves) for at, leaves in enumerate(gpus))
    )


def _of_leaves(index: int, leaves: Sequence[Leaf]) -> NvidiaGpu:
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
        "throttle": _throttled(flat),
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


def _throttled(flat: dict[tuple[str, ...], str]) -> tuple[str, ...]:
    active = {
        path[-1].removeprefix("clocks_event_reason_").removeprefix("clocks_throttle_reason_")
        for path, value in flat.items()
        if path[0] in ("clocks_event_reasons", "clocks_throttle_reasons") and value == "Active"
    }
    labels = table("outputs")["throttle"]["labels"]
    return tuple(word for reason, word in labels.items() if reason in active)
