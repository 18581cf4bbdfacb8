"""Find a wheel, kernel or build that replaces a package which the sources only have as source."""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from tunedoctor.model.machine import Machine
from tunedoctor.model.versions import at_least, parts
from tunedoctor.tables.load import rows
from tunedoctor.tables.wheels import cuda_of
from tunedoctor.wheels.choose import choose
from tunedoctor.wheels.situation import targets


class _Wheels(msgspec.Struct, frozen=True):
    """Wheels of a project's own release, outside of every index."""

    version: str
    url: str
    torch: tuple[str, ...]
    """Minor releases with a wheel, newest first."""
    cuda: str
    """CUDA major."""
    pythons: tuple[str, ...]
    lacks: tuple[tuple[str, str], ...]
    """Minor and Python without a file."""
    abi_true_since: str
    abi_true: tuple[str, ...]
    """Older minors and variants ("2.6+cu126") whose torch uses the C++11 ABI as well."""


class SourceOnlyRow(msgspec.Struct, frozen=True):
    """A package that the default index only has as source."""

    name: str
    needs: str
    command: str
    source: str
    minimum: str = ""
    """Oldest compute capability that it runs on."""
    kernel: str = ""
    wheels: _Wheels | None = None


class Torch(NamedTuple):
    """The torch that the package is for: "2.8.0" and "cu128"."""

    version: str
    variant: str


def ways_around(name: str, machine: Machine, torch: Torch, python: str = "") -> tuple[str, ...]:
    """Return ways to get a package that is published only as source, best first; each command is on a separate line.

    `python` is the interpreter of the target, "" for the active one.
    """
    pip = f"{python or 'python'} -m pip"
    row = next(
        (
            candidate
            for candidate in rows("source_only", "rows", SourceOnlyRow)
            if candidate.name == name
        ),
        None,
    )
    if row is None:
        return (f"leave out {name}, install the set, then compile it:\n{pip} install {name}",)
    return tuple(_compile_instructions(row, machine, torch, pip))


def _compile_instructions(
    row: SourceOnlyRow, machine: Machine, torch: Torch, pip: str
) -> Iterator[str]:
    cards = targets(machine).nvidia
    old = [g.compute_capability for g in cards if not at_least(g.compute_capability, row.minimum)]
    if row.minimum and old:
        yield f"leave out {row.name}: it needs compute capability {row.minimum}, but this GPU has {old[0]}"
        return
    if row.wheels and (cards or torch.variant.startswith("cu")):
        yield from _wheel(row.wheels, machine, torch, pip)
    if row.kernel:
        load = f'attn_implementation="{row.kernel}"'
        yield (
            f"without it, if the hub has a build for that torch: use {load} and\n{pip} install kernels"
        )
    cuda = cuda_of(torch.variant) or "torch's release"
    needs, command = row.needs.format(cuda=cuda), row.command.format(pip=pip)
    yield f"leave it out of the set and compile it afterwards ({needs}):\n{command}"


def _wheel(wheels: _Wheels, machine: Machine, torch: Torch, pip: str) -> Iterator[str]:
    """Yield the install of the wheel for this torch, else for the newest torch that has one and fits the machine."""
    if machine.system != "linux" or machine.arch.lower() not in ("x86_64", "amd64"):
        return
    minors = [_minor(torch.version), *wheels.torch]
    for minor in dict.fromkeys(minors):
        own = torch if minor == minors[0] else _torch_of(machine, minor)
        url = _url(wheels, own, machine.python) if own else ""
        if own and url:
            first = (
                ""
                if own == torch
                else f"with torch {own.version}+{own.variant} ('torch=={minor}.*'), "
            )
            yield f"{first}install the project's own wheel:\n{pip} install {url}"
            return


def _torch_of(machine: Machine, minor: str) -> Torch | None:
    """Return the CUDA 12 build of a minor release that fits the machine; None if none does."""
    choice = choose(replace(machine, torch=f"=={minor}.*"))
    builds = ([choice.build] if choice.build else []) + [
        alternative.build for alternative in choice.alternatives
    ]
    cuda_12_builds = (build for build in builds if build.variant.startswith("cu12"))
    return next((Torch(build.torch_version, build.variant) for build in cuda_12_builds), None)


def _url(wheels: _Wheels, torch: Torch, python: str) -> str:
    minor, major = _minor(torch.version), cuda_of(torch.variant).partition(".")[0]
    fits = minor in wheels.torch and major == wheels.cuda and python in wheels.pythons
    if not fits or (minor, python) in wheels.lacks:
        return ""
    abi = at_least(minor, wheels.abi_true_since) or f"{minor}+{torch.variant}" in wheels.abi_true
    return wheels.url.format(
        version=wheels.version,
        cuda=wheels.cuda,
        torch=minor,
        abi="TRUE" if abi else "FALSE",
        python=f"cp{python.replace('.', '')}",
    )


def _minor(version: str) -> str:
    return ".".join(map(str, parts(version)[:2]))
