"""What is installed together: torch, the companions that belong to it, and their exact versions with labels."""

import re
import shlex
from typing import NamedTuple

import msgspec

from tunedoctor.tables.load import table
from tunedoctor.tables.wheels import Numbers, release_row
from tunedoctor.versions import parts
from tunedoctor.wheels.choice import Action, Build, Choice
from tunedoctor.wheels.machine import Machine
from tunedoctor.wheels.rules import PYTORCH, index_of
from tunedoctor.wheels.situation import family_of


class Pin(NamedTuple):
    """One package at one version."""

    name: str
    version: str
    label: str = ""
    """Local label: "cu126"; "" where the file carries none, or where nobody saw whether it does."""

    def __str__(self) -> str:
        """Return "torch==2.14.1+cu126"."""
        return f"{self.name}=={self.version}" + (f"+{self.label}" if self.label else "")


class Pins(msgspec.Struct, frozen=True):
    """What one install takes."""

    packages: tuple[Pin, ...]
    """torch first, then torchvision and torchaudio where they belong to the release."""
    index: str
    """URL of the one index; "" for the default index."""
    backend: str
    """Value for uv's --torch-backend; "" where uv knows none, or where the default index has the build."""
    numpy1: bool
    """The release was built for NumPy 1, and torchvision would bring a newer one."""
    triton: str
    """Package that only the build's own index has, which a uv project has to name: triton-rocm; "" for none."""
    replaced: tuple[str, ...]
    """Packages to install anew: their pin carries no label, so another variant of the same version would stay."""
    removed: tuple[str, ...]
    """Packages to remove first: another vendor's Triton, whose files lie in the same folder."""

    @property
    def requirements(self) -> tuple[str, ...]:
        """Requirements as a requirements file has them."""
        return (*map(str, self.packages), *(["numpy<2"] if self.numpy1 else []))


def of_build(build: Build, machine: Machine, action: Action = "install") -> Choice:
    """Return the choice of a build, with its companions and its index."""
    row = release_row(build.torch_version)
    return Choice(
        action,
        build=build,
        torchvision=row.torchvision if row else "",
        torchaudio=row.torchaudio if row else "",
        index="PyPI" if machine.platform == "macos" else index_of(build.variant),
    )


def pins_of(choice: Choice, build: Build, machine: Machine, installed: str = "") -> Pins:
    """Return the set for a build; `installed` is the torch that is there: "2.14.1+cu130", "2.14.1", or ""."""
    release = parts(build.torch_version)
    row = release_row(build.torch_version)
    default = choice.index == "PyPI"
    labels = labels_of(build, machine, default=default)
    versions = {"torch": build.torch_version, "torchvision": choice.torchvision}
    # torchaudio ended with 2.11: what later releases find there was built for that one
    if parts(choice.torchaudio)[:2] == release[:2]:
        versions["torchaudio"] = choice.torchaudio
    packages = tuple(Pin(name, v, labels[name]) for name, v in versions.items() if v)
    there, _, variant = installed.partition("+")
    same = there == build.torch_version and variant != build.variant and not default
    system = {"wsl": "linux"}.get(machine.platform, machine.platform)
    return Pins(
        packages=packages,
        index="" if default else choice.index,
        backend=backend_of(choice.index, build.variant),
        numpy1=row is not None and row.numpy_abi.get(system) == 1,
        triton=triton_of(build.variant, release) if system == "linux" else "",
        replaced=tuple(pin.name for pin in packages if same and not pin.label),
        removed=_other_tritons(there, variant, build, release) if system == "linux" else (),
    )


def backend_of(index: str, variant: str) -> str:
    """Return the value of uv's --torch-backend for a variant; "" where uv knows none, or for a mirror of the index."""
    known = variant in table("installer_settings")["uv_backends"]
    return variant if known and index.startswith(PYTORCH) else ""


def labels_of(build: Build, machine: Machine, *, default: bool) -> dict[str, str]:
    """Return torch, torchvision, torchaudio -> the local label of their files; `default`: from the default index."""
    family, release = family_of(machine), parts(build.torch_version)
    row = release_row(build.torch_version)
    torch = "" if default or _unlabelled(family, release) else build.variant
    sure = row is None or "torchvision_pair" not in row.unverified
    arm = family == "linux_aarch64" and release < _ARM_COMPANIONS_LABELLED
    return {
        "torch": torch,
        "torchvision": torch if sure and not arm else "",
        "torchaudio": torch if not arm else "",
    }


_ARM_COMPANIONS_LABELLED = (2, 11)
"""aarch64: torchvision 0.24.1 and torchaudio 2.9.1 have no label, those of 2.11 have one (files seen on the index)."""


def _unlabelled(family: str, release: Numbers) -> bool:
    """Tell where torch's own file carries no label: macOS, and aarch64 before 2.6 (cu124 and cpu)."""
    return family.startswith("macos") or (family == "linux_aarch64" and release < (2, 6))


def triton_of(variant: str, release: Numbers) -> str:
    """Return the package that holds Triton for a ROCm or XPU build; "" for CUDA, whose Triton every index has.

    pytorch-triton-rocm up to 2.9, triton-rocm since; the same for XPU.
    """
    kind = "rocm" if variant.startswith("rocm") else variant
    if kind not in ("rocm", "xpu"):
        return ""
    return f"triton-{kind}" if release >= (2, 10) else f"pytorch-triton-{kind}"


def _other_tritons(there: str, variant: str, build: Build, release: Numbers) -> tuple[str, ...]:
    """Return the Triton of the installed torch where the new one brings another, into the same folder."""
    if not there:
        return ()
    # without a label it came from the default index, which has CUDA builds
    old = "triton" if not variant or variant.startswith("cu") else triton_of(variant, parts(there))
    new = "triton" if build.variant.startswith("cu") else triton_of(build.variant, release)
    return (old,) if old and new and old != new else ()


def pip_of(python: str, *, windows: bool, before: str = "") -> str:
    """Return how pip of the target is started; `before`: words for a POSIX shell, with a space at their end."""
    path = shell_path(python or "python", windows=windows)
    if windows and path.startswith('"'):
        # a quoted program is a string to PowerShell, and its & is an error to cmd; an option both take
        return f"python -m pip --python {path}"
    return f"{before}{path} -m pip"


def shell_path(path: str, *, windows: bool) -> str:
    """Quote a path as a shell of the system takes it."""
    if not windows:
        return shlex.quote(path)
    return path if re.fullmatch(r"[\w.:\\/~-]+", path) else f'"{path}"'
