"""doctor check --project: a verdict for each machine, before anything is installed."""

import json
from pathlib import Path
from typing import Any

import pytest
from libraries.catalogue import Release
from libraries.server import Index
from typed import doctor

from tunedoctor.installers.uv import NoSolution

LOCK = """\
version = 1
requires-python = ">=3.11"

[[package]]
name = "tune"
version = "0.1"
source = {{ virtual = "." }}
dependencies = [{{ name = "torch" }}, {{ name = "transformers" }}, {{ name = "accelerate" }}]

[[package]]
name = "torch"
version = "{torch}"
source = {{ registry = "{index}" }}

[[package]]
name = "transformers"
version = "4.57.1"
source = {{ registry = "https://index.example/simple" }}

[[package]]
name = "accelerate"
version = "1.11.0"
source = {{ registry = "https://index.example/simple" }}
"""
PYPROJECT = """\
[project]
name = "tune"
version = "0.1"
requires-python = ">=3.11"
dependencies = [
    "torch<2.7",
    "transformers",
    "accelerate",
]

[tool.uv]
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A uv project whose lock has torch 2.6.0 of the default index: CUDA 12.4, without code for Blackwell."""
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    lock = LOCK.format(torch="2.6.0", index="https://index.example/simple")
    (tmp_path / "uv.lock").write_text(lock)
    return tmp_path


def reports(folder: Path, *options: str, **env: str) -> list[Any]:
    ended = doctor(
        "check", "--project", str(folder), "--format", "json", *options, cwd=folder, **env
    )
    assert ended.stdout, ended.stderr
    lines = ended.stdout if ended.stdout.startswith("{\n") else ""
    return [json.loads(lines)] if lines else [json.loads(one) for one in ended.stdout.splitlines()]


def errors(report: Any) -> list[str]:
    return [one["id"] for one in report["findings"] if one["severity"] == "error"]


def test_one_verdict_for_each_card(project: Path) -> None:
    gpus = ("--gpu", "RTX 5090", "--gpu", "H100", "--gpu", "RX 7900 XTX")
    several = reports(project, *gpus, "--platform", "linux")
    assert [one["verdict"] for one in several] == ["findings", "ready", "findings"]
    assert [errors(one) for one in several] == [["gpu-too-new-for-torch"], [], ["torch-cpu-only"]]
    assert "RTX 5090" in several[0]["machine"]["described"]


def test_the_fix_is_a_command_of_the_project_and_names_the_line(project: Path) -> None:
    (found,) = reports(project, "--gpu", "RTX 5090", "--driver", "570", "--platform", "linux")
    (one,) = [f for f in found["findings"] if f["severity"] == "error"]
    assert one["cure"]["command"].startswith("uv add --index pytorch-cu128=https://")
    assert "torch==2.7.1 " in f"{one['cure']['command']} "
    assert one["declared"] == {"file": "pyproject.toml", "line": 6, "text": "torch<2.7"}


def test_the_build_of_the_index_decides(project: Path) -> None:
    lock = LOCK.format(torch="2.9.1+cu128", index="https://download.pytorch.org/whl/cu128")
    (project / "uv.lock").write_text(lock)
    (new,) = reports(project, "--gpu", "RTX 5090", "--driver", "570.86", "--platform", "linux")
    assert new["verdict"] == "ready"
    (old,) = reports(project, "--gpu", "RTX 4090", "--driver", "470.82", "--platform", "linux")
    assert errors(old) == ["driver-too-old"]


def test_the_only_extra_with_torch_is_judged_and_several_leave_it_open(project: Path) -> None:
    lock = LOCK.format(torch="2.6.0", index="https://index.example/simple")
    extra = 'gpu = [{ name = "torch" }]\n'
    lock = lock.replace('{ name = "torch" }, ', "").replace(
        '"accelerate" }]\n\n', f'"accelerate" }}]\n\n[package.optional-dependencies]\n{extra}\n', 1
    )
    (project / "uv.lock").write_text(lock)
    words = ("check", "--project", str(project), "--gpu", "H100", "--platform", "linux")
    ended = doctor(*words, cwd=project)
    assert ended.returncode == 0
    assert "judged with gpu, the only optional part of uv.lock that brings torch" in ended.stderr
    (project / "uv.lock").write_text(lock.replace(extra, extra + extra.replace("gpu", "all")))
    (several,) = reports(project, "--gpu", "H100", "--platform", "linux")
    why = set(several["unknown"].values())
    assert any("torch is only in optional parts of uv.lock: gpu and all" in one for one in why)
    (chosen,) = reports(project, "--gpu", "H100", "--extra", "all", "--platform", "linux")
    assert chosen["verdict"] == "ready"


