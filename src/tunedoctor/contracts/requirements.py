"""Which declared requirements of the stack are not met: Requires-Dist against what is installed.

Markers are evaluated for the target's Python and system, never for the doctor's own.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

from tunedoctor.facts import Distribution, Host, Interpreter, Packages, TorchBuild
from tunedoctor.model.versions import holds, normalised, parts, release, requirement, within
from tunedoctor.tables.load import table

_KNOWN = table("distributions")
STACK = frozenset(_KNOWN["stack"])
"""Distributions whose requirements count; those of others do not stop a fine-tune."""
STAND_INS: dict[str, list[str]] = _KNOWN["stand_ins"]
"""Distributions that bring the same module under another name."""
TRITON = ("triton", *(one for one in STAND_INS["triton"] if one != "triton-windows"))
"""Names under which PyTorch's own indexes give Triton."""
_SPELT = {"cpython": "CPython", "pypy": "PyPy"}
_SYSTEMS = {"win": ("Windows", "win32", "nt"), "mac": ("Darwin", "darwin", "posix")}
"""How a platform begins -> platform_system, sys_platform and os_name."""


class Unmet(NamedTuple):
    """A requirement that does not hold."""

    owner: Distribution
    name: str
    specifier: str
    """As declared: "<2.0,>=1.3.0"; empty where any version does."""
    installed: str
    """The version that is there, "" where it is not installed."""

    @property
    def wanted(self) -> str:
        """As in "tokenizers>=0.22.0,<=0.23.0"."""
        return self.name + self.specifier

    @property
    def own_part(self) -> bool:
        """Whether one release of a part of the same project is wanted: pydantic's pydantic-core."""
        return self.name.startswith(f"{self.owner.name}-") and self.specifier.startswith("==")

    @property
    def too_new(self) -> bool:
        """Whether the installed version lies above what is wanted, not below."""
        bounds = self.specifier.split(",")
        caps = any(s.lstrip().startswith(("<", "!", "=", "~")) for s in bounds)
        floors = ",".join(s for s in bounds if s.lstrip().startswith(">"))
        if floors and within(self.installed, floors) is False:
            return False
        exact = next((s[2:] for s in bounds if s.startswith(("==", "~="))), "")
        if exact:
            return release(self.installed) > release(exact.replace(".*", ""))
        return caps


def unmet(
    packages: Packages,
    interpreter: Interpreter | None,
    host: Host | None = None,
    torch: TorchBuild | None = None,
    names: Iterable[str] = STACK,
) -> tuple[Unmet, ...]:
    """Return what the named distributions require and do not get, in the order of the packages.

    Beside the stack, what any project requires exactly of a part of its own counts. Of packages told in part only
    what is not named is not missing. One that is there without a readable version is met: its fault is told elsewhere.
    """
    wanted = frozenset(names)
    parts_too = names is STACK
    installed = {one.name: one.version for one in packages.distributions}
    if torch:
        installed["torch"] = torch.version
    there = {*packages.conda, *(one.name for one in packages.broken)}
    environment = marker_environment(interpreter, host)
    found: list[Unmet] = []
    for owner in packages.distributions:
        asked: Iterable[str] = owner.requires if owner.name in wanted else ()
        asked = asked or (_own_parts(owner) if parts_too else ())
        for name, specifier in requirements(asked, environment) if asked else ():
            names = (name, *STAND_INS.get(name, ()))
            version = next((installed[n] for n in names if n in installed), None)
            lacks = version is None and packages.complete and name not in there
            if lacks or (version and specifier and within(version, specifier) is False):
                found.append(Unmet(owner, name, specifier, version or ""))
    return tuple(found)


def of_stack(name: str, packages: Packages | None) -> bool:
    """Tell whether a distribution is one of the stack, or required by one that is there."""
    plain, there = marker_environment(None, None), packages.distributions if packages else ()
    asked = (requirements(one.requires, plain) for one in there if one.name in STACK)
    return name in STACK or any(name == wanted for some in asked for wanted, _ in some)


def counting(owner: Distribution) -> tuple[str, ...]:
    """Return the requirements that checks read: of one of the stack all, else of the stack and of parts of its own."""
    if owner.name in STACK:
        return owner.requires
    named = ((line, requirement(line)) for line in owner.requires)
    of_it = [line for line, one in named if one and normalised(one.name) in STACK]
    return tuple(dict.fromkeys((*of_it, *_own_parts(owner))))


@lru_cache(4096)  # machines of a fleet have the same ones
def _own_parts(owner: Distribution) -> list[str]:
    """Return what a distribution of any name requires exactly of a part of its own project: pydantic-core.

    Another release of it is what an upgrade leaves that came to half of its way.
    """
    own = f"{owner.name}-"
    # every check pays: most have none
    if f"\n{own}" not in "\n".join(("", *owner.requires)).lower().replace("_", "-"):
        return []
    mine = (one for one in owner.requires if normalised(one[: len(own)]) == own)
    return [one for one in mine if "==" in one.partition(";")[0]]


def requirements(lines: Iterable[str], environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield (normalised name, specifier) of the lines whose marker holds; what is none, or of an extra, is left out."""
    for one in map(requirement, lines):
        if one is not None and holds(one, environment):
            yield normalised(one.name), str(one.specifier)


def marker_environment(interpreter: Interpreter | None, host: Host | None) -> dict[str, str]:
    """Return the variables of PEP 508 for the target; what is not known is that of CPython on 64-bit Linux."""
    version = interpreter.version if interpreter else ""
    platform = (interpreter.platform if interpreter else "") or "linux-x86_64"
    implementation = interpreter.implementation if interpreter else "cpython"
    system, sys_platform, os_name = _SYSTEMS.get(platform[:3], ("Linux", "linux", "posix"))
    machine = (interpreter.machine if interpreter else "") or (host.machine if host else "")
    machine = machine or platform.rpartition("-")[2]
    numbers = parts(version)
    return {
        "python_version": ".".join(map(str, numbers[:2])) or "3.12",
        "python_full_version": version or "3.12.0",
        "implementation_name": implementation,
        "implementation_version": version or "3.12.0",
        "platform_python_implementation": _SPELT.get(implementation, implementation),
        "sys_platform": sys_platform,
        "os_name": os_name,
        "platform_system": system,
        # Windows spells it so in platform.machine()
        "platform_machine": machine.upper() if sys_platform == "win32" else machine,
        "platform_release": host.kernel if host else "",
        "platform_version": "",
        "extra": "",
    }
