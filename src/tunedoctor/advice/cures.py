"""How findings on packages put versions, requirements and long causes."""

import re
from collections.abc import Iterable, Mapping, Sequence

from tunedoctor.facts import Packages
from tunedoctor.versions import narrowed, within


def pinned(requirements: dict[str, str]) -> tuple[str, ...]:
    """Return {"peft": ">=0.18.0", "requests": "*"} as pip takes it."""
    return tuple(name + ("" if spec == "*" else spec) for name, spec in requirements.items())


def brief(cause: str) -> str:
    """Return the first clause of a long cause: what follows a semicolon or a full stop is for the table."""
    first = re.split(r";\s|\.\s|, so (?=`)", cause, maxsplit=1)[0].strip().rstrip(".")
    return first if len(first) <= _LONGEST else first[: _LONGEST - 1].rstrip() + "…"


_LONGEST = 160


def together(versions: Mapping[str, str]) -> str:
    """Return "peft 0.17.1 with transformers 5.24.0"; names alone where no version is known."""
    named = [f"{name} {version}".strip() for name, version in versions.items()]
    return " with ".join([named[0], " and ".join(named[1:])]) if len(named) > 1 else "".join(named)


def merged(fixes: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Join fixes of one package: ">=1.1.0" and ">=1.3.0" give ">=1.3.0"; what can't be met stays."""
    found: dict[str, list[str]] = {}
    for fix in fixes:
        for name, spec in fix.items():
            found.setdefault(name, []).append(spec if spec != "*" else "")
    joined = {name: ",".join(dict.fromkeys(filter(None, specs))) for name, specs in found.items()}
    return {name: (narrowed([spec]) or spec) or "*" for name, spec in joined.items()}


_Fix = tuple[Mapping[str, str], frozenset[str]]
"""Ranges by name, and the libraries whose present release asks for them."""


def lasting(fixes: Sequence[_Fix], packages: Packages | None) -> dict[str, str]:
    """Join fixes. What was said of a release falls away where another fix moves that library to another release."""
    pending, kept = list(fixes), list[_Fix]()
    while pending:
        free = [
            one
            for one in pending
            if not any(_moves(other, one, packages) for other in pending if other is not one)
        ] or pending[:1]
        kept += free
        pending = [
            one
            for one in pending
            if one not in free and not any(_moves(other, one, packages) for other in free)
        ]
    return merged(fix for fix, _ in kept)


def _moves(one: _Fix, other: _Fix, packages: Packages | None) -> bool:
    """Tell whether `one` takes away a release on which `other` rests."""
    return packages is not None and any(
        within(packages.version(name), one[0][name].replace("*", "")) is False
        for name in other[1] & one[0].keys()
    )
