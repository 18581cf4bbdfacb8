"""Find what nvidia-smi printed in any text: a paste, a log, an issue."""

import msgspec

from tunedoctor.facts import Fact, NvidiaDriver, NvidiaGpu, NvidiaGpus
from tunedoctor.lazy import pattern
from tunedoctor.readers.smi.failures import failures
from tunedoctor.readers.smi.listing import lists, versions
from tunedoctor.readers.smi.others import device_query, gpustat, vulkan
from tunedoctor.readers.smi.proc_version import proc_version
from tunedoctor.readers.smi.rows import csv_outputs
from tunedoctor.readers.smi.table import tables
from tunedoctor.readers.smi.tree import queries, xml_logs
from tunedoctor.readers.smi.words import CUT, Seen
from tunedoctor.tables.gpus import nvidia_by_name, nvidia_cut

SOURCE = "nvidia-smi"

_ESCAPE = pattern(r"\x1b\[[0-9;?]{0,20}[A-Za-z]|\x1b\][^\x07\x1b]{0,200}(?:\x07|\x1b\\)")
_WIDEST = 200
"""Characters of a row that lacks its end."""
_QUOTE = pattern(r"^\s{0,8}(?:> ?)+")
_MARKS = (
    "nvidia",
    "nvsmi",
    "nvml",
    "nvrm",
    "uuid",
    "gpu",
    "no devices",
    "driver_version",
    "smi ",
    "nvitop",
    "remapped rows",
)
_LIBRARY = pattern(r"NVML library version: (\d{3}(?:\.\d{1,4}){1,2})")


def read(text: str) -> list[Fact]:
    """Return NvidiaDriver, NvidiaGpus and NvidiaAnswer, as far as `text` has them; [] for none.

    The driver is also known by the text of /proc/driver/nvidia/version, where that was pasted.
    Sizes are bytes. Several outputs of one machine complete each other. Never raises; takes time
    in proportion to the text.
    """
    if not any(mark in text.lower() for mark in _MARKS):
        return []
    lines = _plain(text)
    outputs = [
        *queries(lines),
        *xml_logs(text),
        *csv_outputs(lines),
        *tables(lines),
        *lists(lines),
        *versions(lines),
        *gpustat(lines),
        *device_query(lines),
        *vulkan(lines),
    ]
    answer = failures(lines)
    kernel = proc_version(text)
    if kernel and (library := _LIBRARY.search(text)):
        kernel = msgspec.structs.replace(kernel, library=library[1])
    found: list[Fact] = [*_driver(outputs, kernel), *_gpus(outputs)]
    return [*found, answer] if answer else found


def complete(gpu: NvidiaGpu) -> NvidiaGpu:
    """Fill in what only the table of models knows of a GPU whose driver does not tell."""
    if gpu.name.endswith(CUT):
        capability = gpu.compute_capability or nvidia_cut(gpu.name.removesuffix(CUT))
        return msgspec.structs.replace(gpu, compute_capability=capability)
    model = nvidia_by_name(gpu.name)
    if model is None:
        return gpu
    return msgspec.structs.replace(
        gpu,
        compute_capability=gpu.compute_capability or model.compute_capability,
        unified_memory=gpu.unified_memory or bool(model.unified),
    )


def _plain(text: str) -> list[str]:
    """Return lines without escape sequences, marks of quotation and full-width colons."""
    if "\x1b" in text:
        text = _ESCAPE.sub("", text)
    lines = text.replace("\uff1a", ":").expandtabs(8).splitlines()
    return _joined([_QUOTE.sub("", line, count=1) if ">" in line[:10] else line for line in lines])


def _joined(lines: list[str]) -> list[str]:
    """Put the rows of a table together that a narrow terminal broke in two."""
    found: list[str] = []
    for line in lines:
        above = found[-1] if found else ""
        if (
            above[:1] in ("|", "+")
            and line.rstrip()[-1:] in ("|", "+")
            and line[:1] not in ("|", "+")
            and len(above) < _WIDEST
        ):
            found[-1] = above + line
        else:
            found.append(line)
    return found


def _driver(outputs: list[Seen], kernel: NvidiaDriver | None) -> list[NvidiaDriver]:
    first = next((one for one in outputs if one.driver), None)
    if first is None:
        return [kernel] if kernel else []
    same = [one for one in outputs if one.driver == first.driver]
    return [
        NvidiaDriver(
            version=first.driver,
            source=SOURCE,
            cuda=next((one.cuda for one in same if one.cuda), ""),
            library=next((one.library for one in same if one.library), ""),
            open_module=kernel.open_module if kernel and kernel.version == first.driver else None,
        )
    ]


def _gpus(outputs: list[Seen]) -> list[NvidiaGpus]:
    """Take the output that shows the most GPUs and fill its gaps from the others."""
    if not any(one.gpus for one in outputs):
        return []
    base = max(outputs, key=lambda one: len(one.gpus))
    others = [
        {gpu.index: gpu for gpu in one.gpus} for one in outputs if one.gpus and one is not base
    ]
    merged = list(base.gpus)
    for other in others:
        merged = [
            _merge(gpu, other[gpu.index])
            if gpu.index in other and _alike(gpu, other[gpu.index])
            else gpu
            for gpu in merged
        ]
    return [NvidiaGpus(gpus=tuple(map(complete, merged)), source=SOURCE)]


def _alike(one: NvidiaGpu, other: NvidiaGpu) -> bool:
    """Tell whether two outputs show one GPU; a name may be cut in one of them."""
    if one.slot and other.slot and one.slot != other.slot:
        return False
    short, long = sorted(
        (one.name.removesuffix(CUT).rstrip(), other.name.removesuffix(CUT)), key=len
    )
    return long.startswith(short)


def _merge(one: NvidiaGpu, other: NvidiaGpu) -> NvidiaGpu:
    blank = NvidiaGpu(index=one.index, name="")
    gaps = {
        field: getattr(other, field)
        for field in NvidiaGpu.__struct_fields__
        if getattr(one, field) == getattr(blank, field)
    }
    if one.name.endswith(CUT) and not other.name.endswith(CUT):
        gaps["name"] = other.name
    return msgspec.structs.replace(one, **gaps)
