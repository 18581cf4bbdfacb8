"""Find what nvidia-smi printed in any text: its table, -L, csv and -q; the driver, and why it fails."""

import re
from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from tunedoctor.facts import Fact, NvidiaAnswer, NvidiaDriver, NvidiaGpu, NvidiaGpus
from tunedoctor.readers.nvidia_values import (
    CUT,
    Seen,
    Values,
    count,
    driver_model,
    fields_of,
    of_driver,
    process,
    queries,
    size,
    slot,
    told,
)
from tunedoctor.readers.paste import Hit, Paste, search
from tunedoctor.tables.gpus import nvidia_by_name, nvidia_cut
from tunedoctor.tables.load import table

PROC_VERSION = "/proc/driver/nvidia/version"
_EXIT_LARGEST = 255
_GOES_ON = ("NVML library version", "Make sure that", "Please also try")


def proc_version(text: str) -> NvidiaDriver | None:
    """Return the version of the kernel module and its kind, or None where `text` does not tell."""
    found = search("nvidia_smi.nvrm", text)
    if not found:
        return None
    return NvidiaDriver(found["version"], source=PROC_VERSION, open_module=bool(found["open"]))


def failures(paste: Paste) -> NvidiaAnswer | None:
    """Return the first failure in a text, or None."""
    for hit in paste.each("nvml_said"):
        if answer := _failure(paste, hit):
            return answer
    return NvidiaAnswer(smi="missing") if paste.has("nvidia_smi.missing") else None


def _failure(paste: Paste, hit: Hit) -> NvidiaAnswer | None:
    known: dict[str, Any] = table("outputs")["nvml_errors"]
    if hit.row == "asleep":
        return NvidiaAnswer(smi="hung", smi_text="ps shows nvidia-smi in uninterruptible sleep")
    if hit.row == "python":
        code, text = known["classes"].get(hit.found[1]), hit.found[2] or hit.found[1]
        how = "missing" if code == 12 else "error"
        return NvidiaAnswer(nvml=how, nvml_code=code, nvml_text=text) if code else None
    below = paste.line(hit.line + 1)
    more = [below.strip()] if below.startswith(_GOES_ON) else []
    text = "\n".join([paste.line(hit.line).strip(), *more])
    if hit.row != "init":
        return NvidiaAnswer(smi="error", smi_code=int(hit.row), smi_text=text)
    low = hit.found[1].lower()
    code = next((number for words, number in known["words"].items() if words in low), None)
    return NvidiaAnswer(
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


def tables(paste: Paste) -> list[Seen]:
    """Return every default table, in order; a header alone counts as one without GPUs."""
    hits = paste.each("smi_table") if paste.has("smi_table.head") else []
    heads = [at for at, hit in enumerate(hits) if hit.row == "head"]
    return [_table(hits[a:b]) for a, b in zip(heads, [*heads[1:], None], strict=False)]


def _table(hits: Sequence[Hit]) -> Seen:
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
                "ecc_uncorrected": count(row_told["ecc"]),
                "mig_instances": 0,
                "processes": (),
            }
            # a second list of the same GPUs belongs to another output
            last = gpu if gpus.setdefault(gpu["index"], gpu) is gpu else None
        elif row in ("mig_device", "process"):
            last = None
            if one := gpus.get(int(row_told["gpu"])):
                names = ("pid", "program", "memory")
                found = process(*(row_told.get(name, "") for name in names))
                one["processes"] += (found,) if found else ()
                one["mig_instances"] += row == "mig_device"
        elif last and row == "memory":
            total = size(row_told["total"]) or 0
            # the driver's own reserve is not shown: a few hundred MiB less are free
            free = max(total - (size(row_told["used"]) or 0), 0)
            last |= {"memory_total": total, "memory_free": free}
        elif last:
            last["mig"] = row_told["mig"] == "Enabled"
    return of_driver(_values(hits[0]))._replace(gpus=tuple(NvidiaGpu(**g) for g in gpus.values()))


def _values(hit: Hit) -> dict[str, str]:
    return {name: value or "" for name, value in hit.found.groupdict().items()}


