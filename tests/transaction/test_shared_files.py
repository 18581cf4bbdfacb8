"""Files that several distributions bring outlive the removal of one of them."""

from pathlib import Path

import pytest

from transaction.conftest import Make
from transaction.environment import PLAN, site
from tunedoctor.installers.tool import Named
from tunedoctor.plan import Plan, Remove
from tunedoctor.transaction.apply import apply
from tunedoctor.transaction.records import Shared
from tunedoctor.transaction.task import Ways
from tunedoctor.transaction.undoing import undo


def installed(folder: Path, name: str, *files: str) -> None:
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "RECORD").write_text("".join(f"{file},sha256=x,1\n" for file in files))
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(file)


def test_only_what_others_bring_too_is_put_back(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    installed(folder, "nvidia_one", "nvidia/__init__.py", "nvidia/one.so", "nvidia/both.so")
    installed(folder, "nvidia_two", "nvidia/__init__.py", "nvidia/two.so", "nvidia/both.so")
    (folder / "bare-1.0.dist-info").mkdir()
    kept = Shared.keep(folder, ["nvidia-one"], tmp_path / "kept")
    assert kept.names == ("nvidia/__init__.py", "nvidia/both.so")
    for name in ("nvidia/__init__.py", "nvidia/one.so"):
        (folder / name).unlink()
    (folder / "nvidia/both.so").write_text("of the new one")
    kept.put_back()
    assert (folder / "nvidia/__init__.py").read_text() == "nvidia/__init__.py"
    assert not (folder / "nvidia/one.so").exists()
    assert (folder / "nvidia/both.so").read_text() == "of the new one"


def test_nothing_shared_makes_no_folder(tmp_path: Path) -> None:
    installed(tmp_path, "one", "one.py")
    installed(tmp_path, "two", "two.py")
    kept = Shared.keep(tmp_path, ["one", "absent"], tmp_path / "kept")
    assert (kept.names, (tmp_path / "kept").exists()) == ((), False)


@pytest.mark.parametrize("tool", ["uv", "pip"])
def test_a_removal_takes_no_file_of_another(make: Make, tool: Named) -> None:
    env = make("pip")
    ways = Ways(checks=())
    assert apply(PLAN, str(env), installer=tool, ways=ways).end == "applied"
    shared = site(env) / "shared" / "both.py"
    before = shared.read_text()
    plan = Plan(steps=(Remove(names=("gamma",)),))
    outcome = apply(plan, str(env), installer=tool, ways=ways)
    assert (outcome.end, outcome.why) == ("applied", "")
    assert not (site(env) / "gamma").exists()
    assert shared.read_text() == before
    assert undo(str(env)).done
    assert shared.read_text() == before
