"""What the set is to hold: the core, what is installed of the stack, what the user asks for."""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from tunedoctor.advice.requirements import STACK, STAND_INS, marker_environment, requirements
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


class WantedError(ValueError):
    """What the user asks for can't be read; its text says what belongs there."""


class Wanted(NamedTuple):
    """The question, before the machine and the resolver."""

    roots: tuple[str, ...]
    """Normalised names that the set must hold, torch among them."""
    asked: dict[str, str]
    """Normalised name -> specifier that the user gives; "" for any."""
    installed: dict[str, str]
    """Normalised name -> version without its label, of all that the environment holds."""
    outside: tuple[str, ...] = ()
    """What installed packages outside the set require of those inside, as constraints."""
    owners: tuple[str, ...] = ()
    """Who requires it."""

    @property
    def fresh(self) -> bool:
        """Nothing of the stack is there yet."""
        return not any(name in self.installed for name in ("torch", "transformers", "peft", "trl"))


def asked_for(words: Iterable[str]) -> dict[str, str]:
    """Return name -> specifier of "trl", "transformers<5" … Raises WantedError."""
    from packaging.requirements import InvalidRequirement, Requirement  # noqa: PLC0415

    found: dict[str, str] = {}
    for word in words:
        try:
            one = Requirement(word)
        except InvalidRequirement as error:
            msg = f"{word[:80]!r} is no package: a name belongs there, with versions or without: trl, 'transformers<5'"
            raise WantedError(msg) from error
        if one.url or one.marker or one.extras:
            msg = f"{word[:80]!r} has more than a name and versions: the set is resolved from an index"
            raise WantedError(msg)
        name = normal(one.name)
        found[name] = ",".join(filter(None, (found.get(name, ""), str(one.specifier))))
    return found


def normal(name: str) -> str:
    """Return a name as PEP 503 has it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def wanted(
    asked: Mapping[str, str],
    packages: Packages | None = None,
    interpreter: Interpreter | None = None,
    host: Host | None = None,
) -> Wanted:
    """Return what the set is to hold. What is editable or has no readable version stands outside of it."""
    there = [d for d in (packages.distributions if packages else ()) if pep440(d.version)]
    installed = {d.name: public(d.version) for d in there}
    inside = {d.name for d in there if d.name in _ABOUT and not d.editable}
    fresh = Wanted((), {}, installed).fresh
    base = CORE if fresh else ESSENTIAL
    brought = {other for names in STAND_INS.values() for other in names}
    roots = tuple(
        dict.fromkeys((*base, *sorted(n for n in inside if n not in brought), *sorted(asked)))
    )
    reached = _reached(roots, there, interpreter, host)
    outside, owners = _outside(reached, there, installed, interpreter, host)
    return Wanted(roots, dict(asked), installed, outside, owners)


def public(version: str) -> str:
    """Return a version without its local label."""
    return version.partition("+")[0]


def floors() -> dict[str, str]:
    """Return the oldest version of each package in a set that was seen to train; a resolver never goes below."""
    return {k: v for k, v in table("good_sets")["sets"][0].items() if k not in ("torch", *PAIRED)}


def with_torch(name: str) -> bool:
    """Tell a package that torch alone brings and chooses."""
    return name == "torch" or "triton" in name or name.startswith(("nvidia-", "cuda-"))


def _reached(
    roots: Iterable[str],
    there: list[Distribution],
    interpreter: Interpreter | None,
    host: Host | None,
) -> set[str]:
    """Return the roots and what they require, as installed."""
    by_name = {d.name: d for d in there}
    environment = tuple(marker_environment(interpreter, host).items())
    found: set[str] = set()
    todo = list(roots)
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            owner = by_name.get(name)
            if owner is not None and not owner.editable:
                todo += [other for other, _ in requirements(owner.requires, environment)]
    return found


def _outside(
    reached: set[str],
    there: list[Distribution],
    installed: Mapping[str, str],
    interpreter: Interpreter | None,
    host: Host | None,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what stands outside requires of the set. What does not hold today is not asked for either."""
    environment = tuple(marker_environment(interpreter, host).items())
    lines: list[str] = []
    owners: list[str] = []
    for owner in there:
        if owner.name in reached and not owner.editable:
            continue
        for name, specifier in requirements(owner.requires, environment):
            version = installed.get(name)
            if name in reached and version and specifier and within(version, specifier):
                lines.append(f"{name}{specifier}")
                owners.append(f"{owner.name} {owner.version}")
    return tuple(lines), tuple(dict.fromkeys(owners))
