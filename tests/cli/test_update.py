"""doctor update as a user starts it, and what the other commands make of its cache."""

import functools
import io
import json
import os
import subprocess
import sys
import threading
import zipfile
from ast import literal_eval
from collections.abc import Iterator
from hashlib import sha256
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import typed
from refresh.pages import NEW, Index, row_with, torch_files

from tunedoctor.tables.load import shipped


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A mirror of PyTorch's index with 2.16.0, served from files; its root."""
    table = shipped("torch_wheels")
    folder = tmp_path_factory.mktemp("mirror")
    index = Index("")
    index.of_table(table)
    row = row_with(table["releases"]["items"]["2.15.0"], **NEW)
    old = [f for v, known in table["releases"]["items"].items() for f in torch_files(v, known)]
    index.put("torch", old + torch_files("2.16.0", row))
    for path, data in index.pages.items():
        place = folder / path.strip("/") / "index.html"
        place.parent.mkdir(parents=True, exist_ok=True)
        assert isinstance(data, bytes)
        place.write_bytes(data)
    handler = functools.partial(_Quiet, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


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


def test_what_can_not_be_had_is_told(cache: Path, mirror: str) -> None:
    ended = _update(cache, f"{mirror}/nowhere")
    assert ended.returncode == 2
    assert "/nowhere/whl/torch/ answered 404; the wheel table stays as it was" in ended.stderr
    said = json.loads(_update(cache, f"{mirror}/nowhere", "--format", "json").stdout)
    assert said["state"] == "refused"
    assert not cache.exists()


def _wheel(name: str, version: str, files: dict[str, str]) -> tuple[str, bytes]:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)
    return f"{name}-{version}-py3-none-any.whl", held.getvalue()


def _simple(
    mirror: Path, name: str, wheels: list[tuple[str, bytes]], *, wrong: bool = False
) -> None:
    place = mirror / "simple" / name
    place.mkdir(parents=True)
    for file, data in wheels:
        (place / file).write_bytes(data)
    hashes = [(f, sha256(data + b"x" * wrong).hexdigest()) for f, data in wheels]
    links = "".join(f'<a href="{f}#sha256={digest}">{f}</a>' for f, digest in hashes)
    (place / "index.html").write_text(f"<!DOCTYPE html><html><body>{links}</body></html>")


@pytest.mark.parametrize("wrong", [False, True])
def test_new_releases_extend_the_import_contracts(
    cache: Path, mirror: str, tmp_path: Path, *, wrong: bool
) -> None:
    """trl 99 asks transformers 99 for what trl 1.16 does not, and trl 1.16 asks what transformers 99 gave up."""
    known = shipped("import_contracts")["releases"]
    old_trl, old = known["trl"][-1], known["transformers"][-1]
    both = "Trainer = 1\nKept = 2\n"
    folder = tmp_path / "index"
    ask = "from transformers import Kept\nfrom transformers import {}\n"
    trl = [
        _wheel("trl", v, {"trl/__init__.py": ask.format(n)})
        for v, n in ((old_trl, "Trainer"), ("99.0", "New"))
    ]
    theirs = ((old, both), ("99.0", "Kept = 2\nNew = 3\n"))
    _simple(folder, "trl", trl, wrong=wrong)
    _simple(
        folder,
        "transformers",
        [_wheel("transformers", v, {"transformers/__init__.py": t}) for v, t in theirs],
    )
    handler = functools.partial(_Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        default = f"http://127.0.0.1:{server.server_address[1]}/simple"
        ended = _update(cache, mirror, PIP_INDEX_URL=default)
        server.shutdown()
    assert ended.returncode == 0, ended.stderr
    said = " ".join(ended.stdout.split())
    assert ("trl 99.0: what it imports" in said) is not wrong
    assert ("has another hash than its page states" in said) is wrong

    def problems(**versions: str) -> list[str]:
        code = "import json, sys; from tunedoctor.contracts.shipped import contract_problems as p; "
        code += "print([b.name for b in p(json.loads(sys.argv[1]))])"
        done = subprocess.run(
            [sys.executable, "-c", code, json.dumps(versions)],
            capture_output=True,
            text=True,
            env={**os.environ, "DOCTOR_CACHE": str(cache)},
            check=True,
        )
        return list(literal_eval(done.stdout))

    assert ("Trainer" in problems(trl=old_trl, transformers="99.0")) is not wrong
    assert ("New" in problems(trl="99.0", transformers=old)) is not wrong
    assert problems(trl="99.0", transformers="99.0") == []
    # what the shipped table knows stays
    first = known["trl"][0]
    assert problems(trl=first, transformers=old)
