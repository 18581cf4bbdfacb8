"""Find declared requirements of the stack that are not met: compare Requires-Dist with the installed versions.

Markers are evaluated for the target's Python and system, never for doctor's own.
"""

import re
from collections.abc import Container, Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

from tunedoctor.facts import Distribution, Host, Interpreter, Packages, TorchBuild
from tunedoctor.model.findings import name_of
from tunedoctor.model.versions import holds, normalised, parts, release, requirement, within
from tunedoctor.tables.load import table

_KNOWN = table("distributions")
STACK = frozenset(_KNOWN["stack"])
"""Distributions whose requirements count; those of others do not stop a fine-tune."""
STAND_INS: dict[str, list[str]] = _KNOWN["stand_ins"]
"""Distributions that bring the same module under another name."""
TRITON = (
    "triton",
    *(
        name_of_stand_in
        for name_of_stand_in in STAND_INS["triton"]
        if name_of_stand_in != "triton-windows"
    ),
)
"""Names under which PyTorch's own indexes give Triton."""
OPTIONAL = frozenset(_KNOWN["optional"])
"""Declared, yet training runs without them."""
_FLOOR = re.compile(
    r"([A-Za-z0-9][\w.-]{0,100})[ \t]*\(?[ \t]*(?:>=[ \t]*(\d[\d.]{0,40}))?\)?[ \t]*(?:;.*)?"
)
"""The common form of a requirement: a name, or a name and the oldest version."""
_NUMBERS = re.compile(r"(\d[\d.]{0,40})(?:\+.*)?")
_SPELT = {"cpython": "CPython", "pypy": "PyPy"}
_SYSTEMS = {"win": ("Windows", "win32", "nt"), "mac": ("Darwin", "darwin", "posix")}
"""How a platform begins -> platform_system, sys_platform and os_name."""


class Unmet(NamedTuple):
    """A requirement that is not met."""

    owner: Distribution
    name: str
    specifier: str
    """As declared: "<2.0,>=1.3.0"; empty where any version does."""
    installed: str
    """The version that is there, "" where it is not installed."""

    @property
    def requirement(self) -> str:
        """The requirement as text, such as "tokenizers>=0.22.0,<=0.23.0"."""
        return self.name + self.specifier

    @property
    def beyond(self) -> bool:
        """True if the owner is not in the stack itself but is required by it, directly or through others."""
        return self.owner.name not in STACK

    @property
    def own_part(self) -> bool:
        """True if it requires an exact release of a part of the same project, as pydantic does of pydantic-core."""
        return self.name.startswith(f"{self.owner.name}-") and self.specifier.startswith("==")

    @property
    def too_new(self) -> bool:
        """True if the installed version is above the required range, not below."""
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
    """Return the unmet requirements of the named distributions, in the order of the packages.

    Besides the stack, this includes exact requirements of any project on a part of the same project. If only some
    packages are known, a package that is not listed does not count as missing. A package without a readable version
    counts as fitting; another check reports it.
    """
    owner_names = frozenset(names)
    parts_too = names is STACK
    installed = {distribution.name: distribution.version for distribution in packages.distributions}
    if torch:
        installed["torch"] = torch.version
    present = {*packages.conda, *(distribution.name for distribution in packages.broken)}
    environment = marker_environment(interpreter, host)
    result: list[Unmet] = []
    for owner in packages.distributions:
        lines: Iterable[str] = owner.requires if owner.name in owner_names else ()
        lines = lines or (_own_parts(owner) if parts_too else ())
        if lines:
            result += _unmet_lines(owner, lines, installed, environment, present, packages.complete)
    return tuple(result)


def _unmet_lines(  # noqa: PLR0913  what decides about one line
    owner: Distribution,
    lines: Iterable[str],
    installed: Mapping[str, str],
    environment: Mapping[str, str],
    present: Container[str],
    complete: bool,  # noqa: FBT001
) -> Iterator[Unmet]:
    """Yield what some requirements of one distribution ask for and do not get."""
    for name, specifier in requirements(lines, environment):
        names = (name, *STAND_INS.get(name, ()))
        version = next((installed[n] for n in names if n in installed), None)
        lacks = version is None and complete and name not in present
        if lacks or (version and specifier and within(version, specifier) is False):
            yield Unmet(owner, name, specifier, version or "")


def unmet_by_all(
    packages: Packages,
    interpreter: Interpreter | None,
    host: Host | None = None,
    torch: TorchBuild | None = None,
) -> tuple[Unmet, ...]:
    """Return what the stack, and everything that it requires over any number of steps, requires and does not get.

    This is what `pip check` reports, for the part of an environment that a training uses. Extras don't count, since
    nothing records which were asked for.
    """
    installed = {distribution.name: distribution.version for distribution in packages.distributions}
    if torch:
        installed["torch"] = torch.version
    owners = {distribution.name: distribution for distribution in packages.distributions}
    direct = unmet(packages, interpreter, host, torch)
    todo = [n for n in owners if n in STACK]
    visited = {*todo}
    open_: dict[str, list[str]] = {}
    while todo:
        owner = owners[todo.pop()]
        for line in owner.requires:
            name, plain = _plainly_met(line, installed)
            if not plain and owner.name not in STACK:
                open_.setdefault(owner.name, []).append(line)
            if name in owners and name not in visited:
                visited.add(name)
                todo.append(name)
    present = {*packages.conda, *(distribution.name for distribution in packages.broken)}
    environment = marker_environment(interpreter, host) if open_ else {}
    beyond = (
        _unmet_lines(owners[name], open_[name], installed, environment, present, packages.complete)
        for name in sorted(open_)
    )
    all_unmet = (*direct, *chain.from_iterable(beyond))
    return tuple(
        {
            (
                requirement_unmet.owner.name,
                requirement_unmet.name,
                requirement_unmet.specifier,
            ): requirement_unmet
            for requirement_unmet in all_unmet
        }.values()
    )


