"""A plan: what is to be changed, as data, and what fixes are, whose drafts it is made of. Nothing here runs anything.

A fix drafts, `merge` makes one plan of several, `simulate` predicts what it leaves, `transaction` carries it out.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Literal, TypeVar

import msgspec

from tunedoctor.facts import Interpreter, Packages, Unknown
from tunedoctor.model.findings import Cure, Finding, PipInstall, Variable, Who, exact, name_of

Place = Literal["activate", "conda", "printed"]


class PlanError(ValueError):
    """Plans contradict each other; the message says why, for people."""


class Pin(msgspec.Struct, frozen=True, kw_only=True):
    """One package at one version, and the files that it is taken from."""

    name: str
    """Normalised as PEP 503 has it."""
    version: str
    """With the local label where the file carries one: "2.9.1+cu126"."""
    hashes: tuple[str, ...] = ()
    """"sha256:…" of every file that serves; () where their index gives none."""
    was: str = ""
    """The version that is there; "" for none."""
    download_bytes: int = 0
    """Of its largest wheel; 0 where nobody tells."""
    via: tuple[str, ...] = ()
    """Who wants it, where the resolver tells; () where it was asked for alone."""

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
    """URL of the one index; "" for the default index that the user's settings name."""
    no_deps: bool = True
    """The pins are the whole of it. False: what they need is resolved before the fetch."""
    reinstall: tuple[str, ...] = ()
    """Names to put in anew though the version is there: another build, or broken files."""


class Remove(Step, frozen=True, kw_only=True, tag="remove"):
    """Uninstall packages."""

    names: tuple[str, ...]


class WriteFile(Step, frozen=True, kw_only=True, tag="write"):
    """Write a text file inside the environment."""

    path: str
    """Relative to the prefix of the environment, with forward slashes."""
    text: str


class DeletePath(Step, frozen=True, kw_only=True, tag="delete"):
    """Delete a file or folder inside the environment: a ~ leftover, metadata of a doubled distribution."""

    path: str
    """Relative to the prefix of the environment, with forward slashes."""
    why: str = ""


class SetEnv(Step, frozen=True, kw_only=True, tag="setenv"):
    """Set or unset an environment variable."""

    name: str
    value: str | None
    """None: the variable is to be unset."""
    where: Place = "activate"
    """activate: scripts of a venv; conda: variables of a conda environment; printed: the user does it."""
    command: str = ""


class Tell(Step, frozen=True, kw_only=True, tag="tell"):
    """A command for the user to run. Doctor prints it and never runs it."""

    command: str
    why: str = ""
    who: Who = "user"


class NewEnvironment(Step, frozen=True, kw_only=True, tag="new"):
    """Create a new virtual environment."""

    path: str
    """Absolute."""
    python: str = ""
    """An interpreter's path, or "3.12"; "" for the one that the doctor runs on."""


class Rebuild(Step, frozen=True, kw_only=True, tag="rebuild"):
    """Make a new environment beside the old one; when it is proved it replaces the old one, under the same path."""

    python: str
    """Path of the interpreter that the new environment is made from."""
    keeps: tuple[str, ...] = ()
    """Distributions whose files are taken over from the old environment, because no index has them."""
    system_site: bool = False
    """The environment also sees the packages of its base interpreter."""


AnyStep = Install | Remove | WriteFile | DeletePath | SetEnv | Tell | NewEnvironment | Rebuild