def test_machines_of_the_settings_are_a_gate(project: Path) -> None:
    text = (
        '[[targets]]\ngpu = "H100"\ndriver = "550.90"\nplatform = "linux"\n'
        '[[targets]]\ngpu = "RTX 5090"\nplatform = "windows"\n'
    )
    (project / "doctor.toml").write_text(text)
    ended = doctor("check", "--project", "--output", "sarif=out.sarif", cwd=project)
    assert ended.returncode == 1
    assert "✓ NVIDIA H100" in ended.stdout
    assert "windows, Python" in ended.stdout
    (run,) = json.loads((project / "out.sarif").read_text())["runs"]
    texts = [one["message"]["text"] for one in run["results"]]
    assert any("RTX 5090" in text for text in texts)


def test_a_requirements_file_is_resolved(tmp_path: Path, uv_cache: Path) -> None:
    index = Index(
        (
            Release("torch", "2.6.0"),
            Release("transformers", "4.57.1", requires=("huggingface-hub>=0.34",)),
            Release("huggingface-hub", "0.36.0"),
            Release("huggingface-hub", "0.20.0"),
            Release("accelerate", "1.11.0"),
        )
    )
    env = {"UV_DEFAULT_INDEX": index.url, "UV_CACHE_DIR": str(uv_cache), "UV_HTTP_RETRIES": "0"}
    machine = ("--gpu", "RTX 5090", "--platform", "linux", "--python", "3.12")
    try:
        file = tmp_path / "requirements.txt"
        file.write_text("torch\ntransformers\naccelerate\n")
        (found,) = reports(tmp_path, *machine, **env)
        assert found["target"]["packages"]["huggingface-hub"] == "0.36.0"
        assert errors(found) == ["gpu-too-new-for-torch"]
        assert "write torch==" in found["findings"][0]["cure"]["command"]
        file.write_text("torch\ntransformers\nhuggingface-hub<0.30\n")
        (found,) = reports(tmp_path, "-r", "requirements.txt", *machine, **env)
        assert errors(found) == ["requirements-conflict"]
        said = found["findings"][0]
        assert "transformers needs huggingface-hub 0.34" in said["found"]
        assert "requirements.txt:3 (huggingface-hub<0.30)" in said["cure"]["command"]
    finally:
        index.close()


def test_without_an_index_exact_pins_are_judged_and_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("torch==2.6.0\ntransformers\n")
    nowhere = {"UV_DEFAULT_INDEX": "http://127.0.0.1:9/simple", "UV_HTTP_RETRIES": "0"}
    words = ("check", "-r", "requirements.txt", "--gpu", "RTX 5090", "--platform", "linux")
    ended = doctor(*words, cwd=tmp_path, **nowhere)
    assert "only exact pins are judged" in ended.stderr
    assert "gpu-too-new-for-torch" in ended.stdout


def test_findings_of_one_torch_agree_on_the_build_that_is_nearest(tmp_path: Path) -> None:
    """Torch 2.4 is too old for this transformers and for this GPU; the driver allows no newer build with its code."""
    (tmp_path / "requirements.txt").write_text("torch==2.4.0\ntransformers==5.24.0\n")
    nowhere = {"UV_DEFAULT_INDEX": "http://127.0.0.1:9/simple", "UV_HTTP_RETRIES": "0"}
    machine = ("--gpu", "RTX 5090", "--driver", "570.86", "--platform", "linux")
    (found,) = reports(tmp_path, *machine, "--python", "3.12", **nowhere)
    assert errors(found) == ["torch-too-old-for-library", "gpu-too-new-for-torch"]
    fixes = [one["cure"]["command"] for one in found["findings"] if one["severity"] == "error"]
    assert all("torch==2.7.1" in fix for fix in fixes), fixes


