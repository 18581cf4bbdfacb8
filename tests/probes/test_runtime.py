"""The deep probe in real children: packages made for the case, and what is told of them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from planting import plant
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


@pytest.fixture
def probe(tmp_path, monkeypatch):
    """Return a function that runs the probe with modules, and checks that it writes nothing."""
    packages, work = tmp_path / "packages", tmp_path / "work"
    packages.mkdir()
    work.mkdir()
    monkeypatch.chdir(work)
    (work / "torch.py").write_text("raise OSError('it is searched')")

    def probe_modules(seconds: str = "20", **files: str) -> Runtime:
        result = run(packages, seconds, **files)
        assert [p.name for p in packages.iterdir() if p.suffix != ".py"] == []
        return result

    return probe_modules


def stages_of(result: Runtime) -> dict[str, tuple[str, str]]:
    return {one.name: (one.outcome, one.error) for one in result.stages}


FALLING = "import ctypes\ndef fall(): ctypes.string_at(0)\nfall()\n"


def test_a_missing_torch_is_a_failed_import(probe):
    outcome, error = stages_of(probe())["import torch"]
    assert outcome == "failed"
    assert "No module named 'torch'" in error


def test_what_torch_says_of_itself_is_kept(probe):
    result = probe(
        torch=(
            '__version__ = "2.6.0+cu124"\n'
            'class version: cuda = "12.4"; hip = None\n'
            "class cuda:\n"
            "    is_available = staticmethod(lambda: True)\n"
            "    device_count = staticmethod(lambda: 1)\n"
            '    get_device_name = staticmethod(lambda i=0: "NVIDIA GeForce RTX 5090")\n'
            "    get_device_capability = staticmethod(lambda i=0: (12, 0))\n"
            '    get_arch_list = staticmethod(lambda: ["sm_50", "sm_90"])\n'
        )
    )
    assert (result.torch_version, result.torch_cuda) == ("2.6.0+cu124", "12.4")
    assert result.gpu_available is True
    assert result.archs == ("sm_50", "sm_90")
    (device,) = result.devices
    assert (device.kind, device.name) == ("cuda", "NVIDIA GeForce RTX 5090")
    assert (device.compute_capability, device.bf16) == ("12.0", True)
    outcome, error = stages_of(result)["matmul cuda:0 float16"]
    assert outcome == "skipped"
    assert "torch 2.6.0+cu124 has no float16" in error


@pytest.mark.parametrize("answer", ["None", "'x'", "[]", "object()", "(1,)", "-1", "10**9"])
def test_a_torch_may_answer_anything(answer, probe):
    result = probe(
        torch=(
            f"__version__ = {answer}\n"
            f"class version: cuda = hip = {answer}\n"
            "class cuda:\n"
            "    is_available = staticmethod(lambda: 1)\n"
            "    device_count = staticmethod(lambda: 1)\n"
            f"    get_arch_list = staticmethod(lambda: {answer})\n"
            f"    get_device_name = staticmethod(lambda *a: {answer})\n"
            f"    get_device_capability = staticmethod(lambda *a: {answer})\n"
            f"    get_device_properties = staticmethod(lambda *a: {answer})\n"
        )
    )
    assert stages_of(result)["device cuda:0"] == ("ok", "")


@pytest.mark.parametrize(
    "code",
    [
        "raise SystemExit(3)",
        "raise KeyboardInterrupt",
        "class E(Exception):\n    def __str__(self): raise OSError('bad')\nraise E",
    ],
)
def test_an_import_that_wants_to_end_the_process_is_a_failed_import(code, probe):
    stages = stages_of(probe(torch=code, tokenizers=""))
    assert stages["import torch"][0] == "failed"
    assert stages["import tokenizers"] == ("ok", "")


def test_prints_of_an_import_do_not_mix_with_the_answers(probe):
    result = probe(
        torch=(
            f"{TORCH}import os, sys, warnings\n"
            'print(\'{"begin": "x"}\')\n'
            "os.write(1, b'raw')\n"
            "print('Disabling\\nx\\n\\nsecond', file=sys.stderr)\n"
            "for _ in range(3): warnings.warn('w')"
        )
    )
    assert stages_of(result)["import torch"] == ("ok", "")
    assert "x" not in stages_of(result)
    assert any("UserWarning: w" in warning for warning in result.warnings)


def test_a_crash_is_told_with_its_place_and_not_tried_again(probe, tmp_path):
    result = probe(torch=FALLING, tokenizers="")
    outcome, error = stages_of(result)["import torch"]
    assert outcome == "crashed"
    assert "signal SIGSEGV" in error
    assert f'{tmp_path / "packages/torch.py"}", line 2 in fall' in error
    assert result.stages[-1].name == "import torch"


def test_a_hang_is_told_with_its_place(probe, tmp_path):
    code = "import time\ndef wait(): time.sleep(120)\nwait()"
    outcome, error = stages_of(probe("4", torch=code))["import torch"]
    assert outcome == "hung"
    assert "no answer in 8 s" in error
    assert f'{tmp_path / "packages/torch.py"}", line 2 in wait' in error


@pytest.mark.parametrize(
    ("seconds", "code", "outcome", "message"),
    [
        ("20", FALLING, "crashed", "SIGSEGV"),
        ("4", "import time; time.sleep(120)", "hung", "no answer"),
    ],
)
def test_stages_after_a_crash_or_a_hang_are_told(seconds, code, outcome, message, probe):
    others = {"tokenizers": "", "huggingface_hub": ""}
    result = probe(seconds, torch=TORCH, safetensors=code, **others)
    stages = stages_of(result)
    assert result.torch_version == "2.9.1"
    assert stages["import safetensors"][0] == outcome
    assert message in stages["import safetensors"][1]
    assert stages["import tokenizers"] == stages["import huggingface_hub"] == ("ok", "")


def test_a_library_that_ends_the_process_is_a_crash(probe):
    code = "import os, sys\nprint('no licence', file=sys.stderr, flush=True)\nos._exit(7)"
    stages = stages_of(probe(torch=TORCH, safetensors=code, huggingface_hub=""))
    assert stages["import safetensors"] == ("crashed", "exit status 7\n  no licence")
    assert stages["import huggingface_hub"] == ("ok", "")


def test_errors_are_those_of_failed_stages_without_frames(probe):
    code = (
        "try:\n"
        "    import nothing_here\n"
        "except ImportError as e:\n"
        "    raise RuntimeError('first\\nsecond') from e"
    )
    result = errors(probe(torch=code, tokenizers="raise OSError('libx.so.1: cannot open')"))
    assert [(one.where, one.text) for one in result.errors] == [
        ("import torch", "ModuleNotFoundError: No module named 'nothing_here'"),
        ("import torch", "RuntimeError: first\nsecond"),
        ("import tokenizers", "OSError: libx.so.1: cannot open"),
    ]


def test_neither_the_working_folder_nor_that_of_the_script_is_searched(probe, tmp_path):
    result = probe(torch="import sys; raise RuntimeError(repr(sys.path))")
    outcome, error = stages_of(result)["import torch"]
    assert outcome == "failed"
    assert str(tmp_path / "packages") in error
    assert not [one for one in (tmp_path / "work", SCRIPT.parent) if f"'{one}'" in error]


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
