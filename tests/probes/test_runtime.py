"""The runtime probe on real children with packages made for the case, and its pure parts."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunedoctor import child
from tunedoctor.facts import Absent, Errors, Runtime, Stage, Unknown
from tunedoctor.probes.imports import errors
from tunedoctor.probes.runtime import Line, Run, fold, runtime_of

POSIX = pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")

TORCH = "__version__ = '2.9.1'\nclass version: cuda = None\n"
CRASH = "import ctypes\ndef fall(): ctypes.string_at(0)\nfall()\n"


def run(folder: Path, seconds: str = "20", **files: str) -> Runtime:
    """Run the probe with modules `files` in front of everything else."""
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    # of the test's own environment nothing but these modules is of interest
    environment = {**os.environ, "PYTHONPATH": str(folder), "TUNEDOCTOR_STAGE_SECONDS": seconds}
    found = runtime_of(sys.executable, "3.11.0", environment)
    assert isinstance(found, Runtime), found
    return found


def outcomes(found: Runtime) -> dict[str, str]:
    """Return stage -> outcome."""
    return {stage.name: stage.outcome for stage in found.stages}


def stage(found: Runtime, name: str) -> Stage:
    """Return a stage that must be there."""
    one = found.stage(name)
    assert one is not None, found.stages
    return one


@POSIX
def test_a_crash_at_import_torch_is_told_with_its_place_and_not_tried_again(tmp_path: Path) -> None:
    found = run(tmp_path, torch=CRASH, tokenizers="")
    broken = stage(found, "import torch")
    assert broken.outcome == "crashed"
    assert broken.error.splitlines()[0] == "signal SIGSEGV"
    assert f'{tmp_path / "torch.py"}", line 2 in fall' in broken.error
    assert found.stages[-1] == broken


@pytest.mark.parametrize(
    ("code", "seconds", "outcome"),
    [
        pytest.param(CRASH, "20", "crashed", marks=POSIX),
        ("import time; time.sleep(120)", "0.5", "hung"),
    ],
)
def test_after_a_death_later_stages_are_told_as_well(
    tmp_path: Path, code: str, seconds: str, outcome: str
) -> None:
    found = run(tmp_path, seconds, torch=TORCH, safetensors=code, tokenizers="", huggingface_hub="")
    told = outcomes(found)
    assert told["import safetensors"] == outcome
    assert told["import tokenizers"] == told["import huggingface_hub"] == "ok"
    assert found.torch_version == "2.9.1"


def test_a_library_that_ends_the_process_is_told(tmp_path: Path) -> None:
    text = "import os, sys\nprint('no licence', file=sys.stderr, flush=True)\nos._exit(7)"
    found = run(tmp_path, torch=TORCH, safetensors=text, huggingface_hub="")
    broken = stage(found, "import safetensors")
    assert broken.outcome == "crashed"
    assert broken.error == "exit status 7\n  no licence"
    assert outcomes(found)["import huggingface_hub"] == "ok"


def test_what_is_printed_is_among_the_warnings_and_a_flood_is_cut(tmp_path: Path) -> None:
    printed = "import sys, warnings\nprint('Disabling\\nx\\n\\nsecond', file=sys.stderr)\n"
    found = run(tmp_path, torch=f"{TORCH}{printed}warnings.warn('w')")
    assert found.warnings == ("UserWarning: w", "Disabling\nx", "second")
    flood = "import warnings\nfor i in range(500): warnings.warn(str(i) * 2000)"
    found = run(tmp_path, torch=TORCH + flood)
    assert len(found.warnings) == 50
    assert max(map(len, found.warnings)) <= 1000


def test_targets_that_do_not_run() -> None:
    old = runtime_of("/nowhere/python", "3.7.16", {})
    assert old == Absent(why="running the stack needs Python 3.8; the target has 3.7.16")
    gone = runtime_of("/nowhere/python", "3.12.0", {})
    assert isinstance(gone, Unknown)
    assert "FileNotFoundError" in gone.why
    assert isinstance(runtime_of("/bin/echo", "3.12.0", {}), Unknown)


def test_errors_are_those_of_failed_stages_without_frames(tmp_path: Path) -> None:
    torch = "try:\n    import nothing_here\nexcept ImportError as e:\n    raise RuntimeError('first\\nsecond') from e"
    found = run(tmp_path, torch=torch, tokenizers="raise OSError('libx.so.1: cannot open')")
    told = errors(found)
    assert isinstance(told, Errors)
    assert [(e.where, e.text) for e in told.errors] == [
        ("import torch", "ModuleNotFoundError: No module named 'nothing_here'"),
        ("import torch", "RuntimeError: first\nsecond"),
        ("import tokenizers", "OSError: libx.so.1: cannot open"),
    ]


ENDED = child.Ended("signal", 11, "", "", 1.0)


lines = st.builds(
    Line,
    begin=st.sampled_from(["", "import torch", "init gpu"]),
    end=st.sampled_from(["", "import torch", "init gpu"]),
    ok=st.booleans(),
    done=st.booleans(),
    error=st.text(),
    warnings=st.lists(st.text()).map(tuple),
)


@given(st.lists(lines), st.lists(st.text()), st.text(), st.integers(0, 64))
def test_any_telling_makes_a_fact(told: list[Line], words: list[str], err: str, code: int) -> None:
    ended = child.Ended("signal", code, "", err, 1.0)
    made = fold([Run(lines=tuple(told), ended=ended, words=tuple(words))])
    assert len({s.name for s in made.stages}) == len(made.stages)
    errors(made)


@POSIX
def test_the_doctors_death_ends_the_run(tmp_path: Path) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("the kernel's help is Linux's")
    note = tmp_path / "pid"
    (tmp_path / "torch.py").write_text(
        f"import os, time\nopen({str(note)!r}, 'w').write(str(os.getpid()))\ntime.sleep(120)"
    )
    doctor = os.fork()
    if doctor == 0:
        runtime_of(sys.executable, "3.11.0", {**os.environ, "PYTHONPATH": str(tmp_path)})
        os._exit(0)
    try:
        pid = wait_for(note)
    finally:
        os.kill(doctor, signal.SIGKILL)
        os.waitpid(doctor, 0)
    for _ in range(100):
        state = Path(f"/proc/{pid}/stat")
        if not state.exists() or state.read_text().rsplit(")", 1)[1].split()[0] == "Z":
            return
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    pytest.fail("the child outlived the doctor")


def wait_for(note: Path) -> int:
    """Return the number that a child writes."""
    for _ in range(200):
        if note.exists() and note.read_text():
            return int(note.read_text())
        time.sleep(0.05)
    pytest.fail("the child wrote no number")
