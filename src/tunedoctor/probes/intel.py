"""What Intel's own tool says of the health of its GPUs."""

import os
from contextlib import suppress
from typing import Any

import msgspec

from tunedoctor.facts import Absent, IntelGpu, IntelHealth, Unknown
from tunedoctor.probes.gpus import tools_say
from tunedoctor.probes.probing import probe


@probe(IntelHealth)
def intel_health(gpu: IntelGpu | None) -> IntelHealth | Absent | Unknown:
    """Ask where a GPU is that training can use."""
    if gpu is None or not gpu.discrete:
        return Absent(why="no Intel GPU that training can use")
    said = next(tools_say({"xpu-smi": ("health", "-l", "-j")}, os.environ), None)
    if not said and not any("Data Center" in name for name in gpu.names):
        return Absent(why="xpu-smi, which servers have, is not here or failed")
    return health("\n".join(said[1])) if said else Unknown(why="xpu-smi is not here or failed")


def health(text: str) -> IntelHealth | Unknown:
    """Read the answer: a list of devices, each of whose parts has a status."""
    found, told = dict[str, list[str]](), dict[str, list[dict[str, Any]]]()
    with suppress(msgspec.MsgspecError, UnicodeError, RecursionError):
        told = msgspec.json.decode(text, type=dict[str, list[dict[str, Any]]])
    for device in told.get("device_list", [])[:64]:
        for name, one in device.items():
            if isinstance(one, dict) and isinstance(one.get("status"), str):
                says = (
                    f"GPU {device.get('device_id')}, {name}: {one.get('description', 'not well')}"
                )
                found.setdefault(one["status"].lower(), []).append(says[:200].rstrip("."))
    if not found.keys() & {"ok", "warning", "critical"}:
        return Unknown(why=f"xpu-smi: {' '.join(text.split())[:200] or 'no answer'}")
    return IntelHealth(*(tuple(found.get(key, ())) for key in ("critical", "warning")))
