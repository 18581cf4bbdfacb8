"""doctor set as a user starts it, over an index on loopback."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

# test files are imported by path: their neighbours are found only so
sys.path.insert(0, str(Path(__file__).parents[1]))

import jsonschema
import pytest
from libraries import running
from libraries.catalogue import Release
from libraries.environment import installed
from libraries.fixtures import index, uv_cache
from libraries.running import made
from libraries.server import Index

from tunedoctor.cli.schema import schema_of
from tunedoctor.installers.uv import find_uv

__all__ = ["index", "uv_cache"]

ADA = ("--platform", "linux", "--gpu", "8.9", "--driver", "580.65.06", "--python", "3.12")
WHOLE = ("filelock==3.20.0", "numpy==2.2.6", "safetensors==0.8.0", "accelerate==1.13.0")
WHOLE += ("tokenizers==0.22.2", "transformers==4.57.6")


def doctor(*argv: str, cwd: Path | None = None) -> running.Ran:
    return running.doctor("set", *argv, cwd=cwd)


def data(*argv: str) -> dict[str, object]:
    ended = doctor(*argv, "--format", "json")
    found: dict[str, object] = json.loads(ended.stdout)
    jsonschema.validate(found, schema_of("set"))
    codes = {"set": 0, "none": 1, "unknown": 2}
    assert ended.returncode == codes[str(found["verdict"])]
    return found


def test_a_described_machine_gets_a_set(index: Index) -> None:
    ended = doctor(*ADA)
    assert ended.returncode == 0
    assert "torch==2.15.0+cu132 torchvision==0.29.2 --index-url" in ended.stdout
    assert ended.stdout.splitlines()[-1].endswith("0 to change, 15 to add")
    found = data(*ADA)
    assert found["schema"] == "doctor.set/1"
    assert found["torch"] == {
        "version": "2.15.0",
        "variant": "cu132",
        "index": "https://download.pytorch.org/whl/cu132",
        "kept": False,
    }


def test_an_environment_is_read_and_repaired(index: Index, tmp_path: Path) -> None:
    env = installed(tmp_path / "env", "torch==2.14.1+cpu", *WHOLE, "huggingface-hub==1.5.0")
    ended = doctor("--target", str(env), "--gpu", "none", "--driver", "none")
    assert ended.returncode == 0, ended.stdout
    assert "! huggingface-hub 1.5.0 → 0.36.2" in ended.stdout
    assert "huggingface-hub==0.36.2 torch==2.14.1" in ended.stdout
    assert "1 to change, 0 to add" in ended.stdout
    whole = installed(tmp_path / "whole", "torch==2.14.1+cpu", *WHOLE, "huggingface-hub==0.36.2")
    ended = doctor("--target", str(whole), "--gpu", "none", "--driver", "none")
    assert ended.returncode == 0
    assert ended.stdout.splitlines()[-1].endswith("The set is consistent: nothing to change")
    assert "pip" not in ended.stdout


def _uv(*argv: str) -> str:
    ended = subprocess.run(
        [find_uv(), *argv], capture_output=True, text=True, check=False, timeout=120
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout + ended.stderr


def test_the_printed_commands_make_the_set(index: Index, tmp_path: Path) -> None:
    env = tmp_path / "my env"
    _uv("venv", "-q", "-p", sys.executable, str(env))
    into = ("pip", "install", "--python", str(env))
    _uv(
        *into,
        "torch==2.14.1",
        *(one for one in WHOLE if "numpy" not in one),
        "peft==0.17.1",
        "pyarrow==26.0.1",
        "numpy==1.26.4",
        "datasets==4.8.5",
    )
    _uv(*into, "--no-deps", "huggingface-hub==1.5.0")
    there = ("--target", str(env), "--gpu", "none", "--driver", "none")
    found = data(*there)
    commands = found["commands"]["uv"]  # type: ignore[index]
    assert commands
    for command in commands:
        first, *rest = shlex.split(command)
        assert first == "uv"
        _uv(*rest)
    held = _uv("pip", "freeze", "--python", str(env))
    assert "huggingface-hub==0.36.2" in held
    assert "pyarrow==26.0.1" in held
    assert "numpy==2" in held
    assert "torch==2.14.1" in held
    assert "compatible" in _uv("pip", "check", "--python", str(env))
    assert doctor(*there).stdout.splitlines()[-1].endswith("nothing to change")


def test_no_set_is_said_with_the_clash(index: Index) -> None:
    ended = doctor(*ADA, "unsloth", "torchao<0.12.5")
    assert ended.returncode == 1
    assert "No set exists" in ended.stdout
    assert "unsloth-zoo depend on torchao>=0.13.0" in " ".join(ended.stdout.split())
    assert data(*ADA, "unsloth", "torchao<0.12.5")["verdict"] == "none"


def test_what_could_not_be_told_is_not_a_no(index: Index) -> None:
    index.close()
    ended = doctor(*ADA)
    assert ended.returncode == 2
    assert "Could not tell" in ended.stdout
    offline = data(*ADA, "--offline")
    assert offline["verdict"] == "unknown"
    assert "offline" in str(offline["why"])


def test_files_are_written_whole_and_only_over_their_own(index: Index, tmp_path: Path) -> None:
    argv = (*ADA, "--freeze", "pins.txt", "--pyproject", "pyproject.toml")
    ended = doctor(*argv, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "wrote pins.txt" in ended.stdout
    first = {name: (tmp_path / name).read_text() for name in ("pins.txt", "pyproject.toml")}
    assert "--hash=sha256:" in first["pins.txt"]
    assert doctor(*argv, cwd=tmp_path).returncode == 0
    assert {p.name for p in tmp_path.iterdir()} == set(first)
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'mine'\n")
    ended = doctor(*argv, cwd=tmp_path)
    assert ended.returncode == 2
    assert "pyproject.toml is there, and the doctor did not write it" in ended.stderr
    assert "mine" in (tmp_path / "pyproject.toml").read_text()
    assert doctor(*argv, "--force", cwd=tmp_path).returncode == 0
    assert (tmp_path / "pyproject.toml").read_text() == first["pyproject.toml"]


def test_the_project_goes_to_stdout_alone(index: Index) -> None:
    ended = doctor(*ADA, "--pyproject", "-")
    assert ended.returncode == 0
    assert ended.stdout.startswith("# written by doctor set")
    assert '"transformers==5.24.0"' in ended.stdout


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (("--format", "yaml"), "--format is 'yaml'"),
        (("trl @ https://x/y.whl",), "more than a name and versions"),
        (("--platform", "beos"), "--platform is 'beos'"),
        (("--freeze", "-"), "--freeze writes a file"),
        (("--freeze", "no/such/folder/pins.txt"), "in a folder that is not there"),
        (("--pyproject", "-", "--format", "json"), "both write to stdout"),
        (("--platform", "linux", "--target", "."), "leave out --target"),
    ],
)
def test_misuse_names_the_input_and_the_way_out(argv: tuple[str, ...], says: str) -> None:
    ended = doctor(*argv)
    assert ended.returncode == 2
    assert says in ended.stderr
    assert ended.stdout == ""


LOOSE = Release("vllm", "0.2.2", "", ("torch>=2.1", "numpy"))
"""It is compiled for torch 2.1 and does not say so."""
VLLM = (
    LOOSE,
    Release("vllm", "0.5.0", "", ("torch==2.5.1", "numpy")),
    Release("vllm", "0.11.2", "", ("torch==2.13.0", "numpy<2.2")),
    Release("numpy", "2.1.3", ""),
)


def test_a_release_goes_with_its_torch_or_uv_says_why_there_is_none(
    index: Index, tmp_path: Path
) -> None:
    """Of releases that name a torch the newest counts, though the pins that stay would take an older one."""
    index.releases = (*index.releases, *VLLM)
    env = made(tmp_path, index.url, "torch==2.14.1", *WHOLE, "huggingface-hub==0.36.2")
    there = ("--target", str(env))
    found = data("vllm<0.12", *there)
    packages: list[dict[str, str]] = found["packages"]  # type: ignore[assignment]
    versions = {one["name"]: one["version"] for one in packages}
    assert (versions["vllm"], versions["torch"]) == ("0.11.2", "2.13.0")
    assert versions["numpy"] == "2.1.3"
    none = data("vllm<0.12", "torch==2.14.1", *there)
    assert none["verdict"] == "none"
    assert "vllm==0.5.0 depends on torch==2.5.1" in " ".join(str(none["details"]).split())


def test_pages_that_were_just_read_are_not_asked_for_again(index: Index) -> None:
    """The index names no time for which they hold, as many a mirror."""
    data(*ADA)
    first = len(index.asked)
    assert first > len(WHOLE), "the control: with an empty cache they are"
    data(*ADA)
    assert len(index.asked) - first <= 3, "whether it answers, and what it lacks, is asked anew"
