"""Small wheels, and what the made-up indexes hold: PyTorch's, a stand-in for the default one, and a poisoned one."""

from collections.abc import Iterator
from typing import NamedTuple

from libraries.catalogue import Release
from loopback import wheel
from packaging.tags import sys_tags

HERE = str(next(iter(sys_tags())))
"""The best tag of the running Python, as compiled wheels carry it."""
ANY = "py3-none-any"


class Wheel(NamedTuple):
    name: str
    version: str
    """With its local label: "2.14.1+cu126"."""
    tag: str
    data: bytes
    metadata: bytes

    @property
    def file(self) -> str:
        """Name of the file: "torch-2.14.1+cu126-cp311-cp311-linux_x86_64.whl"."""
        return f"{self.name.replace('-', '_')}-{self.version}-{self.tag}.whl"


def build(
    name: str,
    version: str,
    requires: tuple[str, ...] = (),
    *,
    origin: str,
    tag: str = ANY,
    build_of: str = "",
) -> Wheel:
    """Make a wheel whose `<name>/version.py` says the build (torch's own habit) and the index that it came from."""
    folder = name.replace("-", "_")
    metadata = Release(name, version, requires=requires).metadata
    code = f"__version__ = {build_of or version!r}\norigin = {origin!r}\n"
    files = {f"{folder}/__init__.py": "", f"{folder}/version.py": code}
    data = wheel(f"{folder}-{version}", tag, metadata, files)
    return Wheel(name, version, tag, data, metadata.encode())


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
VARIANTS = ("cpu", "cu118", "cu124", "cu126", "cu128", "cu130", "cu132", "rocm6.4", "rocm7.2")
UNLABELLED = {("2.5.1", "cu124")}
"""Builds whose files carry no label, as on aarch64."""
DEFAULT_BUILD = {"2.5.1": "cu124", "2.9.1": "cu128", "2.14.1": "cu130", "2.15.0": "cu132"}


def runtime(variant: str) -> tuple[str, ...]:
    """Return what torch of a variant requires of its vendor: the CUDA libraries, Triton."""
    if variant.startswith("cu"):
        return (f"nvidia-cublas-cu{variant[2:4]}=={variant[2:4]}.{variant[4]}", "triton")
    if variant == "rocm6.4":
        return ("pytorch-triton-rocm",)
    return ("triton-rocm",) if variant.startswith("rocm") else ()


def on_pytorch(variant: str) -> list[Wheel]:
    """Return the files under /whl/<variant>/: torch and its companions, and mirrors of what they require."""
    mirrored = (*runtime(variant), "filelock==3.13.1", "numpy==1.26.3", "numpy==2.1.2")
    torches = _torches(variant, PYTORCH, default=False)
    return [*torches, *(_plain(one, PYTORCH) for one in mirrored)]


def on_default() -> list[Wheel]:
    """Return the files of the default index: torch without labels, newer dependencies, no Triton for ROCm."""
    found = [w for v in set(DEFAULT_BUILD.values()) for w in _torches(v, DEFAULT, default=True)]
    needs = {one for v in VARIANTS if v.startswith("cu") for one in runtime(v)}
    needs |= {"filelock==3.20.0", "numpy==1.26.4", "numpy==2.4.0"}
    return found + [_plain(one, DEFAULT) for one in sorted(needs)]


def on_poisoned() -> list[Wheel]:
    """Return higher versions, higher labels and the very same versions of what the others hold."""
    found = [build("filelock", "99", origin=POISONED), build("triton", "99", origin=POISONED)]
    for torch, (vision, _, variants) in RELEASES.items():
        for label in ("", "+zzz", *(f"+{v}" for v in variants)):
            for name, version in (("torch", torch), ("torchvision", vision)):
                found.append(build(name, version + label, origin=POISONED, tag=HERE))
    names = ("torch", "torchvision", "torchaudio")
    return [*found, *(build(name, "99.0", origin=POISONED, tag=HERE) for name in names)]


def _torches(variant: str, origin: str, *, default: bool) -> Iterator[Wheel]:
    for torch, (vision, audio, variants) in RELEASES.items():
        if variant not in variants or (default and DEFAULT_BUILD[torch] != variant):
            continue
        label = "" if default or (torch, variant) in UNLABELLED else f"+{variant}"
        own = f"{torch}+{variant}"
        requires = ("filelock", *runtime(variant))
        yield build("torch", torch + label, requires, origin=origin, tag=HERE, build_of=own)
        beside = (f"torch=={torch}", "numpy")
        own = f"{vision}+{variant}"
        yield build("torchvision", vision + label, beside, origin=origin, tag=HERE, build_of=own)
        yield build("torchaudio", (audio or AUDIO_LAST) + label, (), origin=origin, tag=HERE)


def _plain(requirement: str, origin: str) -> Wheel:
    name, _, version = requirement.partition("==")
    return build(name, version or "3.8.0", origin=origin)