def leading_to_unmet(
    packages: Packages,
    interpreter: Interpreter | None,
    host: Host | None = None,
    torch: TorchBuild | None = None,
) -> dict[str, tuple[str, ...]]:
    """Return distribution -> its requirements by which an unmet one beyond the stack is reached, and that itself."""
    lines_by_owner: dict[str, dict[str, None]] = {}
    gaps = [gap for gap in unmet_by_all(packages, interpreter, host, torch) if gap.beyond]
    todo = [(gap.owner.name, gap.name) for gap in gaps]
    visited = {*todo}
    while todo:
        owner, required = todo.pop()
        for distribution in packages.distributions:
            if distribution.name != owner:
                continue
            lines = (line for line in distribution.requires if name_of(line) == required)
            lines_by_owner.setdefault(owner, {}).update(dict.fromkeys(lines))
        for distribution in packages.distributions if owner not in STACK else ():
            edge = distribution.name, owner
            if edge not in visited and any(
                name_of(line) == owner for line in distribution.requires
            ):
                visited.add(edge)
                todo.append(edge)
    return {name: tuple(lines) for name, lines in lines_by_owner.items()}


def _plainly_met(line: str, installed: Mapping[str, str]) -> tuple[str, bool]:
    """Return the name in a requirement and whether it is met for certain, whatever its marker says.

    Every check pays for this: packaging takes a hundred times as long.
    """
    match = _FLOOR.fullmatch(line)
    if match is None:
        return name_of(line), False
    name = normalised(match[1])
    version = installed.get(name)
    if version is None:
        return name, False
    if not match[2]:
        return name, True
    version_match = _NUMBERS.fullmatch(version)
    return name, version_match is not None and _numbers(version_match[1]) >= _numbers(match[2])


@lru_cache(4096)
def _numbers(version: str) -> tuple[int, ...]:
    """Return the numbers of a plain release without zeros at its end."""
    return tuple(int(number) for number in re.sub(r"(\.0+)+$", "", version).split(".") if number)


def of_stack(name: str, packages: Packages | None) -> bool:
    """Return whether a distribution belongs to the stack, or is required by an installed package of the stack."""
    environment, distributions = (
        marker_environment(None, None),
        packages.distributions if packages else (),
    )
    requirements_of_stack = (
        requirements(distribution.requires, environment)
        for distribution in distributions
        if distribution.name in STACK
    )
    return name in STACK or any(
        name == required for pairs in requirements_of_stack for required, _ in pairs
    )


def counting(owner: Distribution) -> tuple[str, ...]:
    """Return the requirements that checks use: all of a stack package, else those on the stack and on own parts."""
    if owner.name in STACK:
        return owner.requires
    parsed = ((line, requirement(line)) for line in owner.requires)
    of_it = [
        line
        for line, parsed_line in parsed
        if parsed_line and normalised(parsed_line.name) in STACK
    ]
    return tuple(dict.fromkeys((*of_it, *_own_parts(owner))))


@lru_cache(4096)  # machines of a fleet have the same ones
def _own_parts(owner: Distribution) -> list[str]:
    """Return the exact requirements of a distribution on parts of the same project, such as pydantic on pydantic-core.

    If another release of the part is installed, an upgrade was interrupted halfway.
    """
    own = f"{owner.name}-"
    # every check pays: most have none
    if f"\n{own}" not in "\n".join(("", *owner.requires)).lower().replace("_", "-"):
        return []
    mine = (line for line in owner.requires if normalised(line[: len(own)]) == own)
    return [line for line in mine if "==" in line.partition(";")[0]]


def requirements(lines: Iterable[str], environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield (normalised name, specifier) of the requirements whose marker applies; skip invalid lines and extras."""
    for parsed in map(requirement, lines):
        if parsed is not None and holds(parsed, environment):
            yield normalised(parsed.name), str(parsed.specifier)


def reach(names: Iterable[str], requires: Mapping[str, Iterable[str]]) -> set[str]:
    """Return the names and all that they require, directly or not. `requires`: name -> what it requires itself."""
    reached, waiting = set[str](), [*names]
    while waiting:
        if (name := waiting.pop()) not in reached:
            reached.add(name)
            waiting += requires.get(name, ())
    return reached


def marker_environment(interpreter: Interpreter | None, host: Host | None) -> dict[str, str]:
    """Return the variables of PEP 508 for the target; the default is CPython on 64-bit Linux."""
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
