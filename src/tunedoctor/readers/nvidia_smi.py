"""Find what nvidia-smi printed in any text: a paste, a log, an issue."""

import msgspec

from tunedoctor.facts import Fact, NvidiaDriver, NvidiaGpu, NvidiaGpus
from tunedoctor.readers.paste import Paste
from tunedoctor.readers.smi.driver import failures, proc_version
from tunedoctor.readers.smi.lists import csv_outputs, lists, tables
from tunedoctor.readers.smi.tree import queries
from tunedoctor.readers.smi.words import CUT, Seen
from tunedoctor.tables.gpus import nvidia_by_name, nvidia_cut

SOURCE = "nvidia-smi"


def read(lines: list[str]) -> list[Fact]:
    """Return NvidiaDriver, NvidiaGpus and NvidiaAnswer, as far as the lines have them; [] for none.

    The driver is also known by the text of /proc/driver/nvidia/version, where that was pasted.
    Sizes are bytes. Of several outputs the one that shows the most GPUs counts. Never raises; takes time in proportion
    to the text.
    """
    paste = Paste([line.replace("\uff1a", ":").expandtabs(8) for line in lines])
    outputs = [one for way in (queries, csv_outputs, tables, lists) for one in way(paste)]
    answer = failures(paste)
    kernel = proc_version(paste.text)
    if kernel and (library := paste.first("nvidia_smi.nvml_library")):
        kernel = msgspec.structs.replace(kernel, library=library)
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
    """Take the output that shows the most GPUs."""
    base = max(outputs, key=lambda one: len(one.gpus), default=Seen())
    return [NvidiaGpus(gpus=tuple(map(complete, base.gpus)), source=SOURCE)] if base.gpus else []
