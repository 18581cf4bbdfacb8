"""The default table of nvidia-smi: every width, Linux, Windows, WSL, MIG, old and new words."""

from typing import Any

from tunedoctor.facts import NvidiaGpu
from tunedoctor.readers.paste import Paste
from tunedoctor.readers.smi.words import Seen, count, driver_model, of_driver, process, size, slot


def tables(paste: Paste) -> list[Seen]:
    """Return every table, in order; a header alone counts as one without GPUs."""
    found: list[tuple[Seen, dict[int, dict[str, Any]]]] = []
    last: dict[str, Any] | None = None
    for _, row, match in paste.each("smi_table") if paste.has("smi_table.head") else ():
        told = {name: value or "" for name, value in match.groupdict().items()}
        if row == "head":
            found.append((of_driver(told), {}))
            last = None
        if not found or row == "head":
            continue
        gpus = found[-1][1]
        if row == "gpu":
            gpu = _gpu(told)
            # a second list of the same GPUs belongs to another output
            last = gpu if gpus.setdefault(gpu["index"], gpu) is gpu else None
        elif row == "mig_device":
            last = None
            if (index := int(told["gpu"])) in gpus:
                gpus[index]["mig_instances"] += 1
        elif row == "process":
            last = None
            one = process(told["pid"], told["program"], told["memory"])
            if one and (index := int(told["gpu"])) in gpus:
                gpus[index]["processes"] += (one,)
        elif last and row == "memory":
            total = size(told["total"]) or 0
            # the driver's own reserve is not shown: a few hundred MiB less are free
            free = max(total - (size(told["used"]) or 0), 0)
            last |= {"memory_total": total, "memory_free": free}
        elif last:
            last["mig"] = told["mig"] == "Enabled"
    return [
        head._replace(gpus=tuple(NvidiaGpu(**gpu) for gpu in gpus.values())) for head, gpus in found
    ]


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
