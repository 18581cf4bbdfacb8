"""The deep probe in real children: rows of packages made for the case, and what is told of them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from planting import plant
from rows import holds, rows, told
from typed import gone, until

import tunedoctor
from tunedoctor.facts import Absent, Runtime, Unknown
from tunedoctor.probes.imports import errors
from tunedoctor.probes.runtime import ScriptLine, ScriptRun, fold, runtime_of
from tunedoctor.system import child

SCRIPT = Path(tunedoctor.__file__).parent / "target" / "start.py"
TORCH = "__version__ = '2.9.1'\nclass version: cuda = None\n"


def run(folder: Path, seconds: str = "20", **files: str) -> Runtime:
    """Run the probe with modules `files` in front of everything else."""
    plant(folder, {f"{name}.py": text for name, text in files.items()})
    # of the test's own environment nothing but these modules is of interest
    environment = {**os.environ, "PYTHONPATH": str(folder), "TUNEDOCTOR_STAGE_SECONDS": seconds}
    found = runtime_of(sys.executable, "3.11.0", environment)
    assert isinstance(found, Runtime), found
    return found


@pytest.mark.parametrize("row", rows("probes/runtime.jsonl"), ids=lambda row: row["name"])
def test_what_is_told(row, tmp_path, monkeypatch):
    packages, work = tmp_path / "packages", tmp_path / "work"
    packages.mkdir()
    work.mkdir()
    monkeypatch.chdir(work)
    (work / "torch.py").write_text("raise OSError('it is searched')")
    found = run(packages, row["seconds"], **row["files"])
    seen = {one.name: [one.outcome, one.error] for one in found.stages}
    for name, wanted in row.get("stages", {}).items():
        assert holds(seen[name][0], wanted[0]), seen
        assert holds(told(seen[name][1], packages), wanted[1]), seen
    assert holds(told(found, packages), row.get("gives", {})), found
    assert not seen.keys() & {*row.get("absent", ())}
    if "place" in row:
        place = f'{packages / "torch.py"}", {row["place"]}'
        assert place in seen["import torch"][1], seen
    assert row.get("last", found.stages[-1].name) == found.stages[-1].name
    if "errors" in row:
        assert holds(told(errors(found), packages), {"errors": row["errors"]})
    if row.get("unsearched"):
        assert not [one for one in (work, SCRIPT.parent) if f"'{one}'" in seen["import torch"][1]]
    assert [p.name for p in packages.iterdir() if p.suffix != ".py"] == [], "nothing is written"


def test_a_flood_of_warnings_is_cut(tmp_path):
    flood = "import warnings\nfor i in range(500): warnings.warn(str(i) * 2000)"
    found = run(tmp_path, torch=TORCH + flood)
    assert len(found.warnings) == 50
    assert max(map(len, found.warnings)) <= 1000


def test_targets_that_do_not_run():
    old = runtime_of("/nowhere/python", "3.7.16", {})
    assert old == Absent(why="running the stack needs Python 3.8; the target has 3.7.16")
    gone = runtime_of("/nowhere/python", "3.12.0", {})
    assert isinstance(gone, Unknown)
    assert "FileNotFoundError" in gone.why
    assert isinstance(runtime_of("/bin/echo", "3.12.0", {}), Unknown)


lines = st.builds(
    ScriptLine,
    begin=st.sampled_from(["", "import torch", "init gpu"]),
    end=st.sampled_from(["", "import torch", "init gpu"]),
    ok=st.booleans(),
    done=st.booleans(),
    error=st.text(),
    warnings=st.lists(st.text()).map(tuple),
)


@given(st.lists(lines), st.lists(st.text()), st.text(), st.integers(0, 64))
def test_any_telling_makes_a_fact(told, words, err, code):
    ended = child.ChildResult("signal", code, "", err, 1.0)
    made = fold([ScriptRun(lines=tuple(told), ended=ended, words=tuple(words))])
    assert len({s.name for s in made.stages}) == len(made.stages)
    errors(made)


def test_the_doctors_death_ends_the_run(tmp_path):
    if not sys.platform.startswith("linux"):
        pytest.skip("the kernel's help is Linux's")
    note = tmp_path / "pid"
    (tmp_path / "torch.py").write_text(
        f"import os, time\nopen({str(note)!r}, 'w').write(str(os.getpid()))\ntime.sleep(120)"
    )
    code = "import os, sys; from tunedoctor.probes.runtime import runtime_of; env = {**os.environ, 'PYTHONPATH': sys.argv[1]}; runtime_of(sys.executable, '3.11.0', env)"
    doctor = subprocess.Popen([sys.executable, "-c", code, tmp_path])
    try:
        pid = int(until(lambda: note.exists() and note.read_text()))
    finally:
        doctor.kill()
        doctor.wait()
    assert gone(pid), "the child outlived the doctor"
