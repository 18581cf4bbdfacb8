"""Choose what the set must contain: the core, the installed stack, the user's requests, and the build of torch."""

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from tunedoctor.contracts import requirements
from tunedoctor.facts import Distribution, Host, Interpreter, Packages, TorchBuild
from tunedoctor.installers.sources import Ban
from tunedoctor.model.machine import Machine
from tunedoctor.model.plan import Scope
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.model.versions import normalised, pep440, within
from tunedoctor.tables.load import table
from tunedoctor.tables.wheels import releases
from tunedoctor.wheels.choose import choose_nearest
from tunedoctor.wheels.commands import labels_of
from tunedoctor.wheels.pick import Alternative, Build, Choice, allowed
from tunedoctor.wheels.situation import label_of

if TYPE_CHECKING:
    from tunedoctor.planning.planner import Planned
    from tunedoctor.planning.roots import Roots

CORE = (
    *("torch", "torchvision", "transformers", "tokenizers", "huggingface-hub", "safetensors"),
    *("peft", "trl", "accelerate", "datasets", "bitsandbytes", "numpy"),
)
"""What a set for a fresh environment holds."""

ESSENTIAL = ("torch", "transformers", "accelerate")
"""What an installed environment gets where it lacks it: a Trainer runs with no less."""

_ABOUT = requirements.STACK | {"liger-kernel", "gptqmodel", "autoawq", "vllm", "fsspec", "evaluate"}
"""Installed packages that the set is about; others stay, and what they require of these holds."""

PAIRED = ("torchvision", "torchaudio")
"""Chosen with torch."""

GROUP = ("torch", *PAIRED)
"""What comes from one index."""


class NoPlanError(Exception):
    """There is no plan; the message says why in one sentence, `by_hand` what gets the user further.

    A `ban` is what keeps resolver and index from an answer.
    """

    def __init__(  # noqa: PLR0913  what a refusal can say
        self,
        why: str,
        *by_hand: str,
        ban: Ban | None = None,
        details: str = "",
        silent: bool = False,
        partly: bool = False,
        final: bool = False,
        tried: "Planned | None" = None,
        source_only: Mapping[str, str] | None = None,
    ) -> None:
        self.why = ban.explain(why) if ban else why
        super().__init__(self.why)
        self.by_hand = (ban.lift_command, *by_hand) if ban else by_hand
        self.details = details
        self.silent = silent
        """No source answered: another machine can fetch what this one lacks."""
        self.partly = partly or silent
        """A source that would be needed did not answer: it says nothing about the packages."""
        self.final = final
        """No larger scope ends otherwise: another tool keeps the environment."""
        self.tried = tried
        """The set that came nearest."""
        self.source_only = dict(source_only or {})
        """Packages that the sources have as source alone, with their newest version."""


def parse_requests(words: Iterable[str]) -> dict[str, str]:
    """Return name -> specifier of "trl", "transformers<5" … Raises RefusedError, which says what belongs there."""
    from packaging.requirements import InvalidRequirement, Requirement  # noqa: PLC0415

    specifiers: dict[str, str] = {}
    for word in words:
        try:
            parsed = Requirement(word)
        except InvalidRequirement as error:
            msg = f"{word[:80]!r} is not a package; give a name, with versions or without: trl, 'transformers<5'"
            raise NoPlanError(msg) from error
        if parsed.url or parsed.marker or parsed.extras:
            msg = f"{word[:80]!r} has more than a name and versions, but the set is resolved from an index"
            raise NoPlanError(msg)
        name = normalised(parsed.name)
        specifiers[name] = ",".join(filter(None, (specifiers.get(name, ""), str(parsed.specifier))))
    return specifiers


