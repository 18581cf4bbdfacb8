"""doctor set, and one answer of check, fix and set about an environment, with pip and without."""

import json
import shlex
import sys
import venv
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from contracts.made import install
from libraries.catalogue import Release
from libraries.environment import installed
from libraries.running import made
from typed import inside as doctor
from typed import ran

from tunedoctor.core.schema import schema_of
from tunedoctor.installers.uv import find_uv

WHOLE = ("filelock==3.20.0", "numpy==2.2.6", "safetensors==0.8.0", "accelerate==1.13.0")
WHOLE += ("tokenizers==0.22.2", "transformers==4.57.6")


def answer_of(*argv: str) -> dict[str, Any]:
    ended = doctor(*argv, "--format", "json")
    found: dict[str, Any] = json.loads(ended.stdout)
    if argv[0] == "set":
        jsonschema.validate(found, schema_of("set"))
        codes = {"set": 0, "none": 1, "unknown": 2}
        assert ended.returncode == codes[found["verdict"]]
    return found


def _uv(*argv: str) -> str:
    ended = ran(find_uv(), *argv)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout + ended.stderr


def test_the_printed_commands_make_the_set(index, tmp_path):
    env = tmp_path / "my env"
    _uv("venv", "-q", "-p", sys.executable, str(env))
    into = ("pip", "install", "--python", str(env))
    old = ("torch==2.14.1", "peft==0.17.1", "pyarrow==26.0.1", "numpy==1.26.4", "datasets==4.8.5")
    _uv(*into, *old, *(one for one in WHOLE if "numpy" not in one))
    _uv(*into, "--no-deps", "huggingface-hub==1.5.0")
    there = ("--target", str(env), "--gpu", "none", "--driver", "none")
    commands = answer_of("set", *there)["commands"]["uv"]
    assert commands
    for command in commands:
        first, *rest = shlex.split(command)
        assert first == "uv"
        _uv(*rest)
    held = _uv("pip", "freeze", "--python", str(env))
    kept = ("huggingface-hub==0.36.2", "pyarrow==26.0.1", "numpy==2", "torch==2.14.1")
    assert [pin for pin in kept if pin not in held] == []
    assert "compatible" in _uv("pip", "check", "--python", str(env))
    assert doctor("set", *there).stdout.splitlines()[-3].endswith("nothing to change")


LOOSE = Release("vllm", "0.2.2", "", ("torch>=2.1", "numpy"))
"""It is compiled for torch 2.1 and does not say so."""
VLLM = (
    LOOSE,
    Release("vllm", "0.5.0", "", ("torch==2.5.1", "numpy")),
    Release("vllm", "0.11.2", "", ("torch==2.13.0", "numpy<2.2")),
    Release("numpy", "2.1.3", ""),
)


def test_a_release_goes_with_its_torch_or_uv_says_why_there_is_none(index, tmp_path):
    """Of releases that name a torch the newest counts, though the pins that stay would take an older one."""
    index.releases = (*index.releases, *VLLM)
    env = made(tmp_path, index.url, "torch==2.14.1", *WHOLE, "huggingface-hub==0.36.2")
    there = ("--target", str(env))
    packages = answer_of("set", "vllm<0.12", *there)["packages"]
    versions = {one["name"]: one["version"] for one in packages}
    assert (versions["vllm"], versions["torch"]) == ("0.11.2", "2.13.0")
    assert versions["numpy"] == "2.1.3"
    none = answer_of("set", "vllm<0.12", "torch==2.14.1", *there)
    assert none["verdict"] == "none"
    assert "vllm==0.5.0 depends on torch==2.5.1" in " ".join(str(none["details"]).split())


NEW = dict(pin.split("==") for pin in ["torch==2.14.1+cpu", "filelock==3.20.0", "numpy==2.2.6", "safetensors==0.8.0", "accelerate==1.15.0", "tokenizers==0.23.3", "peft==0.21.2", "huggingface-hub==2.4.0", "transformers==5.24.0", "trl==1.16.0", "datasets==5.2.0", "pyarrow==25.0.1", "fsspec==2026.2.0"])  # fmt: skip
"""A set without a fault."""


def by_set(env: Path) -> dict[str, str]:
    answer = answer_of("set", "--target", str(env))
    assert answer["verdict"] == "set", answer["why"]
    return {p["name"]: p["version"] for p in answer["packages"] if p["change"] != "kept"}


def by_fix(env: Path, *ids: str) -> dict[str, Any]:
    # the packages are names with metadata: nothing of them can be imported
    return answer_of("fix", *ids, "--dry-run", "--no-import", "--target", str(env))


def pins(answer: dict[str, Any]) -> dict[str, str]:
    assert answer["end"] in ("planned", "nothing"), answer["why"]
    steps = answer["plan"]["steps"] if answer["plan"] else ()
    return {p["name"]: p["version"] for s in steps for p in s.get("pins", ())}


def made_of(folder: Path, **other: str) -> Path:
    """Return an environment with other versions of some packages; "" leaves one out."""
    held = {**NEW, **{name.replace("_", "-"): version for name, version in other.items()}}
    return installed(folder / "env", *(f"{n}=={v}" for n, v in held.items() if v))


OLD = (
    ({"peft": "0.17.1"}, {"peft"}),
    ({"peft": "0.17.1", "transformers": "4.46.3"}, {"peft", "transformers"}),
    ({"numpy": "1.26.4", "pyarrow": "26.0.1"}, {"numpy"}),
    ({"pyarrow": "", "transformers": "4.46.3"}, {"pyarrow", "transformers"}),
    ({}, set()),
)
"""What is old or gone among the new libraries, and what moves."""


@pytest.mark.parametrize(("fault", "moved"), OLD, ids=lambda one: "+".join(sorted(one)) or "whole")
def test_fix_and_set_change_the_same_and_the_least(index, tmp_path, fault, moved):
    env = made_of(tmp_path, **fault)
    found = answer_of("check", "--target", str(env))["findings"]
    assert any(one["severity"] in ("error", "warning") for one in found) == bool(fault)
    fixed = by_fix(env)
    assert pins(fixed).keys() == moved
    assert pins(fixed) == by_set(env)
    # fix reads the files of the packages, which are empty here, where check goes by their versions
    ids = {one["id"] for one in found if one["severity"] == "error"} - {"import-contract-clash"}
    assert ids <= set(fixed["predicted"])


def cures(target: Path, home: Path) -> list[str]:
    # paths below HOME are shown as ~
    told = doctor("check", "--format", "json", "--target", str(target), HOME=str(home))
    found = json.loads(told.stdout)["findings"]
    steps = [(f["cure"]["command"], s) for f in found if f["cure"] for s in f["cure"]["steps"]]
    return [command for command, step in steps if step["step"] in {"install", "remove"}]


def test_a_cure_is_printed_for_the_tool_that_the_environment_has(tmp_path):
    without, with_pip = tmp_path / "b c", tmp_path / "a"
    _uv("venv", "-q", "-p", sys.executable, str(without))
    venv.create(with_pip, with_pip=False, symlinks=True)
    install(
        next(with_pip.glob("lib/python*/site-packages")), "pip", {"pip/__init__.py": ""}, "25.0"
    )
    for target, start in (
        (with_pip, f"{with_pip}/bin/python -m pip "),
        (without, f"uv pip install --python '{without}/bin/python' "),
    ):
        printed = cures(target, tmp_path / "h")
        assert printed
        assert [command for command in printed if not command.startswith(start)] == []
