"""A plan: the changes to make, as data; and fixes, whose drafts become plans. Nothing here runs anything.

A fix makes a draft, `merge` joins several plans into one, `simulate` predicts the result, `transaction` applies it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Literal, TypeVar

import msgspec

from tunedoctor.facts import Interpreter, Packages, Unknown
from tunedoctor.model.findings import Cure, Finding, PipInstall, Variable, Who, exact, name_of

Place = Literal["activate", "conda", "printed"]


class PlanError(ValueError):
    """Plans contradict each other; the message says why."""


class Pin(msgspec.Struct, frozen=True, kw_only=True):
    """One package at one version, and the files that it is installed from."""

    name: str
    """Normalised as in PEP 503."""
    version: str
    """With the local label if the file has one: "2.9.1+cu126"."""
    hashes: tuple[str, ...] = ()
    """"sha256:…" of every suitable file; () if the index gives none."""
    was: str = ""
    """The installed version; "" if none is installed."""
    download_bytes: int = 0
    """Size of its largest wheel; 0 if unknown."""
    via: tuple[str, ...] = ()
    """What requires it, if the resolver says; () if only the user requested it."""

    @property
    def requirement(self) -> str:
        """Return "torch==2.9.1+cu126"."""
        return f"{self.name}=={self.version}"


class Step(msgspec.Struct, frozen=True, kw_only=True, tag_field="step"):
    """One thing to do."""


class Install(Step, frozen=True, kw_only=True, tag="install"):
    """Install packages, all from one index; other versions of them are removed."""

    pins: tuple[Pin, ...]
    index: str = ""
    """URL of the only index to use; "" for the default index of the user's settings."""
    no_deps: bool = True
    """True: the pins are complete. False: their dependencies are resolved before the download."""
    reinstall: tuple[str, ...] = ()
    """Names to reinstall even though the version is right: another build, or broken files."""


class Remove(Step, frozen=True, kw_only=True, tag="remove"):
    """Uninstall packages."""

    names: tuple[str, ...]


class WriteFile(Step, frozen=True, kw_only=True, tag="write"):
    """Write a text file inside the environment."""

    path: str
    """Relative to the environment's prefix, with forward slashes."""
    text: str


class DeletePath(Step, frozen=True, kw_only=True, tag="delete"):
    """Delete a file or folder inside the environment, for example a ~ leftover or duplicate metadata."""

    path: str
    """Relative to the environment's prefix, with forward slashes."""
    why: str = ""


class SetEnv(Step, frozen=True, kw_only=True, tag="setenv"):
    """Set or unset an environment variable."""

    name: str
    value: str | None
    """None: unset the variable."""
    where: Place = "activate"
    """activate: scripts of a venv; conda: variables of a conda environment; printed: for the user to do."""
    command: str = ""


class Tell(Step, frozen=True, kw_only=True, tag="tell"):
    """A command for the user to run. doctor prints it and never runs it."""

    command: str
    why: str = ""
    who: Who = "user"


class NewEnvironment(Step, frozen=True, kw_only=True, tag="new"):
    """Create a new virtual environment."""

    path: str
    """Absolute."""
    python: str = ""
    """Path of an interpreter, or "3.12"; "" for the one that runs doctor."""


class Rebuild(Step, frozen=True, kw_only=True, tag="rebuild"):
    """Create a new environment next to the old one; once proved, it replaces the old one, under the same path."""

    python: str
    """Path of the interpreter that the new environment is created with."""
    keeps: tuple[str, ...] = ()
    """Distributions whose files are copied from the old environment, because no index has them."""
    system_site: bool = False
    """The environment also sees the packages of its base interpreter."""


AnyStep = Install | Remove | WriteFile | DeletePath | SetEnv | Tell | NewEnvironment | Rebuild


