"""What the set is to hold: the core, what is installed of the stack, what the user asks for."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from tunedoctor.contracts.requirements import (
    STACK,
    STAND_INS,
    Unmet,
    marker_environment,
    requirements,
    unmet,
)
from tunedoctor.facts import Distribution, Host, Interpreter, Packages
from tunedoctor.tables.load import table
from tunedoctor.versions import pep440, within

CORE = (
    *("torch", "torchvision", "transformers", "tokenizers", "huggingface-hub", "safetensors"),
    *("peft", "trl", "accelerate", "datasets", "bitsandbytes", "numpy"),
)
"""What a set for a fresh environment holds."""

ESSENTIAL = ("torch", "transformers", "accelerate")
"""What an installed environment gets where it lacks it: a Trainer runs with no less."""

OPTIONAL = frozenset({"bitsandbytes"})
"""Left out of a fresh set where it has no wheel for the platform."""

_ABOUT = STACK | {"liger-kernel", "gptqmodel", "autoawq", "vllm", "fsspec", "evaluate"}
"""Installed packages that the set is about; others stay, and what they require of these holds."""

PAIRED = ("torchvision", "torchaudio")
"""Chosen with torch."""

GROUP = ("torch", *PAIRED)
"""What comes from one index."""


class Wanted(NamedTuple):
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
    unmet: tuple[Unmet, ...] = ()
    """What the set's packages, and those that require something of it, do not get."""
    wished: frozenset[str] = frozenset()
    """Names that cures speak of, asked for or not."""
    why: Mapping[str, str] = {}
    """Name -> why its versions are asked for, where a finding does it."""
    beside: str = ""
    """Release of torch that companions which are there were made for."""
    own: tuple[str, ...] = ()
    """Editable installs and those of a commit: no index has them, so they stay and are taken for met."""

    @property
    def fresh(self) -> bool:
        """Nothing of the stack is there yet."""
        return not any(name in self.installed for name in ("torch", "transformers", "peft", "trl"))


def wanted(
    asked: Mapping[str, str],
    packages: Packages | None = None,
    interpreter: Interpreter | None = None,
    host: Host | None = None,
) -> Wanted:
    """Return what the set is to hold. What no index has stands outside of it."""
    there = [d for d in (packages.distributions if packages else ()) if pep440(d.version)]
    environment = marker_environment(interpreter, host)
    installed = {d.name: public(d.version) for d in there}
    own = {d.name for d in there if _own(d) and d.name != "torch"} - set(asked)
    inside = {d.name for d in there if d.name in _ABOUT and d.name not in own}
    base = CORE if Wanted((), {}, installed).fresh else ESSENTIAL
    brought = {other for names in STAND_INS.values() for other in names}
    roots = tuple(
        dict.fromkeys(
            name
            for name in (*base, *sorted(n for n in inside if n not in brought), *sorted(asked))
            if name not in own
        )
    )
    reached = _reached(roots, there, environment)
    needs = {d.name: _needs(d, installed, environment) for d in there}
    aside = {d.name for d in there if d.name not in reached and not with_torch(d.name)} - own
    beside = {d.name for d in there if d.name in aside and reached & {*_required(d, environment)}}
    broken = unmet(packages, interpreter, host, names=inside | beside) if packages else ()
    pairs = (
        pair for d in there if d.name in PAIRED for pair in requirements(d.requires, environment)
    )
    made_for = (spec for name, spec in pairs if name == "torch" and spec.startswith("=="))
    return Wanted(
        roots,
        dict(asked),
        installed,
        tuple(line for name in sorted(own) for line in needs[name]),
        {name: needs[name] for name in sorted(aside)},
        needs,
        tuple(one for one in broken if not with_torch(one.name)),
        beside=next(made_for, "").removeprefix("=="),
        own=tuple(sorted(own)),
    )


def said(one: Unmet) -> str:
    """Return in words what an installed package does not get."""
    there = public(one.installed)
    state = f"{one.name} {there} is installed" if there else "it is not there"
    return f"{one.owner.name} {public(one.owner.version)} needs {one.wanted}, and {state}"


def _required(one: Distribution, environment: Mapping[str, str]) -> Iterator[str]:
    return (name for name, _ in requirements(one.requires, environment))


def put_outside(want: Wanted, name: str) -> Wanted:
    """Return the question with an installed package left as it is: it isn't resolved, and what it requires holds."""
    return want._replace(
        roots=tuple(n for n in want.roots if n != name),
        limits=(*want.limits, *want.needs.get(name, ())),
    )


def _own(one: Distribution) -> bool:
    """Tell an install that no index has: editable, or of a commit. It stays as it is."""
    version = pep440(one.version)
    return one.editable or (version is not None and version.is_devrelease)


def _needs(
    owner: Distribution, installed: Mapping[str, str], environment: Mapping[str, str]
) -> tuple[str, ...]:
    """Return what is required and met, as constraints. What does not hold today is not asked for."""
    return tuple(
        f"{name}{specifier}"
        for name, specifier in requirements(owner.requires, environment)
        if specifier and name in installed and within(installed[name], specifier)
    )


def public(version: str) -> str:
    """Return a version without its local label."""
    return version.partition("+")[0]


def floors() -> dict[str, str]:
    """Return the oldest version of each package in a set that was seen to train; a resolver never goes below."""
    return {
        k: v
        for k, v in table("good_sets")["sets"][0].items()
        if k not in ("python", "torch", *PAIRED)
    }


def with_torch(name: str) -> bool:
    """Tell a package that torch alone brings and chooses."""
    return name == "torch" or "triton" in name or name.startswith(("nvidia-", "cuda-"))


def _reached(
    roots: Iterable[str], there: list[Distribution], environment: Mapping[str, str]
) -> set[str]:
    """Return the roots and what they require, as installed."""
    by_name = {d.name: d for d in there}
    found: set[str] = set()
    todo = list(roots)
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            owner = by_name.get(name)
            if owner is not None and not _own(owner):
                todo += _required(owner, environment)
    return found
