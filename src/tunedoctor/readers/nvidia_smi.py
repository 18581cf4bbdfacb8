"""Find what nvidia-smi printed in any text: its table, -L, csv, -q as text and as XML; the driver, and why it fails."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from msgspec.structs import replace

from tunedoctor import facts as kinds
from tunedoctor.facts import Fact
from tunedoctor.readers.names import counter, driver_model, fields_of, printed, slot, version
from tunedoctor.readers.output_rows import bytes_of, search, shape
from tunedoctor.readers.paste import LONGEST, Hit, Paste
from tunedoctor.tables.gpus import nvidia_by_name, nvidia_cut
from tunedoctor.tables.load import table

CUT = "..."
"""What the table puts at the end of a name that is too long for it."""

Values = Mapping[str, str]
"""Names such as "memory.total" or "fb_memory_usage.total", and what stands there."""


class SmiOutput(NamedTuple):
    """The facts in one output of nvidia-smi."""

    driver: str = ""
    library: str = ""
    """Version of nvidia-smi itself, which comes with the user-space libraries."""
    cuda: str = ""
    gpus: tuple[kinds.NvidiaGpu, ...] = ()


def of_driver(values: Values) -> SmiOutput:
    """Return the versions that values name: since 610 those of the kernel's and the user's part."""

    def first(*names: str) -> str:
        return next(filter(None, (version(values.get(name, "")) for name in names)), "")

    return SmiOutput(
        driver=first("kmd_version", "driver_version", "driver"),
        library=first("library"),
        cuda=first("cuda_umd_version", "cuda_version", "cuda"),
    )


def process(pid: str, name: str, memory: str) -> tuple[kinds.GpuProcess, ...]:
    """Return the process with a pid, name and memory, or () if the pid is not a number."""
    number = counter(pid)
    # only the last part of the path, for either system; the rest reveals too much about the machine
    program = printed(name.replace("\\", "/").rpartition("/")[2])
    size = bytes_of(memory, "m")
    return () if number is None else (kinds.GpuProcess(pid=number, name=program, memory=size),)


Leaf = tuple[tuple[str, ...], str]
"""Names on the way down, in lower case with underscores, and the value."""

_DEEPEST = 30
_SECTION = 12
"""The number of lines below a heading in which lines about a GPU are searched for its problem."""


def queries(paste: Paste) -> list[SmiOutput]:
    """Return every -q output; each begins with its NVSMI LOG line. A single section belongs to one GPU."""
    starts = [hit.line for hit in paste.each("nvidia_smi.log")]
    ends = [*starts[1:], len(paste.lines)]
    outputs = [_query(paste.lines[a + 1 : b]) for a, b in zip(starts, ends, strict=bool(starts))]
    for hit in [] if starts else paste.each("nvidia_smi.section")[:1]:
        lines = paste.lines[hit.line : hit.line + _SECTION]
        if "orrectable Error  " in paste.line(hit.line + 1):
            outputs.append(_query(["GPU", "Product Name : NVIDIA GPU", *lines]))
    return outputs + [
        _query(list(_as_text(part))) for part in paste.text.split("<nvidia_smi_log>")[1:]
    ]


def _as_text(xml: str) -> Iterator[str]:
    """Write an XML output as the text would be. It is scanned, not parsed: a cut paste is read as far as it goes."""
    above: list[str] = []
    for tag in shape("piece.tag").finditer(xml.partition("</nvidia_smi_log>")[0]):
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


def _query(lines: Sequence[str]) -> SmiOutput:
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
        name = "_".join("".join(c if c.isalnum() else " " for c in key.lower()).split())
        if not gpus:
            if colon:
                head.setdefault(name, value)
            continue
        depth = len(line) - len(line.lstrip())
        if depth == 0 and not colon and "|" in line:
            break  # another output follows
        while above and name and above[-1][0] >= depth and (depth or not colon):
            above.pop()  # where a paste lost its indents, the last heading stays
        path = (*(heading for _, heading in above), name)
        if colon:
            gpus[-1].append((path, value.strip()))
        elif name and len(above) < _DEEPEST:
            above.append((depth, name))
            gpus[-1].append((path, ""))
    parsed = (_of_leaves(at, leaves) for at, leaves in enumerate(gpus))
    return of_driver(head)._replace(gpus=tuple(parsed))


def _of_leaves(index: int, leaves: Sequence[Leaf]) -> kinds.NvidiaGpu:
    flat: dict[tuple[str, ...], str] = {}
    for path, value in leaves:
        if "mig_device" not in path:
            flat.setdefault(path, value)
    values = {".".join(path): value for path, value in flat.items()}
    fields: dict[str, Any] = fields_of("nvidia_gpu", values) | {
        "index": index,
        "mig_instances": sum(path[-2:] == ("mig_device", "index") for path, _ in leaves),
        "ecc_uncorrected": _uncorrected(flat),
        "throttle": _throttled(flat),
    }
    return kinds.NvidiaGpu(**fields)


def _uncorrected(flat: dict[tuple[str, ...], str]) -> int | None:
    counts = [
        number
        for path, value in flat.items()
        if path[:2] == ("ecc_errors", "volatile")
        and ("uncorrectable" in path[-1] or path[2:] == ("double_bit", "total"))
        and (number := counter(value)) is not None
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


PROC_VERSION = "/proc/driver/nvidia/version"
_EXIT_LARGEST = 255
_GOES_ON = ("NVML library version", "Make sure that", "Please also try")


def proc_version(text: str) -> kinds.NvidiaDriver | None:
    """Return the version and the kind of the kernel module, or None if `text` does not show them."""
    if not (match := search("nvidia_smi.nvrm", text)):
        return None
    is_open = bool(match["open"])
    return kinds.NvidiaDriver(match["version"], source=PROC_VERSION, open_module=is_open)


def failures(paste: Paste) -> kinds.NvidiaAnswer | None:
    """Return the first failure in a text, or None."""
    for hit in paste.each("nvml_said"):
        if answer := _failure(paste, hit):
            return answer
    return kinds.NvidiaAnswer(smi="missing") if paste.has("nvidia_smi.missing") else None


def _failure(paste: Paste, hit: Hit) -> kinds.NvidiaAnswer | None:
    errors: dict[str, Any] = table("outputs")["nvml_errors"]
    if hit.row == "asleep":
        asleep = "ps shows nvidia-smi in uninterruptible sleep"
        return kinds.NvidiaAnswer(smi="hung", smi_text=asleep)
    if hit.row == "python":
        code, text = errors["classes"].get(hit.found[1]), hit.found[2] or hit.found[1]
        how = "missing" if code == 12 else "error"
        return kinds.NvidiaAnswer(nvml=how, nvml_code=code, nvml_text=text) if code else None
    below = paste.line(hit.line + 1)
    more = [below.strip()] if below.startswith(_GOES_ON) else []
    text = "\n".join([paste.line(hit.line).strip(), *more])
    if hit.row != "init":
        return kinds.NvidiaAnswer(smi="error", smi_code=int(hit.row), smi_text=text)
    low = hit.found[1].lower()
    code = next((number for words, number in errors["words"].items() if words in low), None)
    return kinds.NvidiaAnswer(
        nvml="error",
        nvml_code=code,
        nvml_text=hit.found[1].strip(),
        smi="error",
        smi_code=code if code is not None and code <= _EXIT_LARGEST else None,
        smi_text=text,
    )


_LONGEST = 40_000
_NAMES = {"name", "gpu_name", "uuid", "gpu_uuid"}
"""A header must have one of these …"""
_SURE = (".", "_", "uuid", "[")
"""… and a field that only nvidia-smi spells so."""


def tables(paste: Paste) -> list[SmiOutput]:
    """Return every default table, in order; a header alone counts as one without GPUs."""
    hits = paste.each("smi_table") if paste.has("smi_table.head") else []
    heads = [at for at, hit in enumerate(hits) if hit.row == "head"]
    return [_table(hits[a:b]) for a, b in zip(heads, [*heads[1:], None], strict=False)]


def _table(hits: Sequence[Hit]) -> SmiOutput:
    gpus: dict[int, dict[str, Any]] = {}
    last: dict[str, Any] | None = None
    for hit in hits[1:]:
        row, row_told = hit.row, _values(hit)
        if row == "gpu":
            gpu: dict[str, Any] = {
                "index": int(row_told["index"]),
                "name": " ".join(row_told["name"].split()),
                "slot": slot(row_told["bus"]),
                "driver_model": driver_model(row_told["mode"]),
                "ecc_uncorrected": counter(row_told["ecc"]),
                "mig_instances": 0,
                "processes": (),
            }
            # a second list of the same GPUs belongs to another output
            last = gpu if gpus.setdefault(gpu["index"], gpu) is gpu else None
        elif row in ("mig_device", "process"):
            last = None
            if gpu_fields := gpus.get(int(row_told["gpu"])):
                names = ("pid", "program", "memory")
                gpu_fields["processes"] += process(*(row_told.get(name, "") for name in names))
                gpu_fields["mig_instances"] += row == "mig_device"
        elif last and row == "memory":
            total = bytes_of(row_told["total"], "m") or 0
            # the driver's own reserve is not shown: a few hundred MiB less are free
            free = max(total - (bytes_of(row_told["used"], "m") or 0), 0)
            last |= {"memory_total": total, "memory_free": free}
        elif last:
            last["mig"] = row_told["mig"] == "Enabled"
    parsed = (kinds.NvidiaGpu(**fields) for fields in gpus.values())
    return of_driver(_values(hits[0]))._replace(gpus=tuple(parsed))


def _values(hit: Hit) -> dict[str, str]:
    return {name: value or "" for name, value in hit.found.groupdict().items()}


def csv_outputs(paste: Paste) -> list[SmiOutput]:
    """Return what every `--query-gpu=… --format=csv` says, found by its header line or the command."""
    if not any(word in paste.text for word in ("uuid", "name", "driver_v")):
        return []
    result: list[SmiOutput] = []
    fields: Sequence[str] = ()
    rows: list[Values] = []
    for line in [*paste.lines, ""]:
        if row := row_of(fields, line):
            rows.append(row)
            continue
        if rows:
            result.append(output_of_rows(rows))
            rows = []
        match = search("nvidia_smi.query", line[:_LONGEST])
        fields = match[1].strip(",").split(",") if match else header_of(line)
    return result


def header_of(line: str) -> tuple[str, ...]:
    """Return the fields of a header line, without units; () if it is not a header, or a header of processes."""
    if line.strip() == "driver_version":
        return ("driver_version",)
    if "," not in line or len(line) > _LONGEST or ("uuid" not in line and "name" not in line):
        return ()
    parts = [part.strip() for part in line.split(",")]
    fields = tuple(part.partition(" [")[0] for part in parts)
    words = all(field.replace("_", "").replace(".", "").isalnum() for field in fields)
    sure = words and any(mark in part for part in parts for mark in _SURE)
    return fields if sure and "pid" not in fields and not _NAMES.isdisjoint(fields) else ()


def row_of(fields: Sequence[str], line: str) -> dict[str, str]:
    """Return the values of a line by field; {} if their number differs."""
    parts = [part.strip() for part in line.strip().split(", ")] if len(line) <= _LONGEST else []
    if not fields or not line.strip() or len(parts) != len(fields) or header_of(line):
        return {}
    row = dict(zip(fields, parts, strict=True))
    if not re.fullmatch(r"\d[\d.]{2,20}|\[?\w[\w /]{0,30}\]?", row.get("driver_version", "0.0.0")):
        return {}
    name = row.get("name") or row.get("gpu_name") or row.get("uuid", "-")
    return row if printed(name) else {}


def output_of_rows(rows: Sequence[Values]) -> SmiOutput:
    """Make GPUs of rows."""
    gpus: dict[str, kinds.NvidiaGpu] = {}
    for at, row in enumerate(rows):
        index = counter(row.get("index", "") or row.get("gpu_index", ""))
        fields: dict[str, Any] = {
            **fields_of("nvidia_gpu", row),
            "index": at if index is None else index,
        }
        if fields["name"] or fields["uuid"]:
            gpus.setdefault(fields["uuid"] or str(at), kinds.NvidiaGpu(**fields))
    drivers = [output for output in map(of_driver, rows) if output.driver] or [SmiOutput()]
    return drivers[0]._replace(gpus=tuple(gpus.values()))


SOURCE = "nvidia-smi"


def read(paste: Paste) -> list[Fact]:
    """Return NvidiaDriver, NvidiaGpus and NvidiaAnswer, as far as known, from the output with the most GPUs."""
    if "\t" in paste.text:
        paste = Paste([line.expandtabs(8) for line in paste.lines])
    outputs = [output for reader in (queries, csv_outputs, tables) for output in reader(paste)]
    kernel = proc_version(paste.text)
    if kernel and (library := paste.first("nvidia_smi.nvml_library")):
        kernel = replace(kernel, library=library)
    driver, answer = _driver(outputs, kernel), failures(paste)
    base = max(outputs, key=lambda output: len(output.gpus), default=SmiOutput())
    every = tuple(map(complete, base.gpus))
    gpus = kinds.NvidiaGpus(gpus=every, source=SOURCE) if every else None
    return [fact for fact in (driver, gpus, answer) if fact is not None]


def complete(gpu: kinds.NvidiaGpu) -> kinds.NvidiaGpu:
    """Add values from the table of models for a GPU whose driver does not report them."""
    if gpu.name.endswith(CUT):
        capability = gpu.compute_capability or nvidia_cut(gpu.name.removesuffix(CUT))
        return replace(gpu, compute_capability=capability)
    model = nvidia_by_name(gpu.name)
    if model is None:
        return gpu
    return replace(
        gpu,
        compute_capability=gpu.compute_capability or model.compute_capability,
        unified_memory=gpu.unified_memory or bool(model.unified),
    )


def _driver(
    outputs: list[SmiOutput], kernel: kinds.NvidiaDriver | None
) -> kinds.NvidiaDriver | None:
    first = next((output for output in outputs if output.driver), None)
    if first is None:
        return kernel
    same = [output for output in outputs if output.driver == first.driver]
    return kinds.NvidiaDriver(
        version=first.driver,
        source=SOURCE,
        cuda=next((output.cuda for output in same if output.cuda), ""),
        library=next((output.library for output in same if output.library), ""),
        open_module=kernel.open_module if kernel and kernel.version == first.driver else None,
    )
