"""What the made-up indexes hold: PyTorch's, a stand-in for the default one, and a poisoned one."""

from collections.abc import Iterator
from functools import cache

from libraries.catalogue import Release
from packaging.tags import sys_tags

HERE = str(next(iter(sys_tags())))
"""The best tag of the running Python, as compiled wheels carry it."""
PYTORCH = "download.pytorch.org"
FILES = "download-r2.pytorch.org"
DEFAULT = "default.test"
POISONED = "poisoned.test"

RELEASES = {
    "2.5.1": ("0.20.1", "2.5.1", ("cpu", "cu118", "cu124")),
    "2.9.1": ("0.24.1", "2.9.1", ("cpu", "cu126", "cu128", "cu130", "rocm6.4")),
    "2.14.1": ("0.29.1", "", ("cpu", "cu126", "cu130", "cu132", "rocm7.2")),
    "2.15.0": ("0.29.2", "", ("cpu", "cu132")),
}
"""Release -> torchvision, torchaudio, variants."""
AUDIO_LAST = "2.11.0"
"""The last torchaudio, which newer releases of torch find on their indexes too."""
UNLABELLED = {("2.5.1", "cu124")}
"""Builds whose files carry no label, as on aarch64."""
DEFAULT_BUILD = {"2.5.1": "cu124", "2.9.1": "cu128", "2.14.1": "cu130", "2.15.0": "cu132"}


def made(origin: str, name: str, version: str, *requires: str, build: str = "") -> Release:
    """Return a release whose module says its build, with a label, and the index that it came from."""
    tags = (HERE,) if name.startswith("torch") else ()
    body = f"build, origin = {build or version!r}, {origin!r}"
    return Release(name, version, requires=requires, tags=tags, body=body)


def runtime(variant: str) -> tuple[str, ...]:
    """Return what torch of a variant requires of its vendor: the CUDA libraries, Triton."""
    if variant.startswith("cu"):
        return (f"nvidia-cublas-cu{variant[2:4]}=={variant[2:4]}.{variant[4]}", "triton")
    if variant == "rocm6.4":
        return ("pytorch-triton-rocm",)
    return ("triton-rocm",) if variant.startswith("rocm") else ()


@cache
def on_pytorch(variant: str) -> tuple[Release, ...]:
    """Return what lies under /whl/<variant>/: torch and its companions, and mirrors of what they require."""
    mirrored = (*runtime(variant), "filelock==3.13.1", "numpy==1.26.3", "numpy==2.1.2")
    return (*_torches(variant, PYTORCH), *(_plain(one, PYTORCH) for one in mirrored))


@cache
def on_default() -> tuple[Release, ...]:
    """Return the default index: torch without labels, newer dependencies, no Triton for ROCm."""
    builds = [one for v in {*DEFAULT_BUILD.values()} for one in _torches(v, DEFAULT)]
    every = {v for *_, several in RELEASES.values() for v in several if v.startswith("cu")}
    needs = {one for v in every for one in runtime(v)}
    needs |= {"filelock==3.20.0", "numpy==1.26.4", "numpy==2.4.0"}
    return (*builds, *(_plain(one, DEFAULT) for one in sorted(needs)))


@cache
def on_poisoned() -> tuple[Release, ...]:
    """Return higher versions, higher labels and the very same versions of what the others hold."""
    torches = ("torch", "torchvision", "torchaudio")
    pins = [(name, "99") for name in ("filelock", "triton", *torches)]
    for torch, (vision, _, variants) in RELEASES.items():
        for label in ("", "+zzz", *(f"+{v}" for v in variants)):
            pins += [("torch", torch + label), ("torchvision", vision + label)]
    return tuple(made(POISONED, *pin) for pin in pins)


def _torches(variant: str, origin: str) -> Iterator[Release]:
    default = origin == DEFAULT
    for torch, (vision, audio, variants) in RELEASES.items():
        if variant not in variants or (default and DEFAULT_BUILD[torch] != variant):
            continue
        label = "" if default or (torch, variant) in UNLABELLED else f"+{variant}"
        needs = {"torch": (torch, "filelock", *runtime(variant))}
        needs["torchvision"] = (vision, f"torch=={torch}", "numpy")
        for name, (version, *requires) in needs.items():
            yield made(origin, name, version + label, *requires, build=f"{version}+{variant}")
        yield made(origin, "torchaudio", (audio or AUDIO_LAST) + label)


def _plain(requirement: str, origin: str) -> Release:
    name, _, version = requirement.partition("==")
    return made(origin, name, version or "3.8.0")