class Scope(StrEnum):
    """The packages that a plan may change. A larger scope is tried only if the one before had no plan or it failed."""

    SMALLEST = "smallest"
    """As few packages as possible change."""
    DECLARED = "declared"
    """What the user declared or requested stays; every other package may change."""
    REBUILD = "rebuild"
    """A new environment with what the user declared or requested replaces the old one."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The steps in order, what they are for and what they cost."""

    steps: tuple[AnyStep, ...]
    cures: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    asks: dict[str, tuple[str, ...]] = {}
    """Finding id, or "new" -> normalised names of the packages that its fix requests; others are dependencies."""
    download_bytes: int = 0
    disk_bytes: int = 0
    """Disk space needed while it runs, the download included."""

    @property
    def id(self) -> str:
        """Return an id that is the same for the same steps, files and versions, and differs after any other change."""
        from hashlib import sha256  # noqa: PLC0415  a check makes no plan

        return sha256(msgspec.json.encode([self.cures, self.changes])).hexdigest()[:16]

    @property
    def changes(self) -> tuple[AnyStep, ...]:
        """Steps that change the environment; the others are only printed."""
        return tuple(s for s in self.steps if not is_manual(s))

    @property
    def manual_steps(self) -> tuple[Tell | SetEnv, ...]:
        """Steps for the user to do."""
        printed_steps = (s for s in self.steps if is_manual(s))
        return tuple(s for s in printed_steps if isinstance(s, Tell | SetEnv))

    @property
    def pins(self) -> tuple[Pin, ...]:
        """All packages that are installed."""
        return tuple(p for s in self.steps if isinstance(s, Install) for p in s.pins)

    @property
    def removed(self) -> tuple[str, ...]:
        """Names of the distributions that are removed."""
        return tuple(n for s in self.steps if isinstance(s, Remove) for n in s.names)

    @property
    def again(self) -> tuple[str, ...]:
        """Names of the distributions that are reinstalled."""
        return tuple(n for s in self.steps if isinstance(s, Install) for n in s.reinstall)

    @property
    def requested(self) -> tuple[str, ...]:
        """Names of the packages that were requested, each once."""
        return tuple(dict.fromkeys(name for names in self.asks.values() for name in names))

    @property
    def new(self) -> NewEnvironment | None:
        """The environment that it creates; None if it changes an existing one."""
        return next((s for s in self.steps if isinstance(s, NewEnvironment)), None)

    @property
    def rebuild(self) -> Rebuild | None:
        """The step that replaces the complete environment; None if it is changed in place or new."""
        return next((s for s in self.steps if isinstance(s, Rebuild)), None)


def is_manual(step: AnyStep) -> bool:
    """Return whether a step is only printed."""
    return isinstance(step, Tell) or (isinstance(step, SetEnv) and step.where == "printed")


_ORDER = (NewEnvironment, Rebuild, DeletePath, Remove, Install, WriteFile, SetEnv, Tell)


def merge(plans: Iterable[Plan]) -> Plan:
    """Join plans into one: one Install for each index, torch first, no duplicates. Raises PlanError."""
    all_plans = tuple(plans)
    steps = list(dict.fromkeys(s for plan in all_plans for s in plan.steps))
    _agree(steps)
    removed = {n: None for s in steps if isinstance(s, Remove) for n in s.names}
    merged_steps: list[AnyStep] = [s for s in steps if not isinstance(s, (Install, Remove))]
    merged_steps += [Remove(names=tuple(removed))] if removed else []
    merged_steps += _installs([s for s in steps if isinstance(s, Install)])
    merged_steps.sort(key=lambda s: _ORDER.index(type(s)))
    return Plan(
        steps=tuple(merged_steps),
        cures=tuple(dict.fromkeys(c for plan in all_plans for c in plan.cures)),
        reasons=tuple(dict.fromkeys(r for plan in all_plans for r in plan.reasons)),
        asks={id_: names for plan in all_plans for id_, names in plan.asks.items()},
        # the same changes in several plans count once
        download_bytes=sum({plan.changes: plan.download_bytes for plan in all_plans}.values()),
        disk_bytes=sum({plan.changes: plan.disk_bytes for plan in all_plans}.values()),
    )


def _installs(installs: list[Install]) -> Iterator[Install]:
    """Join the installs from one index; the one with torch comes first, because the others are checked against it."""
    groups: dict[tuple[str, bool], list[Install]] = {}
    for install in sorted(
        installs, key=lambda install: all(pin.name != "torch" for pin in install.pins)
    ):
        groups.setdefault((install.index, install.no_deps), []).append(install)
    names_done: set[str] = set()
    for (index, no_deps), group in groups.items():
        pins: dict[str, Pin] = {}
        for pin in (pin for install in group for pin in install.pins if pin.name not in names_done):
            # if two plans agree on a version, the one that knows the hashes is used
            if pin.name not in pins or not pins[pin.name].hashes:
                pins[pin.name] = pin
        names_done |= pins.keys()
        reinstalled = tuple(dict.fromkeys(n for install in group for n in install.reinstall))
        if pins:
            yield Install(
                pins=tuple(pins.values()), index=index, no_deps=no_deps, reinstall=reinstalled
            )


