"""Prefixes that are no venv: a Python of its own, one that conda looks after, and the user's own site-packages."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from transaction.environment import PLAN, beside, contents, install, python, site, state
from transaction.index import Index
from transaction.test_apply import QUIET
from tunedoctor.installers.tool import Named
from tunedoctor.plan import Plan, SetEnv
from tunedoctor.transaction.apply import Ways, apply
from tunedoctor.transaction.undoing import undo

CONSENT = Ways(checks=(), consent=True)
_HEAVY = shutil.ignore_patterns(
    "test",
    "tests",
    "idlelib",
    "tkinter",
    "turtledemo",
    "__pycache__",
    "site-packages",
    "config-*",
    "*.a",
)


@pytest.fixture(scope="module")
def relocated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the interpreter that takes itself for a prefix of its own; with pip."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    source = Path(sys.base_prefix)
    prefix = tmp_path_factory.mktemp("relocated") / "base"
    (prefix / "bin").mkdir(parents=True)
    shutil.copytree(
        source / "lib" / version, prefix / "lib" / version, ignore=_HEAVY, symlinks=True
    )
    for library in source.glob("lib/libpython*"):
        shutil.copy2(library, prefix / "lib", follow_symlinks=False)
    shutil.copy2(Path(source, "bin", version).resolve(), prefix / "bin" / "python")
    (prefix / "lib" / version / "site-packages").mkdir()
    code = "import sys, ensurepip; print(sys.prefix)"
    said = subprocess.run(
        [python(prefix), "-I", "-c", code], capture_output=True, text=True, check=False
    )
    if said.stdout.strip() != str(prefix):
        pytest.skip(f"this Python does not run from elsewhere: {said.stdout}{said.stderr[-200:]}")
    subprocess.run([python(prefix), "-I", "-m", "ensurepip"], check=True, capture_output=True)
    return prefix


@pytest.fixture
def prefix(relocated: Path, tmp_path: Path, index: Index) -> Path:
    """A fresh copy that holds the old packages."""
    folder = tmp_path / "project" / "base"
    shutil.copytree(relocated, folder, symlinks=True, copy_function=os.link)
    install(folder, "alpha==1.0", "gamma==1.0")
    return folder


@pytest.mark.parametrize("tool", ["uv", "pip"])
def test_a_python_of_its_own_is_changed_with_consent_alone(prefix: Path, tool: Named) -> None:
    before = contents(site(prefix))
    refused = apply(PLAN, str(prefix), installer=tool, ways=QUIET)
    assert refused.end == "refused"
    assert "no environment of its own" in refused.why
    assert contents(site(prefix)) == before
    done = apply(PLAN, str(prefix), installer=tool, ways=CONSENT)
    assert (done.end, done.why, done.strategy) == ("applied", "", "stash")
    assert state(prefix) == "new"
    assert undo(str(prefix)).done
    assert contents(site(prefix)) == before
    assert state(prefix) == "old"


def test_what_conda_looks_after_is_backed_up(prefix: Path) -> None:
    (prefix / "conda-meta").mkdir()
    (prefix / "conda-meta" / "history").write_text("")
    (prefix / "conda-meta" / "state").write_text('{"env_vars": {"OTHER": "kept"}}')
    before = contents(prefix)
    steps = (*PLAN.steps, SetEnv(name="HF_HOME", value="/data/hf", where="conda"))
    failed = apply(Plan(steps=steps), str(prefix), ways=Ways(checks=(), smoke=lambda _: "no"))
    assert (failed.end, failed.why) == ("failed", "no")
    assert contents(prefix) == before
    done = apply(Plan(steps=steps), str(prefix), ways=QUIET)
    assert (done.end, done.why, done.strategy) == ("applied", "", "backup")
    assert state(prefix) == "new"
    held = json.loads((prefix / "conda-meta" / "state").read_text())
    assert held == {"env_vars": {"OTHER": "kept", "HF_HOME": "/data/hf"}}
    assert undo(str(prefix)).done
    assert contents(prefix) == before
    assert [n for n in beside(prefix) if n.endswith(".aside")] == []


def test_externally_managed_is_refused_whatever_the_consent(prefix: Path) -> None:
    mark = next(prefix.glob("lib/python*")) / "EXTERNALLY-MANAGED"
    mark.write_text("[externally-managed]\nError=no\n")
    before = contents(prefix)
    outcome = apply(PLAN, str(prefix), ways=CONSENT)
    assert outcome.end == "refused"
    assert "belongs to the system" in outcome.why
    assert contents(prefix) == before
