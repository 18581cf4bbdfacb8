"""`target/deep` in real children, on small packages made for the case."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import tunedoctor

SCRIPT = Path(tunedoctor.__file__).parent / "target" / "start.py"

MADE_UP_TORCH = """
__version__ = "2.6.0+cu124"
class version: cuda = "12.4"; hip = None
class cuda:
    is_available = staticmethod(lambda: True)
    device_count = staticmethod(lambda: 1)
    get_device_name = staticmethod(lambda i=0: "NVIDIA GeForce RTX 5090")
    get_device_capability = staticmethod(lambda i=0: (12, 0))
    get_arch_list = staticmethod(lambda: ["sm_50", "sm_90"])
"""


def tell(
    folder: Path, *words: str, cwd: Path | None = None, python: str = sys.executable, **files: str
) -> tuple[list[dict[str, Any]], "subprocess.CompletedProcess[str]"]:
    """Run the script with modules `files` on PYTHONPATH; return its JSON lines and how it ended."""
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    argv = [python, "-S", str(SCRIPT), "deep", "--seconds", "0", *words]
    env = {**os.environ, "PYTHONPATH": str(folder)}
    more: dict[str, Any] = {"capture_output": True, "text": True, "timeout": 60}
    done = subprocess.run(argv, cwd=cwd, env=env, check=False, **more)
    return [json.loads(x) for x in done.stdout.splitlines() if x.startswith("{")], done


def ends(lines: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the closing lines by stage."""
    return {line["end"]: line for line in lines if "end" in line}


CHAIN = """
def fall(n):
    if n == 0: raise OSError("libx.so.12: no")
    try: fall(n - 1)
    except Exception as e: raise RuntimeError(f"level {n}") from e
fall(9)
"""
ODD = "class E(Exception):\n    def __str__(self): raise OSError('bad')\nraise E"


@pytest.mark.parametrize(("torch", "said"), [
    (None, ["ModuleNotFoundError: No module named 'torch'"]),
    ("raise SystemExit(3)", ["SystemExit: 3"]),
    ("raise KeyboardInterrupt", ["KeyboardInterrupt"]),
    (ODD, ["E: no message: bad"]),
    (CHAIN, ["OSError: libx.so.12: no", *(f"RuntimeError: level {n}" for n in (1, 2, 9))]),
])  # fmt: skip
def test_an_import_that_fails_is_a_failed_stage_and_the_rest_goes_on(
    tmp_path: Path, torch: str | None, said: list[str]
) -> None:
    """Of a chain of causes the first ones come first, and the end is told."""
    files = {"tokenizers": ""} | ({} if torch is None else {"torch": torch})
    lines, done = tell(tmp_path, **files)
    stages = ends(lines)
    assert not stages["import torch"]["ok"]
    assert [x for x in stages["import torch"]["error"].splitlines() if x[0] != " "] == said
    assert stages["import tokenizers"]["ok"]
    assert (done.returncode, lines[-1]["done"]) == (0, True)


def test_a_torch_whose_answers_are_made_up_gives_its_answers(tmp_path: Path) -> None:
    lines, done = tell(tmp_path, torch=MADE_UP_TORCH)
    stages = ends(lines)
    assert done.returncode == 0
    told = [line.get("begin") or line.get("end") for line in lines[:-1]]
    assert told[::2] == told[1::2], "every stage is told before and after"
    assert not [s for s, line in stages.items() if not line["ok"] and not line.get("skipped")]
    assert stages["torch build"]["data"]["cuda"] == "12.4"
    assert stages["init gpu"]["data"]["archs"] == ["sm_50", "sm_90"]
    device = stages["device cuda:0"]["data"]["device"]
    assert device["name"] == "NVIDIA GeForce RTX 5090"
    assert (device["compute_capability"], device["bf16"]) == ("12.0", True)
    assert stages["matmul cuda:0 float16"]["error"] == "torch 2.6.0+cu124 has no float16"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["torch.py"], "nothing is written"
    lines, _ = tell(tmp_path, "--skip", "init gpu", torch=MADE_UP_TORCH)
    begun = [line.get("begin") for line in lines]
    assert {"init gpu", "device cuda:0"}.isdisjoint(begun)
    assert "attention cpu" in begun


