"""When releases came out, as the index tells the resolver: the younger package of a pair gives way first."""

import tomllib
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime

from tunedoctor.installers.uv import Outcome, Question, Solved

Ages = dict[str, str]
"""Normalised name -> day of the release: "2026-10-15"; one that nobody knows is left out."""


def ages(
    installed: Mapping[str, str], question: Question, resolve: Callable[[Question], Outcome]
) -> Ages:
    """Ask for the files of installed versions, which tell their upload time; {} where the index does not tell.

    `question` gives Python, platform and the like.
    """
    pins = tuple(f"{name}=={version}" for name, version in installed.items())
    if not pins:
        return {}
    answer = resolve(
        question._replace(
            requirements=pins, constraints=(), preferred=(), dependencies=False, dated=True
        )
    )
    return uploaded(answer.text) if isinstance(answer, Solved) else {}


def uploaded(lock: str) -> Ages:
    """Return the first upload of each package of a pylock.toml; {} where it can't be read."""
    try:
        packages = tomllib.loads(lock).get("packages", [])
    except tomllib.TOMLDecodeError:
        return {}
    found: Ages = {}
    for one in packages if isinstance(packages, list) else []:
        if not isinstance(one, dict):
            continue
        wheels = one.get("wheels")
        files = [*(wheels if isinstance(wheels, list) else []), one.get("sdist")]
        times = [f.get("upload-time") for f in files if isinstance(f, dict)]
        days = [
            str(t.date() if isinstance(t, datetime) else t) for t in times if isinstance(t, date)
        ]
        if days and isinstance(one.get("name"), str):
            found[one["name"]] = min(days)
    return found


def younger_first(names: Iterable[str], known: Ages) -> list[str]:
    """Sort names: the youngest release first; those whose age isn't known keep their place after them."""
    order = list(names)
    dated = [n for n in order if n in known]
    return sorted(dated, key=lambda n: known[n], reverse=True) + [
        n for n in order if n not in known
    ]
