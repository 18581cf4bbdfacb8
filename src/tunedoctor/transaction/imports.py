"""Import the stack in a state of an environment."""

import os
from collections.abc import Iterable
from pathlib import Path

from tunedoctor.plan import Plan, SetEnv
from tunedoctor.probes.imports import Answer
from tunedoctor.probes.runtime import importing, runtime_of
from tunedoctor.transaction.ground import Ground
from tunedoctor.transaction.records import info_folders, rows
from tunedoctor.versions import normalised

_MOST = 3
"""Modules of one distribution that are imported: the first ones of its name."""
_NO_LIBRARY = frozenset({"test", "tests", "docs", "examples", "benchmarks", "scripts", "setup"})


def imported(
    ground: Ground,
    version: str,
    plan: Plan | None,
    also: Iterable[str],
    *,
    deep: bool,
) -> Answer:
    """Import the stack and the modules of `also` with the interpreter of a ground, as a shell to come would have it.

    `deep`: run it, as `doctor check --deep` does. `plan`: the one whose variables hold in that shell.
    """
    env = dict(os.environ)
    for step in plan.steps if plan else ():
        if isinstance(step, SetEnv) and step.value is None:
            env.pop(step.name, None)
        elif isinstance(step, SetEnv) and step.value is not None:
            env[step.name] = step.value
    return runtime_of(ground.executable, version, env, importing(also, deep=deep))


def modules_of(site: Path, names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return the modules that distributions bring, by normalised name: those that can be imported by it, a few each."""
    found: dict[str, tuple[str, ...]] = {}
    for info in info_folders(site, names):
        name = normalised(info.name.removesuffix(".dist-info").rpartition("-")[0])
        tops = dict.fromkeys(filter(None, (_module(row.name) for row in rows(info))))
        like = name.replace("-", "_")
        # the module of its own name first
        found[name] = tuple(
            [*(t for t in tops if t == like), *(t for t in tops if t != like)][:_MOST]
        )
    return found


def _module(path: str) -> str:
    """Return the module that a file of a RECORD begins: "trl" of trl/__init__.py, "" of others."""
    top, _, rest = path.partition("/")
    if rest == "__init__.py":
        name = top
    elif not rest and top.endswith((".py", ".so", ".pyd")):
        name = top.partition(".")[0]
    else:
        return ""
    good = name.isidentifier() and not name.startswith("_")
    return name if good and name not in _NO_LIBRARY else ""