@pytest.mark.parametrize("answer", ["None", "'x'", "[]", "object()", "(1,)", "-1", "10**9"])
def test_made_up_answers_of_any_shape_do_not_crash_it(tmp_path: Path, answer: str) -> None:
    asked = ("name", "capability", "properties")
    torch = (
        f"__version__ = {answer}\nclass version: cuda = hip = {answer}\n"
        "class cuda:\n    is_available = staticmethod(lambda: 1)\n"
        "    device_count = staticmethod(lambda: 1)\n"
        f"    get_arch_list = staticmethod(lambda: {answer})\n"
        + "".join(f"    get_device_{x} = staticmethod(lambda *a: {answer})\n" for x in asked)
    )
    lines, done = tell(tmp_path, torch=torch)
    assert done.returncode == 0, done.stderr
    assert ends(lines)["device cuda:0"]["ok"]


def test_a_failing_torch_skips_what_needs_it_and_not_the_rest(tmp_path: Path) -> None:
    lines, _ = tell(tmp_path, torch="import no_such_thing", accelerate="", tokenizers="")
    stages = ends(lines)
    assert stages["import torch"]["error"].endswith("No module named 'no_such_thing'")
    assert "torch.py" in stages["import torch"]["error"]
    assert stages["import accelerate"]["skipped"]
    assert stages["import tokenizers"]["ok"]
    assert "tensor" not in stages
    (tmp_path / "torch.py").unlink()
    (tmp_path / "torch").mkdir()
    lines, _ = tell(tmp_path)
    assert "torch is a folder without __init__.py" in ends(lines)["import torch"]["error"]


def test_prints_and_warnings_do_not_mix_with_the_telling(tmp_path: Path) -> None:
    torch = "import os, warnings\nprint('{\"begin\": \"x\"}')\nos.write(1, b'raw')\nfor _ in range(3): warnings.warn('NumPy is not there')"
    lines, done = tell(tmp_path, torch=torch)
    assert "x" not in [line.get("begin") for line in lines]
    assert "raw" in done.stderr
    assert "raw" not in done.stdout
    assert ends(lines)["import torch"]["warnings"] == ["UserWarning: NumPy is not there"]
    assert ends(lines)["tensor"]["warnings"] == []


def test_the_reason_for_no_gpu_is_told(tmp_path: Path) -> None:
    torch = """
import warnings
class version: cuda = "13.0"
class cuda:
    def is_available():
        warnings.warn("CUDA initialization: The NVIDIA driver on your system is too old (found version 12020).")
        return False
    def init(): raise RuntimeError("driver too old (found version 12020)")
"""
    lines, _ = tell(tmp_path, torch=torch)
    stage = ends(lines)["init gpu"]
    assert (stage["ok"], stage["data"]["available"]) == (True, False)
    assert stage["data"]["gpu_error"].splitlines() == [
        "CUDA initialization: The NVIDIA driver on your system is too old (found version 12020).",
        "RuntimeError: driver too old (found version 12020)",
    ]


def test_neither_the_scripts_folder_nor_the_working_folder_is_searched(tmp_path: Path) -> None:
    work, packages = tmp_path / "work", tmp_path / "packages"
    work.mkdir()
    packages.mkdir()
    (work / "torch.py").write_text("")
    torch = "import sys; paths = list(sys.path); raise RuntimeError(repr(paths))"
    lines, _ = tell(packages, cwd=work, torch=torch)
    error = ends(lines)["import torch"]["error"]
    assert str(packages) in error
    assert str(work) not in error
    assert str(SCRIPT.parent) not in error


def test_a_hang_shows_where(tmp_path: Path) -> None:
    torch = "import time\ndef wait(): time.sleep(1)\nwait()"
    _, done = tell(tmp_path, "--seconds", "0.2", torch=torch)
    assert f'  File "{tmp_path / "torch.py"}", line 2 in wait' in done.stdout.splitlines()


@pytest.mark.parametrize("version", ["3.8.18", "3.9.18", "3.13.0"])
def test_it_runs_on_old_and_new_pythons(tmp_path: Path, version: str) -> None:
    python = Path.home() / ".pyenv" / "versions" / version / "bin" / "python"
    if not python.exists():
        pytest.skip(f"no Python {version} here")
    _, done = tell(tmp_path, python=str(python), torch=MADE_UP_TORCH)
    assert '\n{"done": true' in done.stdout, done.stderr
