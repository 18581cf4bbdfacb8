"""How findings on packages put versions, requirements and long causes."""

import re
from collections.abc import Iterable, Mapping


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
    """Join fixes of one package: ">=1.1.0" and ">=1.3.0" give ">=1.1.0,>=1.3.0"."""
    found: dict[str, list[str]] = {}
    for fix in fixes:
        for name, spec in fix.items():
            known = found.setdefault(name, [])
            known += [s for s in spec.split(",") if s != "*" and s not in known]
    return {name: ",".join(specs) or "*" for name, specs in found.items()}
