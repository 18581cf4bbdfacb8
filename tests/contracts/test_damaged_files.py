"""A damaged file is reported as damage, and is never evidence about which names a library has."""

import json
import venv
from pathlib import Path
from typing import Any

import pytest
from typed import inside as doctor

from contracts.made import install

TORCH = """
import torch.autograd
from torch.autograd import no_grad
Tensor = nn = device = dtype = float32 = float16 = long = tensor = zeros = cat = save = load = cuda = 1
__all__ = ["no_grad", "Tensor"]
"""
REPLACED = {
    "raises": "raise RuntimeError('broken')\n",
    "raises before the old code": "raise RuntimeError('broken')\n" + TORCH,
    "hangs": "import time\nwhile True:\n    time.sleep(1)\n",
    "hangs before the old code": "import time\ntime.sleep(1000000)\n" + TORCH,
    "empty": "",
    "cut": TORCH[: len(TORCH) // 2],
    "no names": "__version__ = '2.13.0'\n",
    "a conflict of git": "<<<<<<< HEAD\n" + TORCH,
}
CHANGED = {
    "a remark": TORCH + "# my own remark\n",
    "a guard": "import os\nif os.environ.get('X'):\n    raise ImportError\n" + TORCH,
    "a retry": "while True:\n    break\n" + TORCH,
    "a short wait": "import time\ntime.sleep(0.1)\n" + TORCH,
}


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Return the site folder of an environment with a tiny torch and two libraries that import from it."""
    venv.create(tmp_path / "env", with_pip=False, symlinks=True)
    site = next((tmp_path / "env").glob("[Ll]ib/**/site-packages"))
    torch = {
        "torch/__init__.py": TORCH,
        "torch/autograd.py": "def no_grad(): pass\n",
        "torch/version.py": "__version__ = '2.13.0'\ncuda = None\n",
    }
    install(site, "torch", torch, "2.13.0", sizes=True)
    asks = "from torch import Tensor, no_grad\n"
    install(site, "transformers", {"transformers/__init__.py": asks}, "5.24.0", "torch")
    install(site, "accelerate", {"accelerate/__init__.py": asks}, "1.15.0", "torch")
    return site


def errors(root: Path, *words: str) -> list[dict[str, Any]]:
    """Return the causes of level error that a command reports, in its order."""
    argv = (*words, "--target", str(root / "env"), "--format", "json")
    ended = doctor(*argv, DOCTOR_STATE=str(root / "state"))
    return [one for one in json.loads(ended.stdout)["findings"] if one["severity"] == "error"]


@pytest.mark.parametrize("text", REPLACED.values(), ids=REPLACED)
def test_a_replaced_init_of_torch_is_the_first_error(site, tmp_path, text):
    (site / "torch" / "__init__.py").write_text(text)
    for command in (["check"], ["check", "--deep"]):
        first, *others = errors(tmp_path, *command)
        assert first["id"] == "broken-install"
        assert "torch is damaged" in first["title"]
        assert "--force-reinstall --no-deps torch==2.13.0" in first["cure"]["command"]
        assert not [one for one in others if one["id"] == "import-contract-clash"]


@pytest.mark.parametrize("text", CHANGED.values(), ids=CHANGED)
def test_an_edited_init_whose_import_can_succeed_is_no_damage(site, tmp_path, text):
    (site / "torch" / "__init__.py").write_text(text)
    assert "broken-install" not in [one["id"] for one in errors(tmp_path, "check")]


def test_without_a_record_elementary_names_tell_that_the_package_is_damaged(site, tmp_path):
    (site / "torch" / "__init__.py").write_text("raise RuntimeError('broken')\n")
    (site / "torch-2.13.0.dist-info" / "RECORD").unlink()
    first, *_ = errors(tmp_path, "check", "--deep")
    assert first["id"] == "broken-install"
    assert "transformers and accelerate cannot import" in first["found"]
    assert "--force-reinstall --no-deps torch==2.13.0" in first["cure"]["command"]


def test_a_changed_file_deeper_in_a_package_is_no_evidence_either(site, tmp_path):
    init = site / "transformers" / "__init__.py"
    init.write_text("from torch.autograd import gone\n")
    (site / "torch" / "autograd.py").write_text("def no_grad(): return 1\n")
    found = {one["id"]: one for one in errors(tmp_path, "check", "--deep")}
    assert "import-contract-clash" not in found
    assert (
        "torch/autograd.py is not the file that torch installed" in found["broken-install"]["found"]
    )


def test_what_only_a_command_of_a_library_imports_is_a_note(site, tmp_path):
    viewer = {"tensorboard/__init__.py": "", "tensorboard/main.py": "import pkg_resources\n"}
    install(site, "tensorboard", viewer, "2.18.0")
    install(site, "setuptools", {"setuptools/__init__.py": ""}, "84.2.1")
    argv = ("check", "--deep", "--target", str(tmp_path / "env"), "--format", "json")
    told = json.loads(doctor(*argv, DOCTOR_STATE=str(tmp_path / "state")).stdout)
    (clash,) = [one for one in told["findings"] if one["id"] == "import-contract-clash"]
    assert clash["severity"] == "note"
    assert clash["means"].startswith("the command tensorboard fails")
