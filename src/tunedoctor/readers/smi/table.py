"""The default table of nvidia-smi: every width, Linux, Windows, WSL, MIG, old and new words."""

from collections.abc import Sequence
from typing import Any

from tunedoctor.facts import NvidiaGpu
from tunedoctor.readers.paste import Hit, Paste
from tunedoctor.readers.smi.words import Seen, count, driver_model, of_driver, process, size, slot


def tables(paste: Paste) -> list[Seen]:
    """Return every table, in order; a header alone counts as one without GPUs."""
    hits = paste.each("smi_table") if paste.has("smi_table.head") else []
    heads = [at for at, hit in enumerate(hits) if hit.row == "head"]
    return [_table(hits[a:b]) for a, b in zip(heads, [*heads[1:], None], strict=False)]


def _table(hits: Sequence[Hit]) -> Seen:
    gpus: dict[int, dict[str, Any]] = {}
    last: dict[str, Any] | None = None
    for _, row, match in hits[1:]:
        told = {name: value or "" for name, value in match.groupdict().items()}
        if row == "gpu":
            gpu = _gpu(told)
            # a second list of the same GPUs belongs to another output
            last = gpu if gpus.setdefault(gpu["index"], gpu) is gpu else None
        elif row in ("mig_device", "process"):
            last = None
            if one := gpus.get(int(told["gpu"])):
                found = process(
                    told.get("pid", ""), told.get("program", ""), told.get("memory", "")
                )
                one["processes"] += (found,) if found else ()
                one["mig_instances"] += row == "mig_device"
        elif last and row == "memory":
            total = size(told["total"]) or 0
            # the driver's own reserve is not shown: a few hundred MiB less are free
            free = max(total - (size(told["used"]) or 0), 0)
            last |= {"memory_total": total, "memory_free": free}
        elif last:
            last["mig"] = told["mig"] == "Enabled"
    head = of_driver({name: value or "" for name, value in hits[0].found.groupdict().items()})
    return head._replace(gpus=tuple(NvidiaGpu(**gpu) for gpu in gpus.values()))


def _gpu(told: dict[str, str]) -> dict[str, Any]:
    """Read "0  NVIDIA H100 80GB HBM3  On | 00000000:00:09.0 Off | 0"."""
    return {
        "index": int(told["index"]),
        "name": " ".join(told["name"].split()),
        "slot": slot(told["bus"]),
        "driver_model": driver_model(told["mode"]),
        "ecc_uncorrected": count(told["ecc"]),
        "mig_instances": 0,
        "processes": (),
    }
