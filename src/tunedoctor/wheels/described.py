"""A machine described in JSON, or by options: read with errors that name the field and the way out."""

import json
import re
from typing import Any, get_args

import msgspec

from tunedoctor.clean import clean_text as clean
from tunedoctor.versions import parts, specifiers
from tunedoctor.wheels.machine import Machine, MachineError, Platform

MOST_GPUS = 256
"""More than any machine has; a longer list is a mistake."""
MOST_MEMORY = 100_000
"""GiB, above which a number is a mistake and tells nothing."""
_DEEP = "it is nested too deep for a machine"
_NO_DRIVER = ("none", "null", "no", "n/a", "[n/a]", "-")
_TEXTS = ("platform", "arch", "python", "glibc", "libc", "macos", "driver_version", "torch")
_GPU_TEXTS = ("name", "vendor", "compute_capability", "gfx", "seen_by")
_LOWER = ("platform", "libc", "vendor", "gfx")
_Row = dict[str, Any]


def machines_from(text: str) -> list[Machine]:
    """Return the machines of a JSON object, of a list of them, or of one object a line.

    Raises MachineError.
    """
    try:
        data = json.loads(text)
    except RecursionError as error:
        raise MachineError(_DEEP) from error
    except ValueError:
        data = [
            _line(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()
        ]
    rows = data if isinstance(data, list) else [data]
    if not rows:
        msg = "it is empty: a JSON object with platform, arch, python … belongs there"
        raise MachineError(msg)
    return [machine_from(row) for row in rows]


def _line(number: int, line: str) -> Any:  # noqa: ANN401  JSON
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        msg = f"line {number} is no JSON of a machine: {error}"
        raise MachineError(msg) from error


def machine_from(row: object) -> Machine:
    """Return the machine that one JSON object describes; keys that say nothing of a machine are passed over.

    Raises MachineError.
    """
    if not isinstance(row, dict):
        msg = "a machine is a JSON object"
        raise MachineError(msg)
    said = {key: _text(row, key) for key in _TEXTS}
    if said["driver_version"].lower() in _NO_DRIVER:
        said["driver_version"] = ""
    gpus = row.get("gpus") or []
    wrong = ""
    if said["platform"] not in get_args(Platform):
        wrong = f"platform is {said['platform']!r}: one of {', '.join(get_args(Platform))}"
    elif not said["python"]:
        wrong = "python is missing: as in 3.12, or 3.13t where it is free-threaded"
    elif not isinstance(gpus, list) or len(gpus) > MOST_GPUS:
        wrong = f"gpus is no list of at most {MOST_GPUS} GPUs"
    elif said["driver_version"] and not parts(said["driver_version"]):
        driver = said["driver_version"][:60]
        wrong = f"driver_version is {driver!r}: as in 580.65.06, or null where there is none"
    if wrong:
        raise MachineError(wrong)
    said["arch"] = said["arch"] or ("arm64" if said["platform"] == "macos" else "x86_64")
    said["torch"] = wanted(said["torch"])
    tools = row.get("rocm_tools")
    more = {
        "gpus": [_gpu(number, one) for number, one in enumerate(gpus)],
        "env": _strings(row, "env"),
        "installer": _strings(row, "installer"),
        "rocm_tools": tools if isinstance(tools, bool) else None,
    }
    return msgspec.convert({**said, **more}, Machine)


def wanted(torch: str) -> str:
    """Return a wanted range as a specifier: "2.6" means "==2.6.*". Raises MachineError."""
    text = re.sub(r"^(?:py)?torch(?![\w.-])\s*", "", torch.strip())
    if re.fullmatch(r"\d+(\.\d+)?", text):
        text = f"=={text}.*"
    elif re.fullmatch(r"\d+\.\d+\.\d+(\+[A-Za-z0-9.]+)?", text):
        text = f"=={text}"
    if specifiers(text) is None:
        msg = f"torch is {torch!r}: a range such as >=2.6 or ==2.14.1 belongs there"
        raise MachineError(msg)
    return text


def _gpu(number: int, row: object) -> _Row:
    if not isinstance(row, dict):
        msg = f"gpus[{number}] is no JSON object"
        raise MachineError(msg)
    said = {key: _text(row, key) for key in _GPU_TEXTS}
    capability = said["compute_capability"]
    if capability and len(parts(capability)) < 2:
        msg = f"gpus[{number}].compute_capability is {capability!r}: as in 8.9"
        raise MachineError(msg)
    memory = row.get("memory_gib")
    sized = memory if isinstance(memory, int | float) and 0 < memory < MOST_MEMORY else 0
    return {**said, "excluded": row.get("excluded") is True, "memory_gib": float(sized)}


def _text(row: _Row, key: str) -> str:
    """Return a cleaned string; numbers are taken as they are written. Raises MachineError."""
    value = row.get(key)
    if value is None:
        return ""
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        text = clean(str(value)).strip()
        return text.lower() if key in _LOWER else text
    msg = f"{key} is {type(value).__name__}: a string belongs there"
    raise MachineError(msg)


def _strings(row: _Row, key: str) -> dict[str, str]:
    value = row.get(key) or {}
    if isinstance(value, str):
        return {"args": clean(value)}
    if not isinstance(value, dict):
        msg = f"{key} is no JSON object"
        raise MachineError(msg)
    try:
        return {clean(str(k)): clean(str(v)) for k, v in value.items() if v is not None}
    except RecursionError as error:
        raise MachineError(_DEEP) from error
