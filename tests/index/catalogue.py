"""What the made-up indexes hold: PyTorch's, a stand-in for the default one, and a poisoned one."""

from collections.abc import Iterator

from index.wheels import HERE, Wheel, build

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
