"""`doctor smoke` on made-up libraries that break on import: found without any torch."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from smoke.training import answer, doctor

import tunedoctor
from tunedoctor.smoke.stages import Part, run_part, stages_of

WELL = {
    "torch": '__version__ = "2.13.0"\ndef set_num_threads(n): pass\n',
    "tokenizers": '__version__ = "0.23.3"\nclass Tokenizer: pass\n',
    "safetensors": '__version__ = "0.8.0"\nsafe_open = None\n',
    "transformers": '__version__ = "5.24.0"\nLlamaConfig = LlamaForCausalLM = object\n',
}
HERE = Path(tunedoctor.__file__).parent


def _libraries(folder: Path, **texts: str) -> str:
    for name, text in {**WELL, **texts}.items():
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(text)
    return str(folder)


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An environment without any of the libraries."""
    folder = tmp_path_factory.mktemp("target") / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    return str(folder)


@pytest.mark.parametrize(("name", "text", "outcome", "says"), [
    ("torch", "import time\ntime.sleep(600)\n", "hung", "no answer in"),
    ("tokenizers", "import ctypes\nctypes.string_at(0)\n", "crashed", "signal SIGSEGV"),
    ("transformers", "import os\nos.kill(os.getpid(), 9)\n", "crashed", "signal SIGKILL"),
    ("safetensors", "import os\nos._exit(3)\n", "crashed", "exit status 3"),
    ("peft", "__version__ = '0.21.2'\n", "failed", "no attribute 'LoraConfig'"),
    ("peft", "from peft.tuners import lora\n", "failed", "No module named 'peft.tuners'"),
    ("transformers", "raise SystemExit('no')\n", "failed", "SystemExit: no"),
])  # fmt: skip
def test_a_library_that_breaks_on_import_is_named(
    tmp_path: Path, bare: str, name: str, text: str, outcome: str, says: str
) -> None:
    path = _libraries(tmp_path, **{name: text})
    found = answer(bare, PYTHONPATH=path, TUNEDOCTOR_STAGE_SECONDS="2")
    assert found["verdict"] == "findings"
    last = found["stages"][-1]
    assert (last["name"], last["outcome"]) == (f"import {name}", outcome)
    blame = found["blames"][0]
    assert blame["stage"] == f"import {name}"
    assert says in blame["found"]
    assert blame["means"]
    assert blame["cure"]
    # where Python stood
    if outcome == "hung":
        assert f"{name}/__init__.py" in blame["found"]


def test_no_torch_is_blamed_by_the_doctors_own_finding(bare: str) -> None:
    found = answer(bare)
    assert found["verdict"] == "findings"
    assert found["blames"][0]["stage"] == "import torch"
    assert "No module named 'torch'" in found["blames"][0]["found"]
    assert found["blames"][0]["finding"] == "torch-missing"
    assert re.search(r"pip install .*\btorch\b", found["blames"][0]["cure"])
    screen = doctor(bare)
    assert screen.returncode == 1
    assert "✗ import torch" in screen.stdout


def test_a_library_that_prints_does_not_disturb(tmp_path: Path, bare: str) -> None:
    loud = 'print("{\\"end\\": \\"train\\", \\"ok\\": true}", flush=True)\n' + WELL["torch"]
    found = answer(bare, PYTHONPATH=_libraries(tmp_path, torch=loud))
    assert [one["name"] for one in found["stages"]][:2] == ["import torch", "import tokenizers"]
    assert "train" not in {one["name"] for one in found["stages"]}


def test_bitsandbytes_that_is_not_there_is_skipped_at_once(bare: str) -> None:
    part = Part("bitsandbytes")
    (only,) = stages_of(run_part(part, f"{bare}/bin/python", os.environ, lambda _: None))
    assert (only.name, only.outcome) == ("import bitsandbytes", "skipped")
    assert only.error == "bitsandbytes is not installed"


def test_a_target_that_is_none_is_told(tmp_path: Path) -> None:
    found = answer(str(tmp_path / "gone"))
    assert found["verdict"] == "unknown"
    assert "does not exist" in found["why"]


@pytest.mark.parametrize("version", ["3.8", "3.9", "3.10", "3.12", "3.13"])
def test_the_scripts_run_on_other_pythons(version: str) -> None:
    kept = Path.home() / ".pyenv" / "versions"
    found = sorted(kept.glob(f"{version}.*/bin/python"))
    if not found:
        pytest.skip(f"Python {version} is not installed under ~/.pyenv")
    code = "import sys; sys.dont_write_bytecode = True; [compile(open(f).read(), f, 'exec') for f in sys.argv[1:]]"
    files = [
        str(HERE / "target" / "start.py"),
        *map(str, (HERE / "target" / "smoke").glob("*.py")),
    ]
    subprocess.run([str(found[-1]), "-c", code, *files], check=True)
    run = run_part(Part("core"), str(found[-1]), os.environ, lambda _: None)
    (only,) = stages_of(run)
    assert (only.name, only.outcome) == ("import torch", "failed")