class Scope(StrEnum):
    """The three rungs of a fix: how much a plan may change. Each is tried only when the one before did not help."""

    SMALLEST = "smallest"
    """As few packages as possible change."""
    DECLARED = "declared"
    """What the user declared or asked for stays; every other package may move."""
    REBUILD = "rebuild"
    """A new environment with what the user declared or asked for replaces the old one."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Steps in their order, what they are for and what they cost."""

    steps: tuple[AnyStep, ...]
    cures: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    asks: dict[str, tuple[str, ...]] = {}
    """Id of a finding, or "new" -> normalised names of the packages that its cure asks for; others come with them."""
    download_bytes: int = 0
    disk_bytes: int = 0
    """What it takes while it runs, the download included."""

    @property
    def id(self) -> str:
        """Name what it changes: the same for the same steps, files and versions, another one for any other change."""
        from hashlib import sha256  # noqa: PLC0415  a check makes no plan

        return sha256(msgspec.json.encode([self.cures, self.changes])).hexdigest()[:16]

    @property
    def changes(self) -> tuple[AnyStep, ...]:
        """Steps that change the environment; the others are told."""
        return tuple(s for s in self.steps if not is_told(s))

    @property
    def told(self) -> tuple[Tell | SetEnv, ...]:
        """Steps that are the user's to do."""
        printed = (s for s in self.steps if is_told(s))
        return tuple(s for s in printed if isinstance(s, Tell | SetEnv))

    @property
    def pins(self) -> tuple[Pin, ...]:
        """Everything that is installed."""
        return tuple(p for s in self.steps if isinstance(s, Install) for p in s.pins)

    @property
    def removed(self) -> tuple[str, ...]:
        """Names of the distributions that are taken out."""
        return tuple(n for s in self.steps if isinstance(s, Remove) for n in s.names)

    @property
    def again(self) -> tuple[str, ...]:
        """Names of the distributions that are put in anew."""
        return tuple(n for s in self.steps if isinstance(s, Install) for n in s.reinstall)

    @property
    def asked(self) -> tuple[str, ...]:
        """Names of the packages that were asked for, each once."""
        return tuple(dict.fromkeys(name for names in self.asks.values() for name in names))

    @property
    def new(self) -> NewEnvironment | None:
        """The environment that it makes; None where it changes one that is there."""
        return next((s for s in self.steps if isinstance(s, NewEnvironment)), None)

    @property
    def rebuild(self) -> Rebuild | None:
        """The step that replaces the whole environment; None where the environment is changed or new."""
        return next((s for s in self.steps if isinstance(s, Rebuild)), None)


def is_told(step: AnyStep) -> bool:
    """Tell whether a step is printed only."""
    return isinstance(step, Tell) or (isinstance(step, SetEnv) and step.where == "printed")


_ORDER = (NewEnvironment, Rebuild, DeletePath, Remove, Install, WriteFile, SetEnv, Tell)


def merge(plans: Iterable[Plan]) -> Plan:
    """Make one plan of several: one Install for each index, torch first, each thing once. Raises PlanError."""
    several = tuple(plans)
    steps = list(dict.fromkeys(s for plan in several for s in plan.steps))
    _agree(steps)
    removed = {n: None for s in steps if isinstance(s, Remove) for n in s.names}
    kept: list[AnyStep] = [s for s in steps if not isinstance(s, (Install, Remove))]
    kept += [Remove(names=tuple(removed))] if removed else []
    kept += _installs([s for s in steps if isinstance(s, Install)])
    kept.sort(key=lambda s: _ORDER.index(type(s)))
    return Plan(
        steps=tuple(kept),
        cures=tuple(dict.fromkeys(c for plan in several for c in plan.cures)),
        reasons=tuple(dict.fromkeys(r for plan in several for r in plan.reasons)),
        asks={id_: names for plan in several for id_, names in plan.asks.items()},
        # equal changes of several plans count once
        download_bytes=sum({plan.changes: plan.download_bytes for plan in several}.values()),
        disk_bytes=sum({plan.changes: plan.disk_bytes for plan in several}.values()),
    )


