"""doctor update as a user starts it, and what the other commands make of its cache."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import typed
from loopback import Answer, Server
from refresh.pages import NEW, Index, row_with, torch_files

from tunedoctor.tables.load import shipped

if TYPE_CHECKING:
    import subprocess


@pytest.fixture(scope="module")
def mirror() -> Iterator[str]:
    """A mirror of PyTorch's index with 2.16.0; its root."""
    table, index = shipped("torch_wheels"), Index("")
    index.of_table(table)
    row = row_with(table["releases"]["items"]["2.15.0"], **NEW)
    old = [f for v, known in table["releases"]["items"].items() for f in torch_files(v, known)]
    index.put("torch", old + torch_files("2.16.0", row))

    def answer(_host: str, path: str) -> Answer | None:
        body = index.pages.get(path)
        return Answer("text/html", body) if isinstance(body, bytes) else None

    server = Server(answer)
    yield server.url
    server.close()


def doctor(cache: Path, *argv: str, **env: str) -> "subprocess.CompletedProcess[str]":
    return typed.doctor(*argv, cwd=cache.parent, DOCTOR_CACHE=str(cache), **env)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def _update(cache: Path, mirror: str, *argv: str, **env: str) -> "subprocess.CompletedProcess[str]":
    default = {"PIP_INDEX_URL": f"{mirror}/none/"}
    return doctor(cache, "update", "--index", f"{mirror}/whl", *argv, **{**default, **env})


def test_an_update_says_what_changed_and_the_next_one_waits(cache: Path, mirror: str) -> None:
    ended = _update(cache, mirror)
    assert ended.returncode == 0, ended.stderr
    assert "2.16.0: cu130 cu132, xpu, Python 3.11-3.15 3.14t 3.15t" in ended.stdout
    assert (
        "of 2.16.0 the code for GPUs is not told: chosen where nothing older fits" in ended.stdout
    )
    assert "shipped 2026-11-24" in ended.stdout
    again = _update(cache, mirror)
    assert again.returncode == 0
    assert "--force asks" in again.stdout
    forced = _update(cache, mirror, "--force")
    assert "nothing new" in forced.stdout


def test_the_choice_and_the_report_use_the_updated_table(cache: Path, mirror: str) -> None:
    _update(cache, mirror)
    report = json.loads(doctor(cache, "check", "--format", "json").stdout)
    assert report["knowledge"]["source"] == "updated"
    assert report["knowledge"]["days"] == 0
    described = ("--platform", "linux", "--arch", "x86_64", "--python", "3.13")
    ended = doctor(cache, "wheel", *described, "--torch", "==2.16.0", "--format", "json")
    chosen = json.loads(ended.stdout)
    assert chosen["torch_version"] == "2.16.0"
    with_gpu = (*described, "--gpu", "8.9", "--driver", "600.10")
    sure = json.loads(doctor(cache, "wheel", *with_gpu, "--format", "json").stdout)
    assert sure["torch_version"] == "2.15.0", "the code of 2.16.0 was not read"
    assert "torch 2.16.0 is newer; for which GPUs its wheels hold code is not known" in str(sure)
    exact = doctor(cache, "wheel", *with_gpu, "--torch", "==2.16.0", "--format", "json")
    assert json.loads(exact.stdout)["torch_version"] == "2.16.0"
    plain = doctor(cache / "none", "wheel", *described, "--torch", "==2.16.0", "--format", "json")
    assert json.loads(plain.stdout)["torch_version"] != "2.16.0"


def test_a_damaged_or_unreadable_cache_is_told_and_does_no_harm(cache: Path, mirror: str) -> None:
    _update(cache, mirror)
    file = cache / "torch_wheels.json"
    file.write_bytes(file.read_bytes()[:-20])
    ended = doctor(cache, "check", "--self")
    assert ended.returncode in (0, 1)
    assert "torch_wheels.json is left out: it is damaged" in " ".join(ended.stdout.split())
    knowledge = json.loads(doctor(cache, "check", "--format", "json").stdout)["knowledge"]
    assert knowledge["source"] == "shipped"
    assert "damaged" in knowledge["problem"]
    file.unlink()
    file.mkdir()
    told = json.loads(doctor(cache, "check", "--format", "json").stdout)["knowledge"]["problem"]
    assert "is no file" in told


@pytest.mark.parametrize(
    ("argv", "env", "says"),
    [
        (("--offline",), {}, "--offline says"),
        ((), {"DOCTOR_OFFLINE": "1"}, "DOCTOR_OFFLINE says"),
        ((), {"UV_OFFLINE": "1"}, "UV_OFFLINE says"),
        ((), {"PIP_NO_INDEX": "on"}, "PIP_NO_INDEX says"),
    ],
)
def test_offline_nothing_is_asked(
    cache: Path, argv: tuple[str, ...], env: dict[str, str], says: str
) -> None:
    ended = doctor(cache, "update", "--index", "http://127.0.0.1:9/", *argv, **env)
    assert ended.returncode == 2
    assert says in ended.stderr
    assert "the wheel table stays as it was" in ended.stderr
