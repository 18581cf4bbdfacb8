"""Import the stack in a state of an environment, and hold what dies against the state before."""

import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from tunedoctor.clean import clean_text
from tunedoctor.facts import Absent, Errors, Runtime, Stage, Unknown
from tunedoctor.plan import Plan, SetEnv
from tunedoctor.probes.errors import errors
from tunedoctor.probes.runtime import importing, runtime_of
from tunedoctor.snapshot import Snapshot
from tunedoctor.transaction.ground import Ground
from tunedoctor.transaction.records import info_folders, rows
from tunedoctor.versions import normalised

Answer = Runtime | Absent | Unknown
_MOST = 3
"""Modules of one distribution that are imported: the first ones of its name."""
_NO_LIBRARY = frozenset({"test", "tests", "docs", "examples", "benchmarks", "scripts", "setup"})
_DEAD = ("failed", "crashed", "hung")


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


def with_imports(snapshot: Snapshot, answer: Answer) -> Snapshot:
    """Return a snapshot that knows what an import told."""
    said: Errors | Absent | Unknown
    said = errors(answer) if isinstance(answer, Runtime) else answer
    return Snapshot(
        {**snapshot.answers(), Runtime: answer, Errors: said},
        taken=snapshot.taken,
        doctor=snapshot.doctor,
    )


def deaths(answer: Answer) -> dict[str, Stage]:
    """Return the stages in which a library did not come up, by name; {} where nobody could tell."""
    stages = answer.stages if isinstance(answer, Runtime) else ()
    return {one.name: one for one in stages if _is_import(one) and one.outcome in _DEAD}


def _is_import(stage: Stage) -> bool:
    """Tell stages of imports, late ones too, from those of computing."""
    first = stage.name.partition(" ")[0]
    return first not in (
        "torch",
        "numpy",
        "tensor",
        "init",
        "device",
        "matmul",
        "attention",
        "compile",
    )


def module_of(stage: str) -> str:
    """Return the module that a stage is about: "trl" of "import trl" and of "trl SFTTrainer"."""
    return stage.removeprefix("import ").partition(" ")[0]


def worse(before: Answer, after: Answer) -> list[str]:
    """Return what came up before and does not now, one sentence each; what was not tried before accuses nobody."""
    if not isinstance(before, Runtime):
        return []
    good = {one.name for one in before.stages if one.outcome == "ok"}
    return [
        f"{name} dies, which it did not before: {last(stage)}"
        for name, stage in deaths(after).items()
        if name in good
    ]


def last(stage: Stage) -> str:
    """Return the line that says why a stage ended."""
    lines = [one for one in stage.error.splitlines() if one.strip() and not one.startswith("  ")]
    return clean_text((lines[0] if lines else stage.error.strip() or stage.outcome)[:200])


def unheld(
    asks: Mapping[str, Collection[str]],
    dead: Mapping[str, Stage],
    also: Mapping[str, tuple[str, ...]],
) -> dict[str, str]:
    """Return the findings whose own library still does not come up, with the sentence that says so."""
    found: dict[str, str] = {}
    for id_, names in asks.items():
        modules = {m for name in names for m in also.get(name, ())}
        for name, stage in dead.items():
            if module_of(name) in modules:
                found.setdefault(id_, f"{name} still dies: {last(stage)}")
    return found


def up(answer: Answer) -> tuple[str, ...]:
    """Return the modules that came up."""
    stages = answer.stages if isinstance(answer, Runtime) else ()
    down = {module_of(name) for name in deaths(answer)}
    names = (
        module_of(s.name) for s in stages if s.outcome == "ok" and s.name.startswith("import ")
    )
    return tuple(name for name in names if name not in down)