def _installs(found: list[Install]) -> Iterator[Install]:
    """Join those of one index; the one that holds torch comes first, for the others are checked against it."""
    groups: dict[tuple[str, bool], list[Install]] = {}
    for one in sorted(found, key=lambda one: all(pin.name != "torch" for pin in one.pins)):
        groups.setdefault((one.index, one.no_deps), []).append(one)
    seen: set[str] = set()
    for (index, no_deps), group in groups.items():
        pins: dict[str, Pin] = {}
        for pin in (pin for one in group for pin in one.pins if pin.name not in seen):
            # two plans that agree on a version: the one that knows the hashes is the one to go by
            if pin.name not in pins or not pins[pin.name].hashes:
                pins[pin.name] = pin
        seen |= pins.keys()
        again = tuple(dict.fromkeys(n for one in group for n in one.reinstall))
        if pins:
            yield Install(pins=tuple(pins.values()), index=index, no_deps=no_deps, reinstall=again)


_BUILDS = frozenset({"torch", "torchvision", "torchaudio", "xformers"})
"""Of a pure library any index has the same file; a build of these is its index's own."""


def _agree(steps: list[AnyStep]) -> None:
    wants: dict[str, str] = {}
    said: dict[str, str | None] = {}
    for one, pin in ((s, pin) for s in steps if isinstance(s, Install) for pin in s.pins):
        source = f" from {one.index}" if one.index and pin.name in _BUILDS else ""
        want = f"{pin.name} {pin.version}{source}"
        if (have := wants.setdefault(pin.name, want)) != want:
            _contradict(f"{have} and {want}")
    for step in steps:
        key, value = _said(step)
        if key and said.setdefault(key, value) != value:
            _contradict(f"two values for {key}")
    for name in (n for s in steps if isinstance(s, Remove) for n in s.names if n in wants):
        _contradict(f"{wants[name]} and no {name}")


def _said(step: AnyStep) -> tuple[str, str | None]:
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
    raise PlanError(f"the cures contradict each other: {what}; name one of them with --only")


class Resolve(msgspec.Struct, frozen=True, kw_only=True):
    """A set of libraries that holds these, by the smallest change: which versions, the resolver says."""

    requirements: tuple[str, ...]
    """"peft>=0.18", "torch==2.9.1"; torch alone: the build that fits the machine."""


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """What a fix wants done. Pure data: nothing was asked of an index yet."""

    steps: tuple[AnyStep | Resolve, ...]
    reason: str = ""


Body = TypeVar("Body", bound=Callable[..., Draft | None])


class Fix(msgspec.Struct, frozen=True, kw_only=True):
    """A fix as the registry holds it."""

    id: str
    title: str
    """What it does, as "Install the matching torch build"."""
    cures: tuple[str, ...]
    """Ids of the findings that it is for; (): any whose cure it can carry out, where no other fix does."""
    run: Callable[..., Draft | None]
    """Takes the finding, then the facts that its parameters name; None: it has nothing for this one."""
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
    """Return what a command puts in, pinned; what is put in anew in its version. None where a version is not said."""
    there = {name: packages.version(name) for name in map(name_of, line.requirements)}
    pairs = [exact(r) or (r, there.get(r, "") if line.anew else "") for r in line.requirements]
    if not all(version for _, version in pairs):
        return None
    pins = tuple(Pin(name=name, version=version, was=there[name]) for name, version in pairs)
    again = tuple(pin.name for pin in pins if pin.was or line.anew)
    return Install(pins=pins, index=line.index, reinstall=again)


def variable_of(cure: Cure, interpreter: Interpreter | Unknown | None) -> SetEnv | None:
    """Return the step for a cure that sets or unsets one variable and does nothing else; else None."""
    step = cure.steps[0] if len(cure.steps) == 1 else None
    if not isinstance(step, Variable):
        return None
    kind = interpreter.kind if isinstance(interpreter, Interpreter) else "unknown"
    where: Place = "activate" if kind == "venv" else "conda" if kind == "conda" else "printed"
    return SetEnv(name=step.name, value=step.value, where=where, command=cure.command)


def tell(finding: Finding) -> Draft:
    """Return a draft that only tells the finding's own cure."""
    cure = finding.cure
    step = Tell(command=cure.command, why=finding.cure_note, who=cure.who)
    return Draft(steps=(step,) if cure.kind == "command" else (), reason=finding.found)
