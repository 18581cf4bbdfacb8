"""What the metadata of a wheel (PEP 566, 658) says of its CUDA, its torch and its gfx targets."""

import re
from collections.abc import Iterable
from email.parser import HeaderParser
from typing import NamedTuple

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

_MARKERS = ("platform_system", "sys_platform", "platform_machine", "os_name")
_SEEN = {
    "linux_x86_64": ("Linux", "linux", "x86_64", "posix"),
    "linux_aarch64": ("Linux", "linux", "aarch64", "posix"),
    "win_amd64": ("Windows", "win32", "AMD64", "nt"),
}
"""Platform family -> what its markers see."""


class Needs(NamedTuple):
    """The requirements of a wheel that hold on one platform, without extras."""

    requirements: tuple[Requirement, ...]

    @property
    def variant(self) -> str:
        """The CUDA variant that the wheel is of: by its cuda-toolkit, else by its CUDA runtime; "cpu" without."""
        for name in (r"cuda-toolkit", r"nvidia-cuda-runtime(?:-cu\d+)?"):
            for one in self.requirements:
                if re.fullmatch(name, one.name.lower().replace("_", "-")):
                    found = re.match(r"==(\d{1,2})\.(\d)(?!\d)", str(one.specifier))
                    return f"cu{found[1]}{found[2]}" if found else "cpu"
        return "cpu"

    @property
    def gfx(self) -> tuple[str, ...]:
        """Targets (gfx942 …) named by the extras of the rocm package: rocm[device-gfx942]; () for device-all."""
        extras = {e for one in self.requirements if one.name.lower() == "rocm" for e in one.extras}
        return tuple(
            sorted(m[1] for e in extras if (m := re.fullmatch(r"device-(gfx[0-9a-f]{3,5})", e)))
        )


def needs(metadata: bytes, family: str, python: str) -> Needs:
    """Read Requires-Dist of a METADATA file for a platform family and Python ("3.12"); unreadable lines are left."""
    headers = HeaderParser().parsestr(metadata.decode("utf-8", "replace"))
    return Needs(tuple(_holding(headers.get_all("Requires-Dist", []), family, python)))


def _holding(lines: Iterable[str], family: str, python: str) -> Iterable[Requirement]:
    version = python.rstrip("t")
    environment = {
        **dict(zip(_MARKERS, _SEEN.get(family, ("", "", "", "posix")), strict=True)),
        "python_version": version,
        "python_full_version": f"{version}.1",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "extra": "",
    }
    for line in lines:
        try:
            one = Requirement(str(line))
            if one.marker is None or one.marker.evaluate(environment):
                yield one
        except (InvalidRequirement, ValueError, KeyError):
            continue


def admits(one: Needs, torch: str) -> str:
    """Return how a companion holds torch: "pinned" to exactly this release, "open" if it allows it, else ""."""
    for requirement in one.requirements:
        if requirement.name.lower() == "torch":
            # a wheel of one variant can name its label: ==2.16.0+cu132
            public = SpecifierSet(re.sub(r"\+[A-Za-z0-9.]+", "", str(requirement.specifier)))
            if not public.contains(Version(torch), prereleases=True):
                return ""
            return "pinned" if any(s.operator in ("==", "===") for s in public) else "open"
    return "open"
