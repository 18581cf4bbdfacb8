"""Facts that labels fill field by field, the container, and the GPU of a Mac."""

import re
from typing import Any

import msgspec

from tunedoctor import facts as kinds
from tunedoctor.facts import AppleGpu, Container, Fact, Host
from tunedoctor.readers.values.kinds import told, yes_or_no
from tunedoctor.readers.values.said import Collected
from tunedoctor.tables.load import table

_IMAGE = re.compile(r"\A[\w.-]{1,80}(?:/[\w.-]{1,80}){1,4}(?::[\w.-]{1,80})?\Z")


def filled(said: Collected) -> list[Fact]:
    """Make the facts whose fields `fills` of a label names, with those of `facts` in the table beside them.

    "=NAME" there is what field NAME has. A fact that lacks a field which it must have is left out.
    """
    rows: dict[str, dict[str, Any]] = {}
    for key, row in table("labels")["labels"].items():
        value = said.value(key) if "fills" in row else None
        if value is not None:
            fact, _, field = row["fills"].partition(".")
            rows.setdefault(fact, {}).setdefault(field, value)
    found: list[Fact] = []
    for fact, row in rows.items():
        fields = {**table("labels")["facts"].get(fact, {}), **row}
        same = {k: v[1:] for k, v in fields.items() if isinstance(v, str) and v.startswith("=")}
        try:
            fields |= {field: row[other] for field, other in same.items()}
            found.append(msgspec.convert(fields, getattr(kinds, fact)))
        except (KeyError, msgspec.ValidationError):
            continue
    return found


def container(said: Collected) -> list[Fact]:
    """Make the Container of a yes, of the name of an image, or of the variables that images of CUDA set."""
    evidence = ""
    if said.first("env NVIDIA_VISIBLE_DEVICES") and said.first(
        "env CUDA_VERSION", "env NVIDIA_REQUIRE_CUDA"
    ):
        evidence = "NVIDIA_VISIBLE_DEVICES and CUDA_VERSION, as CUDA images set them"
    for one in said.all("container"):
        value = told(one.value)
        if yes_or_no(value):
            evidence = evidence or "the report says so"
        elif _IMAGE.match(value):
            evidence = evidence or f"image {value[:120]}"
    return [Container(kind="docker", evidence=evidence)] if evidence else []


def apple(said: Collected, mac: Host | None) -> list[Fact]:
    """Return the GPU of an Apple processor, which is part of it: every Mac of arm64 has one."""
    if mac is None or mac.os != "macos" or mac.machine != "arm64":
        return []
    told_ = "\n".join(one.value for one in said.all("cpu", "gpu", "device_used"))
    chip = re.search(r"Apple M\d(?: \w{3,5})?", told_)
    return [AppleGpu(name=chip[0] if chip else "Apple")]
