"""Processors, RAM, container and compilers, from what a report says of them."""

import re

from tunedoctor.facts import (
    AppleGpu,
    Compilers,
    Container,
    Cpu,
    Fact,
    Host,
    Memory,
    SharedMemory,
)
from tunedoctor.readers.values.cards import size_of
from tunedoctor.readers.values.said import Collected, bare, told, yes_or_no


def processor(said: Collected) -> list[Fact]:
    """Processors, RAM, shared memory, container and compilers, as far as they are told."""
    facts: list[Fact] = []
    model = said.first("cpu")
    count = said.find(_number, "cpus")
    if count:
        facts.append(Cpu(count=count, usable=count, model=model[:120]))
    if ram := said.find(_ram, "ram", "free_mem"):
        facts.append(Memory(total=ram, available=None))
    if shm := said.find(size_of, "shm"):
        facts.append(SharedMemory(total=shm, free=None))
    facts += _container(said)
    facts += _compilers(said)
    return facts


def _number(value: str) -> int | None:
    plain = bare(value)
    return int(plain) if re.fullmatch(r"[1-9][0-9]{0,3}", plain) else None


_LEAST_RAM, _MOST_RAM = 1 << 30, 1 << 46
"""Sizes of RAM that a report can mean."""


def _ram(value: str) -> int | None:
    if re.search(r"VRAM|GPU", value) and not re.search(r"\bRAM\b", value):
        return None
    text = re.sub(r"(?<=\d)([KMGT])i?(?=\s|\Z)", r"\1iB", value)
    text = re.sub(r"(\d+(?:\.\d+)?)\s?Ti?B?\b", lambda m: f"{float(m[1]) * 1024:.0f} GB", text)
    size = size_of(text)
    return size if size is not None and _LEAST_RAM <= size <= _MOST_RAM else None


def _container(said: Collected) -> list[Fact]:
    if said.first("env NVIDIA_VISIBLE_DEVICES") and said.first(
        "env CUDA_VERSION", "env NVIDIA_REQUIRE_CUDA"
    ):
        return [
            Container(
                kind="docker",
                evidence="NVIDIA_VISIBLE_DEVICES and CUDA_VERSION, as CUDA images set them",
            )
        ]
    for one in said.all("container"):
        value = told(one.value)
        if yes_or_no(value):
            return [Container(kind="docker", evidence="the report says so")]
        image = re.match(r"\A[\w.-]{1,80}(?:/[\w.-]{1,80}){1,4}(?::[\w.-]{1,80})?\Z", value)
        if image:
            return [Container(kind="docker", evidence=f"image {value[:120]}")]
    return []


def _compilers(said: Collected) -> list[Fact]:
    """Compilers of the system; `cc` names what the report named, as a report tells no path."""
    nvcc = ""
    for one in said.all("nvcc"):
        if found := re.search(r"(?:release |V|CUDA |cuda_|\A\D{0,3})(\d{1,2}\.\d{1,2})", one.value):
            nvcc = found[1]
            break
    gcc = said.first("gcc")
    named = [one for one in said.all("gcc") if one.value.strip()]
    if not nvcc:
        return []
    cc = "gcc" if gcc else "" if named else None
    return [Compilers(cc=cc, cxx=None, nvcc="nvcc", nvcc_version=nvcc)]


def apple(said: Collected, facts: list[Fact]) -> list[Fact]:
    """Return the GPU of an Apple processor, which is part of it: every Mac of arm64 has one."""
    mac = next((f for f in facts if isinstance(f, Host)), None)
    if mac is None or mac.os != "macos" or mac.machine != "arm64":
        return []
    chip = next(
        (
            m[0]
            for one in said.all("cpu", "gpu", "device_used")
            if (m := re.search(r"Apple M\d(?: \w{3,5})?", one.value))
        ),
        "Apple",
    )
    return [AppleGpu(name=chip)]