_BUILDS = frozenset({"torch", "torchvision", "torchaudio", "xformers"})
"""Packages whose builds differ between indexes; a pure-Python library is the same file on every index."""


def _agree(steps: list[AnyStep]) -> None:
    wants: dict[str, str] = {}
    values: dict[str, str | None] = {}
    for install, pin in ((s, pin) for s in steps if isinstance(s, Install) for pin in s.pins):
        source = f" from {install.index}" if install.index and pin.name in _BUILDS else ""
        want = f"{pin.name} {pin.version}{source}"
        if (have := wants.setdefault(pin.name, want)) != want:
            _contradict(f"{have} and {want}")
    for step in steps:
        key, value = _target_of(step)
        if key and values.setdefault(key, value) != value:
            _contradict(f"two values for {key}")
    for name in (n for s in steps if isinstance(s, Remove) for n in s.names if n in wants):
        _contradict(f"one installs {wants[name]}, another removes {name}")


def _target_of(step: AnyStep) -> tuple[str, str | None]:
    match step:
        case WriteFile(path=path, text=text):
            return f"the file {path}", text
        case SetEnv(name=name, value=value):
            return name, value
        case NewEnvironment(path=path):
            return "the new environment", path
        case _:
            return "", None


def _contradict(what: str) -> None:
    raise PlanError(f"the fixes contradict each other: {what}; choose one of them with --only")


class Resolve(msgspec.Struct, frozen=True, kw_only=True):
    """A set of libraries that includes these and needs the smallest change; the resolver chooses the versions."""

    requirements: tuple[str, ...]
    """"peft>=0.18", "torch==2.9.1"; torch without a version: the build that fits the machine."""


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """The steps that a fix proposes, as pure data: no index has been queried yet."""

    steps: tuple[AnyStep | Resolve, ...]
    reason: str = ""


Body = TypeVar("Body", bound=Callable[..., Draft | None])


class Fix(msgspec.Struct, frozen=True, kw_only=True):
    """A fix, as the registry has it."""

    id: str
    title: str
    """What it does, such as "Install the matching torch build"."""
    cures: tuple[str, ...]
    """Ids of the findings it fixes; (): any finding whose cure it can carry out, if no other fix does."""
    run: Callable[..., Draft | None]
    """Takes the finding, then the facts that its parameters name; returns None if it cannot help."""
    origin: str


def fix(
    id: str,  # noqa: A002  the word that users see
    title: str,
    *,
    cures: Sequence[str],
) -> Callable[[Body], Body]:
    """Mark a pure function `(finding, facts…) -> Draft | None` as a fix."""

    def mark(function: Body) -> Body:
        function.tunedoctor_fix = Fix(  # type: ignore[attr-defined]
            id=id, title=title, cures=tuple(cures), run=function, origin=function.__module__
        )
        return function

    return mark


def install_of(line: PipInstall, packages: Packages) -> Install | None:
    """Return what a command installs, pinned; reinstalled packages keep their version. None if a version is open."""
    installed_versions = {name: packages.version(name) for name in map(name_of, line.requirements)}
    pairs = [
        exact(r) or (r, installed_versions.get(r, "") if line.reinstalls else "")
        for r in line.requirements
    ]
    if not all(version for _, version in pairs):
        return None
    pins = tuple(
        Pin(name=name, version=version, was=installed_versions[name]) for name, version in pairs
    )
    reinstalled = tuple(pin.name for pin in pins if pin.was or line.reinstalls)
    return Install(pins=pins, index=line.index, reinstall=reinstalled)


def variable_of(cure: Cure, interpreter: Interpreter | Unknown | None) -> SetEnv | None:
    """Return the step for a cure that only sets or unsets one variable; else None."""
    step = cure.steps[0] if len(cure.steps) == 1 else None
    if not isinstance(step, Variable):
        return None
    kind = interpreter.kind if isinstance(interpreter, Interpreter) else "unknown"
    where: Place = "activate" if kind == "venv" else "conda" if kind == "conda" else "printed"
    return SetEnv(name=step.name, value=step.value, where=where, command=cure.command)


def tell(finding: Finding) -> Draft:
    """Return a draft that only prints the finding's own cure."""
    cure = finding.cure
    step = Tell(command=cure.command, why=finding.cure_note, who=cure.who)
    return Draft(steps=(step,) if cure.kind == "command" else (), reason=finding.found)