class SetRequest(NamedTuple):
    """The question, before the machine and the resolver."""

    roots: tuple[str, ...]
    """Normalised names that the set must hold, torch among them."""
    asked: dict[str, str]
    """Normalised name -> specifier that the user gives; "" for any."""
    installed: dict[str, str]
    """Normalised name -> version without its label, of all that the environment holds."""
    limits: tuple[str, ...] = ()
    """What holds in any case, as constraints: what those require that stay as they are."""
    outside: dict[str, tuple[str, ...]] = {}
    """Installed package that the set is not about -> what it requires of others that are there, and gets."""
    needs: dict[str, tuple[str, ...]] = {}
    """The same of all that is installed."""
    unmet: tuple[requirements.Unmet, ...] = ()
    """What those that stand outside do not get."""
    wished: frozenset[str] = frozenset()
    """Names that cures speak of, asked for or not."""
    why: Mapping[str, str] = {}
    """Name -> why its versions are asked for, where a finding does it."""
    beside: str = ""
    """Release of torch that companions which are there were made for."""
    scope: Scope = Scope.SMALLEST
    preferred: Mapping[str, str] = {}
    """Above the smallest scope: name -> the version that stays where it can. Every other package may move."""
    own: tuple[str, ...] = ()
    """Editable installs and those of a commit: no index has them, so they stay and are taken for met."""

    @property
    def fresh(self) -> bool:
        """True if nothing of the stack is installed yet."""
        return not any(name in self.installed for name in ("torch", "transformers", "peft", "trl"))


def set_request(requests: Mapping[str, str], snapshot: Snapshot) -> SetRequest:
    """Return the contents of the set. Packages that no index has are not part of it."""
    packages, interpreter = snapshot.find(Packages), snapshot.find(Interpreter)
    host = snapshot.find(Host)
    distributions = {
        d.name: d for d in (packages.distributions if packages else ()) if pep440(d.version)
    }
    environment = requirements.marker_environment(interpreter, host)
    requires = {
        n: [*requirements.requirements(d.requires, environment)] for n, d in distributions.items()
    }
    installed = {n: public(d.version) for n, d in distributions.items()}
    local_names = {n for n, d in distributions.items() if is_local(d) and n != "torch"} - {
        *requests
    }
    stack_names = {n for n in distributions if n in _ABOUT} - local_names
    base = CORE if SetRequest((), {}, installed).fresh else ESSENTIAL
    stand_ins = {other for names in requirements.STAND_INS.values() for other in names}
    names = (*base, *sorted(stack_names - stand_ins), *sorted(requests))
    roots = tuple(dict.fromkeys(name for name in names if name not in local_names))
    reachable, todo = set[str](), [*roots]
    while todo:
        if (name := todo.pop()) not in reachable:
            reachable.add(name)
            todo += [] if name in local_names else [n for n, _ in requires.get(name, ())]
    # what is required and met; what does not hold today is not asked for
    needs = {
        owner: tuple(
            f"{n}{s}" for n, s in pairs if s and n in distributions and within(installed[n], s)
        )
        for owner, pairs in requires.items()
    }
    unrelated = {n for n in distributions if n not in reachable and not with_torch(n)} - local_names
    limiting = {n for n in unrelated if reachable & {name for name, _ in requires[n]}}
    broken = requirements.unmet(packages, interpreter, host, names=limiting) if packages else ()
    pairs = [pair for name in PAIRED for pair in requires.get(name, ())]
    return SetRequest(
        roots,
        dict(requests),
        installed,
        tuple(line for name in sorted(local_names) for line in needs[name]),
        {name: needs[name] for name in sorted(unrelated)},
        needs,
        tuple(unmet for unmet in broken if not with_torch(unmet.name)),
        beside=next((s[2:] for n, s in pairs if n == "torch" and s.startswith("==")), ""),
        own=tuple(sorted(local_names)),
    )


def set_request_of_roots(
    requests: Mapping[str, str], snapshot: Snapshot, roots: "Roots", scope: Scope
) -> SetRequest:
    """Return the contents of the set if every package except the roots may change."""
    names = dict(roots.ranges)
    for name, range_ in requests.items():
        names[name] = ",".join(filter(None, (names.get(name, ""), range_)))
    want = set_request(names, snapshot)
    return want._replace(
        roots=tuple(dict.fromkeys(("torch", *names))),
        outside={},
        unmet=(),
        scope=scope,
        preferred=roots.preferred,
        # here, what local builds require is among the requirements
        limits=(),
    )


def unmet_text(unmet: requirements.Unmet) -> str:
    """Return in words what an installed package does not get."""
    installed_version = public(unmet.installed)
    state = (
        f"{unmet.name} {installed_version} is installed"
        if installed_version
        else "it is not installed"
    )
    return (
        f"{unmet.owner.name} {public(unmet.owner.version)} needs {unmet.requirement}, but {state}"
    )


