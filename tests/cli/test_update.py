"""doctor update as a user starts it, and what the other commands make of its cache."""

import json
from pathlib import Path
from typing import Any

import pytest
import typed
from refresh.pages import NEW, Index, files_of, row_with, torch_files

from tunedoctor.tables.load import shipped


@pytest.fixture(scope="module")
def mirror():
    """A mirror of PyTorch's index with 2.16.0; its root."""
    table, index = shipped("torch_wheels"), Index()
    index.of_table(table)
    row = row_with(table["releases"]["items"]["2.15.0"], **NEW)
    index.put("torch", files_of(table, "torch") + torch_files("2.16.0", row))
    yield index.root
    index.close()


def doctor(cache: Path, *argv: str, **env: str) -> typed.Ran:
    return typed.doctor(*argv, cwd=cache.parent, DOCTOR_CACHE=str(cache), **env)


def answer_of(cache: Path, *argv: str) -> Any:
    return json.loads(doctor(cache, *argv, "--format", "json").stdout)


def update(cache: Path, mirror: str, *argv: str) -> str:
    where = ("update", "--index", f"{mirror}/whl")
    ended = doctor(cache, *where, *argv, PIP_INDEX_URL=f"{mirror}/none/")
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_what_an_update_learns_is_told_and_used_by_the_other_commands(tmp_path, mirror):
    cache = tmp_path / "cache"
    said = update(cache, mirror)
    assert "2.16.0: cu130 cu132, xpu, Python 3.11-3.15 3.14t 3.15t" in said
    assert "2.16.0: supported GPUs unknown, so only chosen if nothing older fits" in said
    assert "shipped 2026-11-24" in said
    assert "--force asks" in update(cache, mirror)
    assert "nothing new" in update(cache, mirror, "--force")
    known = answer_of(cache, "check")["knowledge"]
    assert (known["source"], known["days"] in (0, 1)) == ("updated", True), "it can be midnight"
    described = ("wheel", "--platform", "linux", "--arch", "x86_64", "--python", "3.13")
    new, with_gpu = ("--torch", "==2.16.0"), ("--gpu", "8.9", "--driver", "600.10")
    assert answer_of(cache, *described, *new)["torch_version"] == "2.16.0"
    sure = answer_of(cache, *described, *with_gpu)
    assert sure["torch_version"] == "2.15.0", "the code of 2.16.0 was not read"
    assert "torch 2.16.0 is newer, but it is unknown which GPUs its wheels have code for" in str(
        sure
    )
    assert answer_of(cache, *described, *with_gpu, *new)["torch_version"] == "2.16.0"
    assert answer_of(tmp_path / "none", *described, *new)["torch_version"] != "2.16.0"
    # a damaged or unreadable cache is told and does no harm
    file = cache / "torch_wheels.json"
    file.write_bytes(file.read_bytes()[:-20])
    told = doctor(cache, "check", "--self").stdout
    assert "torch_wheels.json was ignored: it is damaged" in " ".join(told.split())
    known = answer_of(cache, "check")["knowledge"]
    assert (known["source"], "damaged" in known["problem"]) == ("shipped", True)
    file.unlink()
    file.mkdir()
    assert "is not a file" in answer_of(cache, "check")["knowledge"]["problem"]
