"""What files beside wheels tell: METADATA (PEP 566, 658), and the variants of a release (PEP 825).

Of requirements: CUDA, torch and gfx targets. NAME-VERSION-variants.json tells, as pages do not, for which GPUs a wheel
holds code; its providers are never run.
"""

import re
from typing import NamedTuple

import msgspec
from packaging.metadata import parse_email
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from tunedoctor.contracts.requirements import marker_environment
from tunedoctor.facts import Interpreter
from tunedoctor.tables.updated import RELEASE
from tunedoctor.tables.wheels import VARIANT
from tunedoctor.versions import holds, normalised, requirement

_LABEL = re.compile(r"cu(?:da)?_?(\d{2})[._]?(\d)")
_GFX = re.compile(r"gfx[0-9a-f]{3,5}")
MOST = 100
"""Targets of one build."""


class Needs(NamedTuple):
    """The requirements of a wheel that hold on one platform, without extras."""

    requirements: tuple[Requirement, ...]

    @property
    def variant(self) -> str:
        """The CUDA variant that the wheel is of: by its cuda-toolkit, else by its CUDA runtime; "cpu" without."""
        names = {normalised(one.name): one for one in reversed(self.requirements)}
        runtime = (name for name in names if re.fullmatch(r"nvidia-cuda-runtime(-cu\d+)?", name))
        if one := names.get("cuda-toolkit") or names.get(next(runtime, "")):
            found = re.match(r"==(\d{1,2})\.(\d)(?!\d)", str(one.specifier))
            return f"cu{found[1]}{found[2]}" if found else "cpu"
        return "cpu"

    @property
    def gfx(self) -> tuple[str, ...]:
        """Targets (gfx942 …) named by the extras of the rocm package: rocm[device-gfx942]; () for device-all."""
        extras = {e for one in self.requirements if one.name.lower() == "rocm" for e in one.extras}
        devices = (e.removeprefix("device-") for e in extras if e.startswith("device-"))
        return tuple(sorted(filter(_GFX.fullmatch, devices)))


def needs(metadata: bytes, family: str, python: str) -> Needs:
    """Read Requires-Dist of a METADATA file for a platform family and Python ("3.12"); unreadable lines are left."""
    version, platform = f"{python.rstrip('t')}.1", family.replace("_", "-", 1)
    machine = platform.partition("-")[2]
    own = Interpreter(executable="", version=version, platform=platform, machine=machine)
    lines = map(requirement, parse_email(metadata)[0].get("requires_dist", []))
    environment = marker_environment(own, None)
    return Needs(tuple(one for one in lines if one and holds(one, environment)))


def admits(one: Needs, torch: str) -> str:
    """Return how a companion holds torch: "pinned" to exactly this release, "open" if it allows it, else ""."""
    for wanted in one.requirements:
        if wanted.name.lower() == "torch":
            # a wheel of one variant can name its label: ==2.16.0+cu132
            public = SpecifierSet(re.sub(r"\+[A-Za-z0-9.]+", "", str(wanted.specifier)))
            if not public.contains(Version(torch), prereleases=True):
                return ""
            return "pinned" if any(s.operator in ("==", "===") for s in public) else "open"
    return "open"


class Told(NamedTuple):
    """What a file of variants says of a build."""

    code: str
    """As in the column of the wheel table: "75 80 90 compute_120"."""
    cuda: str = ""
    """Oldest CUDA of the driver: "12.8"; "" where none is named."""


class _File(msgspec.Struct):
    variants: dict[str, dict[str, dict[str, list[str]]]] = {}
    """Label -> namespace -> feature -> values."""


def release_of(name: str) -> str:
    """Return the release of "torch-2.16.0-variants.json"; "" for other files."""
    version = name.removeprefix("torch-").removesuffix("-variants.json")
    whole = name == f"torch-{version}-variants.json" and RELEASE.fullmatch(version)
    return version if whole else ""


def told(data: bytes) -> dict[str, Told]:
    """Return variant (cu132, rocm10.0) -> what is said; one that two labels tell differently is left out.

    Raises:
        ValueError: it is no such file.
    """
    try:
        file = msgspec.json.decode(data, type=_File)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        msg = f"it is no variants.json: {str(error)[:120]}"
        raise ValueError(msg) from None
    found: dict[str, set[Told]] = {}
    for label, properties in file.variants.items():
        nvidia, amd = properties.get("nvidia", {}), properties.get("amd", {})
        cuda = next(iter(nvidia.get("cuda_version_lower_bound", ())), "")
        cuda = cuda if re.fullmatch(r"\d{2}\.\d", cuda) else ""
        code = [word for value in nvidia.get("sm_arch", ()) for word in _words(value)]
        code += [one for values in amd.values() for one in values if _GFX.fullmatch(one)]
        # the variant that a label names, else the one of its CUDA
        named = _LABEL.fullmatch(label)
        variant = (
            f"cu{named[1]}{named[2]}" if named else f"cu{cuda.replace('.', '')}" if cuda else ""
        )
        variant = label if VARIANT.fullmatch(label) else variant
        if variant and code and len(code) <= MOST:
            found.setdefault(variant, set()).add(Told(" ".join(code), cuda))
    return {variant: ones.pop() for variant, ones in found.items() if len(ones) == 1}


def _words(value: str) -> list[str]:
    """Return "75" of 75_real, "compute_120" of 120_virtual, both of CMake's bare 120; targets as 90a count not."""
    number, _, kind = value.partition("_")
    if not (number.isdigit() and len(number) in (2, 3)):
        return []
    both = [number, f"compute_{number}"]
    return {"": both, "real": both[:1], "virtual": both[1:]}.get(kind, [])
