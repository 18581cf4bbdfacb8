"""What a prompt answered belongs to what was typed."""

import pytest

from tunedoctor.readers.prompts import typed_in
from tunedoctor.readers.values.said import Said
from tunedoctor.readers.values.session import answers


def _said(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in answers(text.splitlines()):
        if one.key not in ("ran", "seen"):
            found.setdefault(one.key, one.value)
    return found


def test_python_prompt() -> None:
    assert _said(">>> import torch\n>>> torch.__version__\n'2.7.1+cu126'\n") == {
        "torch": "2.7.1+cu126"
    }


def test_several_expressions_on_one_line() -> None:
    text = ">>> print(torch.__version__, torch.version.cuda, torch.cuda.is_available())\n2.3.0+cpu None False\n"
    assert _said(text) == {"torch": "2.3.0+cpu", "torch_cuda": "None", "available": "False"}


def test_a_name_with_spaces_among_them() -> None:
    text = ">>> print(torch.cuda.get_device_name(0), torch.__version__)\nNVIDIA GeForce RTX 3070 2.4.1\n"
    assert _said(text) == {"gpu": "NVIDIA GeForce RTX 3070", "torch": "2.4.1"}


def test_statements_print_a_line_each() -> None:
    text = (
        '$ python3 -c "import torch; print(torch.__version__); print(torch.cuda.is_available())"\n'
        "/usr/lib/x.py:82: UserWarning: CUDA initialization: something\n  return torch._C._x()\n2.4.1\nTrue\n"
    )
    assert _said(text) == {"torch": "2.4.1", "available": "True"}


def test_notebook() -> None:
    text = "In [2]: torch.cuda.get_arch_list()\nOut[2]: ['sm_80', 'sm_90']\nIn [3]: torch.cuda.get_device_capability()\nOut[3]: (12, 0)\n"
    assert _said(text) == {"archs": "['sm_80', 'sm_90']", "capability": "(12, 0)"}


def test_a_traceback_is_no_answer() -> None:
    assert (
        _said(">>> torch.__version__\nTraceback (most recent call last):\n  File\nNameError\n")
        == {}
    )


def test_versions_of_libraries() -> None:
    text = ">>> import transformers; transformers.__version__\n'4.41.0'\n>>> print(importlib_metadata.version(\"numpy\"))\n1.24.1\n"
    assert _said(text) == {"library transformers": "4.41.0", "library numpy": "1.24.1"}


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("$ echo $LD_LIBRARY_PATH\n/usr/lib/wsl/lib\n", "LD_LIBRARY_PATH", "/usr/lib/wsl/lib"),
        ("C:\\x>echo %CUDA_PATH%\nC:\\CUDA\\v12\n", "CUDA_PATH", "C:\\CUDA\\v12"),
        ("$ export HF_HUB_OFFLINE=1\n", "HF_HUB_OFFLINE", "1"),
        ("export HSA_OVERRIDE_GFX_VERSION='10.3.0'\n", "HSA_OVERRIDE_GFX_VERSION", "10.3.0"),
        ("$ CUDA_VISIBLE_DEVICES=2 python main.py\n", "CUDA_VISIBLE_DEVICES", "2"),
        ("CUDA_VISIBLE_DEVICES=1,2 torchrun main.py\n", "CUDA_VISIBLE_DEVICES", "1,2"),
        ('PS C:\\x> $env:HF_HUB_OFFLINE = "1"\n', "HF_HUB_OFFLINE", "1"),
        ('os.environ["CUDA_VISIBLE_DEVICES"] = "3"\n', "CUDA_VISIBLE_DEVICES", "3"),
    ],
)
def test_variables(text: str, name: str, value: str) -> None:
    assert _said(text) == {f"env {name}": value}


def test_a_variable_that_is_not_handed_on() -> None:
    text = "$ echo $HSA_OVERRIDE_GFX_VERSION\n10.3.0\n$ env | grep HSA\n$ ls\n"
    assert _said(text)["not exported"] == "HSA"
    assert "not exported" not in _said("$ env | grep HSA\nHSA_OVERRIDE_GFX_VERSION=10.3.0\n")


def test_versions_that_shells_print() -> None:
    assert _said("$ python --version\nPython 3.10.2\n$ uname -r\n5.4.0-54-generic\n") == {
        "python": "Python 3.10.2",
        "kernel": "5.4.0-54-generic",
    }


def test_the_prompt_is_taken_off() -> None:
    assert typed_in("(venv) user@host:~/x$ pip list") == "pip list"
    assert typed_in(">>> import torch") == "import torch"
    assert typed_in("no prompt at all") == ""


def test_where_it_stands() -> None:
    said = [one for one in answers(["", ">>> torch.__version__", "'2.1.0'"]) if one.key == "torch"]
    assert said == [Said("torch", "2.1.0", line=1)]


def test_a_warning_over_two_lines_is_no_answer() -> None:
    lines = [
        ">>> torch.cuda.is_available()",
        "torch/cuda/__init__.py:115: UserWarning: CUDA initialization: CUDA driver initializati",
        "on failed, you might not have a CUDA gpu. (Triggered internally at CUDAFunctions.cpp:108.)",
        "  return torch._C._cuda_getDeviceCount() > 0",
        "False",
    ]
    assert [one.value for one in answers(lines) if one.key == "available"] == ["False"]
    assert not [one for one in answers(lines[:3]) if one.key == "available"]


def test_an_import_that_came_to_its_end() -> None:
    assert "ran" in [one.key for one in answers([">>> import torch", ">>>"])]
    assert "ran" in [one.key for one in answers(["In [1]: import torch", "", "In [2]: 1"])]
    assert not list(answers([">>> import torch", "Segmentation fault (core dumped)"]))
    assert not list(answers([">>> import torch"]))
