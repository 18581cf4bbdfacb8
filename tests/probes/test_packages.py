"""What is installed and what hides it agree with importlib and email; which files of an install are missing."""

import json
import os
import subprocess
import sys
import venv
from importlib.machinery import PathFinder
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name
from planting import plant
from typed import doctor

from tunedoctor.facts import Interpreter, Target
from tunedoctor.probes.interpreter import interpreter
from tunedoctor.probes.libraries import shadows
from tunedoctor.probes.packages import packages
from tunedoctor.probes.site_folder import missing


def this_interpreter() -> Interpreter:
    own = interpreter(Target(asked="", chosen_by="own", python=sys.executable))
    assert isinstance(own, Interpreter)
    return own


def test_agrees_with_importlib_metadata_on_this_environment():
    own = this_interpreter()
    found = packages(own)
    every = distributions(path=[place for place in own.path if place not in own.pythonpath])
    expected = {canonicalize_name(one.metadata["Name"]): one.version for one in every}
    assert {one.name: one.version for one in found.distributions} == expected


ORACLE = """
import json, sys
from importlib.machinery import PathFinder
asked = json.loads(sys.argv[1])
specs = [PathFinder.find_spec(module, [folder, *sys.path[1:]]) for folder, module in asked]
print(json.dumps([str(spec and spec.origin) for spec in specs]))
"""


def test_agrees_with_a_real_import(tmp_path, monkeypatch):
    monkeypatch.delenv("PYTHONPATH", raising=False)
    own = this_interpreter()
    told = packages(own)
    modules = ("random", "select", "json", "tokenize", "types", "yaml", "packaging")
    asked: list[tuple[str, str]] = []
    for number, form in enumerate(("{}.py", "{}/__init__.py", "{}/data.txt")):
        for module in modules:
            folder = plant(tmp_path / f"{number}{module}", {form.format(module): ""})
            asked.append((str(folder), module))
    argv = [sys.executable, "-c", ORACLE, json.dumps(asked)]
    said = subprocess.run(argv, capture_output=True, text=True, check=True, cwd=tmp_path).stdout
    for (folder, module), origin in zip(asked, json.loads(said), strict=True):
        found = {one.module for one in shadows(own, told, work=folder).shadows}
        elsewhere = PathFinder.find_spec(module, list(own.path)) is not None
        assert (module in found) == (origin.startswith(folder) and elsewhere), (folder, origin)


LIBRARY = "torch/lib/libtorch_cpu.so"
SIZES = json.loads(Path(__file__).with_name("sizes.json").read_bytes())
RECORD = '"odd,name.py",sha256=x,1\n' + "".join(
    f"{name},sha256=x,{size}\n" if size else f"{name},,\n" for name, size in SIZES.items()
)


@pytest.mark.parametrize(
    ("left_out", "size", "gone"),
    [
        ([], 400000000, []),
        # a library without its symbols is whole
        (["torch/__pycache__", "torch/include", "torch/tests", "torch/a.sort.txt"], 330000000, []),
        ([], 100000, ["torch/lib/libtorch_cpu.so (100000 of 400000000 bytes)"]),
        (
            ["torch/lib/libcudnn", "torch/nn/modules", "torch/optim", "single"],
            0,
            [
                "single.py",
                "torch/lib/libcudnn.so.9",
                "torch/lib/libtorch_cpu.so (empty)",
                "torch/nn/",
                "torch/optim/",
            ],
        ),
    ],
)
def test_what_is_missing(tmp_path, left_out, size, gone):
    there = {name: n for name, n in SIZES.items() if not name.startswith(("..", *left_out))}
    plant(tmp_path, dict.fromkeys(there, "x"))
    for name, length in there.items():
        os.truncate(tmp_path / name, length or 1)  # sparse: takes no room
    os.truncate(tmp_path / LIBRARY, size)
    assert missing(str(tmp_path), RECORD.encode()) == gone
    assert missing(str(tmp_path), RECORD.replace("\n", "\r\n").encode()) == gone
    if not gone and not left_out:  # source that was replaced by its byte code
        (tmp_path / "torch/optim/adam.py").rename(tmp_path / "torch/optim/adam.pyc")
        assert missing(str(tmp_path), RECORD.encode()) == []
        (tmp_path / LIBRARY).unlink()  # as uv links to its cache, which is gone
        (tmp_path / LIBRARY).symlink_to(tmp_path / "cache")
        (tmp_path / "torch/__init__.py").write_bytes(b"")
        told = [f"{LIBRARY} (a link to nothing)", "torch/__init__.py (empty)"]
        assert sorted(missing(str(tmp_path), RECORD.encode())) == sorted(told)


def test_an_environment_of_6000_packages_is_judged(tmp_path):
    """So are its snapshot and a report that holds all facts."""
    venv.create(tmp_path / "env", with_pip=False, symlinks=True)
    (site,) = (tmp_path / "env").glob("lib/python3*/site-packages")
    for n in range(6000):
        info = site / f"pkg_{n}-1.0.dist-info"
        info.mkdir()
        head = f"Metadata-Version: 2.1\nName: pkg-{n}\nVersion: 1.0\n"
        (info / "METADATA").write_text(f"{head}Requires-Dist: pkg-{(n + 1) % 6000}>=1.0\n\n")
    before = os.times()
    for words in (["check", "--target", "env"], ["snapshot", "--target", "env", "-o", "s.json"]):
        ended = doctor(*words, cwd=tmp_path)
    again = doctor("check", "--from", "s.json", "--format", "json", cwd=tmp_path)
    after = os.times()
    assert ended.returncode == 0
    report = json.loads(again.stdout)
    assert [one["id"] for one in report["findings"] if one["severity"] == "error"] == [
        "torch-missing"
    ]
    assert not [why for why in report["unknown"].values() if "folder" in why]
    assert sum(after[2:4]) - sum(before[2:4]) < 8
