"""Real environments that hold the old packages, and the judge: old, new, or what is wrong."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from libraries.running import state as contents

from transaction.wheels import ALPHA2, BETA1, GAMMA1, pin
from tunedoctor.installers.sources import own
from tunedoctor.installers.tool import Named
from tunedoctor.installers.uv import find_uv
from tunedoctor.model.plan import Install, Plan, Rebuild
from tunedoctor.probes.live import take
from tunedoctor.transaction import apply as module
from tunedoctor.transaction.journal import Journal, Record
from tunedoctor.transaction.outcome import ApplyOptions, Clock, Outcome, Stage
from tunedoctor.transaction.records import faults

OLD = {"alpha": "1.0", "gamma": "1.0"}
NEW = {"alpha": "2.0", "beta": "1.0", "gamma": "1.0"}
QUIET = ApplyOptions()
PLAN = Plan(steps=(Install(pins=(pin(ALPHA2, "1.0"), pin(BETA1))),))
"""The smallest change."""
LARGER = Plan(steps=(Install(pins=(pin(ALPHA2, "1.0"), pin(BETA1), pin(GAMMA1, "1.0"))),))
"""Every package is installed anew in the environment as it is."""
REBUILD = Plan(steps=(Rebuild(python=sys.executable), *LARGER.steps))
"""A new environment with the same packages takes the place of the old one."""


def out(*argv: object, **env: str) -> str:
    ended = subprocess.run(
        [*map(str, argv)], capture_output=True, text=True, check=False, env={**os.environ, **env}
    )
    return (ended.stdout + ended.stderr[-200:]).strip()


def fix(
    target: Path | str,
    plan: Plan = PLAN,
    tool: Named | None = "uv",
    ways: ApplyOptions = QUIET,
    step: Callable[[str], None] = lambda _: None,
    end: str = "",
    why: str = "",
    **more: Any,
) -> Outcome:
    """Carry out a plan, from the sources of the variables; a refusal or a failure gives its reason and a way on.

    `end`: how it has to end, with the stage of a failure ("failed fetch"); `why` is in its reason.
    """
    fresh, before = plan.new is not None, more.pop("before", None)
    before = before or take(None if fresh else str(target), read=not fresh, start=True)
    ways = ways._replace(sources=own(os.environ), installer=tool)
    with stepping(step):
        outcome = module.apply(plan, str(target), before, ways, **more)
    if outcome.end in ("refused", "failed"):
        assert all((outcome.why, outcome.by_hand, *outcome.by_hand)), outcome
    assert f"{outcome.end} {outcome.stage}".startswith(end), outcome
    assert why in outcome.why if why or outcome.end != "applied" else not outcome.why, outcome
    return outcome


def install(env: Path, *pins: str) -> None:
    argv = [find_uv(), "pip", "install", "-q", "--python", str(python(env)), "--no-deps", *pins]
    subprocess.run(argv, check=True, cwd=env.parent)


def python(env: Path) -> Path:
    return env / "bin" / "python"


def site(env: Path) -> Path:
    return next(env.glob("lib/python*/site-packages"))


def copy(template: Path, env: Path) -> Path:
    """Copy an environment; its commands name the copy."""
    shutil.copytree(template, env, symlinks=True)
    for path in (env / "bin").iterdir():
        if path.is_file() and not path.is_symlink():
            data = path.read_bytes()
            path.write_bytes(data.replace(os.fsencode(template), os.fsencode(env)))
            shutil.copystat(template / "bin" / path.name, path)
    return env


def as_conda(prefix: Path) -> Path:
    """Give a prefix what conda keeps: history, variables, and a record of Python after those of conda 24."""
    meta = prefix / "conda-meta"
    meta.mkdir()
    version, build = ".".join(map(str, sys.version_info[:3])), "h955ad1f_0_cpython"
    files = sorted(str(p.relative_to(prefix)) for p in prefix.glob("bin/*"))
    record = {"name": "python", "version": version, "build": build, "files": files}
    (meta / f"python-{version}-{build}.json").write_text(json.dumps(record))
    (meta / "history").write_text("==> 2026-11-25 10:00:00 <==\n# update specs: ['python']\n")
    (meta / "state").write_text('{"env_vars": {"OTHER": "kept"}}')
    return prefix


@contextmanager
def stepping(step: Callable[[str], None]) -> Generator[None]:
    """Call a function with the name of each step of a journal that is on the disk, and of each stage."""
    save, begin = Journal.save, Clock.begin

    def saved(self: Journal, record: Record) -> None:
        save(self, record)
        step(record.step)

    def begun(self: Clock, stage: Stage) -> None:
        begin(self, stage)
        step(stage)

    with patch.object(Journal, "save", saved), patch.object(Clock, "begin", begun):
        yield


def state(env: Path, before: dict[str, object] | None = None) -> str:
    """Return "old" or "new", proved by metadata, RECORD hashes, imports and commands; else what is wrong.

    Where every file is what it was `before`, the state is the old one.
    """
    if before == contents(env):
        return "old"
    folder = site(env)
    wrong = [p.name for p in folder.glob("~*")]
    have: dict[str, str] = {}
    for info in sorted(folder.glob("*.dist-info")):
        name, _, version = info.name.removesuffix(".dist-info").rpartition("-")
        if name not in NEW:
            continue
        wrong += [f"two {name}"] if name in have else []
        have[name] = version
        # commands that were copied name the copy, so that their hashes are those of the template; and alpha 2 brings
        # a file that gamma has too
        fine = (f"{name}-run", f"{name}-say", "both.py of gamma")
        copied = OLD.get(name) == version
        wrong += [f for f in faults(folder, {name}) if not (copied and f.startswith(fine))]
    which = "old" if have == OLD else "new" if have == NEW else f"mixed {have}"
    code = f"for n in {[*have]!r}: m = __import__(n); s = __import__(n + '_single'); print(n, m.__version__, s.version)"
    # -B: versions that come within a second have the same time and size, and bytecode of the old one would count
    said = out(python(env), "-I", "-B", "-c", code)
    if said.split() != [w for n, version in have.items() for w in (n, version, version)]:
        wrong.append(f"imports: {said}")
    for name, version in have.items():
        for path in (env / "bin" / f"{name}-run", env / "bin" / f"{name}-say"):
            if (said := out(path) if path.exists() else "gone") != version:
                wrong.append(f"{path.name}: {said}")
            elif b".doctor-" in path.read_bytes():
                wrong.append(f"{path.name} names the clone")
    return f"{which} but {wrong}" if wrong else which


def beside(env: Path) -> list[str]:
    """Return what lies beside an environment and belongs to transactions."""
    return sorted(p.name for p in env.parent.iterdir() if ".doctor-" in p.name)


@contextmanager
def unchanged(*folders: Path) -> Generator[None]:
    """Hold every file below folders to what it was."""
    before = [*map(contents, folders)]
    yield
    assert [*map(contents, folders)] == before