def csv_outputs(paste: Paste) -> list[Seen]:
    """Return what every `--query-gpu=… --format=csv` says, found by its header line or the command."""
    if not any(word in paste.text for word in ("uuid", "name", "driver_v")):
        return []
    found: list[Seen] = []
    fields: Sequence[str] = ()
    rows: list[Values] = []
    for line in [*paste.lines, ""]:
        if row := row_of(fields, line):
            rows.append(row)
            continue
        if rows:
            found.append(seen(rows))
            rows = []
        asked = search("nvidia_smi.query", line[:_LONGEST])
        fields = asked[1].strip(",").split(",") if asked else header_of(line)
    return found


def header_of(line: str) -> tuple[str, ...]:
    """Return the fields that a header line names, without units; () where it is none, or one of processes."""
    if line.strip() == "driver_version":
        return ("driver_version",)
    if "," not in line or len(line) > _LONGEST or ("uuid" not in line and "name" not in line):
        return ()
    parts = [one.strip() for one in line.split(",")]
    fields = tuple(one.partition(" [")[0] for one in parts)
    words = all(one.replace("_", "").replace(".", "").isalnum() for one in fields)
    sure = words and any(mark in one for one in parts for mark in _SURE)
    return fields if sure and "pid" not in fields and not _NAMES.isdisjoint(fields) else ()


def row_of(fields: Sequence[str], line: str) -> dict[str, str]:
    """Return the values of a line by field; {} where it has not as many."""
    parts = [one.strip() for one in line.strip().split(", ")] if len(line) <= _LONGEST else []
    if not fields or not line.strip() or len(parts) != len(fields) or header_of(line):
        return {}
    row = dict(zip(fields, parts, strict=True))
    if not re.fullmatch(r"\d[\d.]{2,20}|\[?\w[\w /]{0,30}\]?", row.get("driver_version", "0.0.0")):
        return {}
    name = row.get("name") or row.get("gpu_name") or row.get("uuid", "-")
    return row if told(name) else {}


def seen(rows: Sequence[Values]) -> Seen:
    """Make GPUs of rows."""
    gpus: dict[str, NvidiaGpu] = {}
    for at, row in enumerate(rows):
        index = count(row.get("index", "") or row.get("gpu_index", ""))
        fields: dict[str, Any] = {**fields_of(row), "index": at if index is None else index}
        if fields["name"] or fields["uuid"]:
            gpus.setdefault(fields["uuid"] or str(at), NvidiaGpu(**fields))
    drivers = [one for one in map(of_driver, rows) if one.driver] or [Seen()]
    return drivers[0]._replace(gpus=tuple(gpus.values()))


SOURCE = "nvidia-smi"


def read(paste: Paste) -> list[Fact]:
    """Return NvidiaDriver, NvidiaGpus and NvidiaAnswer, as far as the lines have them; [] for none.

    The driver is also known by the text of /proc/driver/nvidia/version, where that was pasted.
    Sizes are bytes. Of several outputs the one that shows the most GPUs counts. Never raises; takes time in proportion
    to the text.
    """
    if "\t" in paste.text:
        paste = Paste([line.expandtabs(8) for line in paste.lines])
    outputs = [one for way in (queries, csv_outputs, tables) for one in way(paste)]
    kernel = proc_version(paste.text)
    if kernel and (library := paste.first("nvidia_smi.nvml_library")):
        kernel = replace(kernel, library=library)
    driver, answer = _driver(outputs, kernel), failures(paste)
    base = max(outputs, key=lambda one: len(one.gpus), default=Seen())
    gpus = NvidiaGpus(gpus=tuple(map(complete, base.gpus)), source=SOURCE) if base.gpus else None
    return [one for one in (driver, gpus, answer) if one is not None]


def complete(gpu: NvidiaGpu) -> NvidiaGpu:
    """Fill in what only the table of models knows of a GPU whose driver does not tell."""
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


def _driver(outputs: list[Seen], kernel: NvidiaDriver | None) -> NvidiaDriver | None:
    first = next((one for one in outputs if one.driver), None)
    if first is None:
        return kernel
    same = [one for one in outputs if one.driver == first.driver]
    return NvidiaDriver(
        version=first.driver,
        source=SOURCE,
        cuda=next((one.cuda for one in same if one.cuda), ""),
        library=next((one.library for one in same if one.library), ""),
        open_module=kernel.open_module if kernel and kernel.version == first.driver else None,
    )
