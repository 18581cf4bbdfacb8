"""How findings on packages put versions, requirements and long causes."""

import re
from collections.abc import Iterable, Mapping

from tunedoctor.versions import narrowed


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