def test_what_needs_one_plan_names_the_command_that_makes_it(tmp_path: Path) -> None:
    """Two libraries ask for ranges that exclude each other, so no single line is the fix."""
    (tmp_path / "environment.yml").write_text(
        "dependencies:\n  - pip:\n    - torch==2.4.0\n    - transformers==5.24.0\n"
    )
    machine = ("--gpu", "Tesla K80", "--platform", "linux", "--python", "3.12")
    (found,) = reports(tmp_path, *machine)
    fixes = [one["cure"]["command"] for one in found["findings"]]
    assert not [fix for fix in fixes if "doctor fix --target" in fix], fixes


def test_a_conda_file_is_judged_by_its_pins(tmp_path: Path) -> None:
    (tmp_path / "environment.yml").write_text(
        "dependencies:\n  - python=3.12\n  - pip\n  - pip:\n    - torch==2.6.0\n    - peft\n"
    )
    (found,) = reports(tmp_path, "--gpu", "RTX 5090", "--platform", "linux")
    assert errors(found) == ["gpu-too-new-for-torch"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--gpu", "H100"), "add --project or -r FILE"),
        (("--project", "--target", "x"), "leave out --target"),
        (("--project", "empty"), "declares no packages"),
        (("--project", "gone"), "is not a folder"),
        (("--project", "-r", "gone.txt"), "there is no file"),
        (("--project", "--gpu", "RTX 9999"), "unknown GPU 'RTX 9999'"),
        (("--project", "--platform", "beos"), "expected one of linux, wsl"),
    ],
)
def test_a_mistake_says_the_way_out(project: Path, words: tuple[str, ...], says: str) -> None:
    (project / "empty").mkdir()
    ended = doctor("check", *words, cwd=project)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert says in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_a_damaged_or_hostile_lock_is_one_sentence(project: Path) -> None:
    for text in ("[[package", "a" * 5000 + "." * 5000, "[" * 100_000, "[[package]]\nname = 3\n"):
        (project / "uv.lock").write_text(text)
        ended = doctor("check", "--project", "--gpu", "H100", cwd=project)
        assert (ended.returncode, ended.stdout) == (2, "")
        assert "uv.lock" in ended.stderr


def test_what_has_no_wheel_is_left_out_and_named() -> None:
    """Doctor builds nothing, but users do: a source-only package is no conflict."""
    text = (
        "error: No solution found when resolving dependencies\n"
        "  cause: Because langdetect==1.0.9 has no usable wheels and you require langdetect==1.0.9,"
        " we can conclude that your requirements are unsatisfiable.\n"
        "hint: Wheels are required for `langdetect` because building from source is disabled for all"
        " packages (i.e., with `--no-build`)"
    )
    assert NoSolution(text).source_only == "langdetect"
    assert NoSolution(text.partition("hint")[0]).source_only == ""


def test_triage_of_a_requirements_file_names_the_command_that_judges_it(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("torch==2.6.0\npeft\n")
    ended = doctor("triage", "requirements.txt", cwd=tmp_path)
    assert ended.returncode == 2
    assert "doctor check -r requirements.txt" in ended.stdout
    (tmp_path / "log.txt").write_text("it hangs\n")
    assert "doctor check -r" not in doctor("triage", "log.txt", cwd=tmp_path).stdout


def test_a_report_of_uv_run_gets_a_fix_that_the_next_run_keeps() -> None:
    error = "AssertionError: Torch not compiled with CUDA enabled\n"
    of_uv = doctor("triage", "-", stdin=f"$ uv run python train.py\n{error}").stdout
    assert "uv add --index pytorch-cu" in of_uv
    for typed in ("$ python train.py", "$ uv run --with torch python train.py"):
        assert "-m pip install" in doctor("triage", "-", stdin=f"{typed}\n{error}").stdout