def exclude_package(want: SetRequest, name: str) -> SetRequest:
    """Return the question with an installed package unchanged: it isn't resolved, but its requirements apply."""
    roots, needs = (n for n in want.roots if n != name), want.needs.get(name, ())
    return want._replace(roots=tuple(roots), limits=(*want.limits, *needs))


def is_local(distribution: Distribution) -> bool:
    """Return whether no index has an installed package: it is editable, or built from a commit. It stays as it is."""
    version = pep440(distribution.version)
    return distribution.editable or (version is not None and version.is_devrelease)


def public(version: str) -> str:
    """Return a version without its local label."""
    return version.partition("+")[0]


def floors() -> dict[str, str]:
    """Return the oldest version of each package in a set that was seen to train; a resolver never goes below."""
    oldest = table("good_sets")["sets"][0].items()
    return {name: v for name, v in oldest if name not in ("python", *GROUP)}


def with_torch(name: str) -> bool:
    """Return whether a package is torch or one that only torch requires and pins."""
    return name == "torch" or "triton" in name or name.startswith(("nvidia-", "cuda-"))


class TorchPick(NamedTuple):
    """A build for the set."""

    version: str
    """Without label."""
    variant: str
    """"" for a kept build that does not tell."""
    torchvision: str = ""
    """Release that goes with it; "" where the resolver chooses."""
    torchaudio: str = ""
    index_url: str = ""
    """URL of the wheel index, "" for the default one."""
    kept: bool = False
    why: str = ""
    stand_in: str = ""
    """Release whose metadata stand in for those of a build that no index has: a nightly, a vendor's own."""

    @property
    def label(self) -> str:
        """The version as installed from an index of PyTorch's: "2.14.1+cu126"."""
        labelled = self.variant and self.variant != "mps" and self.index_url
        return f"{self.version}+{self.variant}" if labelled else self.version

    def labels(self, machine: Machine) -> dict[str, str]:
        """Return torch and its companions -> the local label of the files that are taken."""
        if self.label == self.version:
            return dict.fromkeys(GROUP, "")
        return labels_of(Build(self.version, self.variant), machine, default=not self.index_url)


def torch_pick(
    machine: Machine,
    installed: TorchBuild | None = None,
    specifier: str = "",
    companion_release: str = "",
) -> TorchPick | NoPlanError:
    """Return the build for a machine that is nearest to the installed one, or why none fits.

    `specifier` is a range of releases, `companion_release` the release that companions were made for. If no build for
    this machine has the requested label, the label is ignored and the release is taken in an available variant.
    """
    restricted = replace(machine, torch=",".join(filter(None, (machine.torch, specifier))))
    pick = _of(
        *choose_nearest(restricted, label_of(installed) if installed else "", companion_release)
    )
    if isinstance(pick, NoPlanError) and "+" in specifier:
        return torch_pick(machine, installed, _LABEL.sub("", specifier), companion_release)
    return pick


_LABEL = re.compile(r"\+[\w.]+")


def _alternative_text(other: Alternative) -> str:
    return f"use torch {other.build} {other.after}".strip()


def _of(choice: Choice, kept: bool) -> TorchPick | NoPlanError:  # noqa: FBT001  as near gives it
    """Return the build of a choice; a build for only some of the GPUs counts too, and its reason says so."""
    build = choice.build
    if build is None:
        why = f"no PyTorch build fits this machine: {'; '.join(choice.reasons[:2])}"
        return NoPlanError(why, *(_alternative_text(o) for o in choice.alternatives[:1]))
    release, index = build.torch_version, choice.index if choice.index.startswith("http") else ""
    if kept:
        # the newest release of the table that is no newer; the oldest one where none is
        have, known_releases = pep440(release), releases()
        older = (
            known_release
            for known_release in known_releases
            if have is not None and known_release.parsed <= have
        )
        stand_in = "" if allowed(f"=={release}") else next(older, known_releases[-1]).version
        return TorchPick(release, build.variant, index_url=index, kept=True, stand_in=stand_in)
    companions = choice.torchvision, choice.torchaudio
    return TorchPick(release, build.variant, *companions, index, why="".join(choice.reasons[:1]))
