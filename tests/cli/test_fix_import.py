"""What `doctor fix` proves by import, against the state before: made libraries that die, hang, flood and fork."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

# test files are imported by path: their neighbours are found only so
sys.path.insert(0, str(Path(__file__).parents[1]))

import pytest
from libraries import running
from libraries.catalogue import RELEASES
from libraries.fixtures import uv_cache
from libraries.running import HELD as CLASH
from libraries.running import version
from libraries.server import Index

__all__ = ["uv_cache"]

OLD, NEW = "huggingface-hub==1.5.0", "huggingface-hub==0.36.2"
DIES = "raise ImportError('cannot import name HfFolder')"
Make = Callable[..., Path]


@pytest.fixture
def make(uv_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Return a function that makes an environment; `bodies` is what libraries run at import."""
    opened: list[Index] = []
    for name in ("UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_INDEX_URL", "UV_FIND_LINKS", "UV_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    monkeypatch.setenv("UV_NO_CONFIG", "1")
    monkeypatch.setenv("DOCTOR_STATE", str(tmp_path / "state"))

    def made(bodies: dict[str, str] | None = None, pins: tuple[str, ...] = CLASH) -> Path:
        texts = bodies or {}
        one = Index(r._replace(body=texts.get(f"{r.name}=={r.version}", "")) for r in RELEASES)
        opened.append(one)
        monkeypatch.setenv("UV_DEFAULT_INDEX", one.url)
        monkeypatch.setenv("PIP_INDEX_URL", one.url)
        return running.made(tmp_path / "work", one.url, *pins)

    yield made
    for one in opened:
        one.close()


def doctor(*argv: str, **env: str) -> running.Ran:
    ended = running.doctor(*argv, **{"COLUMNS": "200", **env})
    ended.stdout = " ".join(ended.stdout.split()) if "json" not in argv else ended.stdout
    return ended


def fix(env: Path, *argv: str, **more: str) -> running.Ran:
    return doctor("fix", "--target", str(env), "--yes", *argv, **more)


HELD, CURED = "1.5.0", "0.36.2"
FLOOD = "import os\nfor _ in range(200): os.write(2, b'flood ' * 100_000)"
FORK = """
import os, time
if not os.fork():
    while True:
        time.sleep(1)
"""


@pytest.mark.parametrize(
    ("bodies", "end", "said"),
    [
        ({}, CURED, "1 cured, proved by import in "),
        (
            {NEW: DIES},
            HELD,
            "import huggingface_hub dies, which it did not before: ImportError: cannot",
        ),
        ({NEW: DIES, OLD: DIES}, HELD, "import huggingface_hub still dies: ImportError: cannot"),
        ({OLD: DIES}, CURED, "1 cured, proved by import in "),
        ({"accelerate==1.13.0": DIES}, CURED, "import accelerate: ImportError: cannot"),
        (
            {NEW: "import os; os.kill(os.getpid(), 11)"},
            HELD,
            "which it did not before: signal SIGSEGV",
        ),
        ({NEW: "import time; time.sleep(600)"}, HELD, "which it did not before: no answer in 2 s"),
        ({NEW: FLOOD}, HELD, "import huggingface_hub dies, which it did not before"),
        ({NEW: FORK}, CURED, "1 cured, proved by import in "),
    ],
    ids=["well", "dies", "still", "healed", "other", "crash", "hang", "flood", "fork"],
)
def test_cured_is_what_is_imported(make: Make, bodies: dict[str, str], end: str, said: str) -> None:
    env = make(bodies)
    ended = fix(env, TUNEDOCTOR_STAGE_SECONDS="2")
    assert said in ended.stdout, ended.stdout + ended.stderr
    assert version(env) == end
    assert ended.returncode == (0 if end == CURED else 1)
    assert ("The old state is back." in ended.stdout) is (end == HELD)
    ways = subprocess.run(["pgrep", "-f", str(env.parent)], capture_output=True, check=False)
    assert not ways.stdout, "something of the import outlived the fix"


def test_without_an_import_it_says_what_was_not_proved(make: Make) -> None:
    env = make({NEW: DIES})
    ended = fix(env, "--no-import")
    assert version(env) == CURED
    assert (
        "nothing was imported (--no-import): whether the packages start was not proved, neither "
        "huggingface-hub nor what builds on it"
    ) in ended.stdout
    assert "1 cured, not proved by import." in ended.stdout
    found = json.loads(
        doctor("fix", "--target", str(env), "--dry-run", "--no-import", "--format", "json").stdout
    )
    assert found["looked"] == ""
    assert found["unproved"].startswith("nothing was imported (--no-import)")


TORCH = ("torch==2.14.1", "numpy==2.2.6", "nvidia-nccl-cu13==2.30.7", "filelock==3.20.0")


def test_a_torch_that_dies_is_something_to_cure(make: Make) -> None:
    env = make(
        {"torch==2.14.1": "raise OSError('libtorch_cpu.so: undefined symbol: _ZN3c10')"}, TORCH
    )
    place = ("--target", str(env))
    assert "torch-import-crash" not in doctor("check", *place).stdout, "a quick look knows it"
    looked = doctor("fix", *place, "--dry-run")
    assert "importing its packages" in looked.stderr
    assert "Nothing to cure" not in looked.stdout
    assert "torch-import-crash" in looked.stdout
    quick = doctor("check", *place)
    assert "torch-import-crash" in quick.stdout
    assert "imports as they were a moment ago" in quick.stdout
    again = doctor("fix", *place, "--dry-run")
    assert "importing" not in again.stderr, "it was remembered"
    assert "torch-import-crash" in again.stdout
    for record in env.glob("lib/python*/site-packages/torch-*.dist-info/RECORD"):
        record.write_text(record.read_text() + "\n")
    assert "torch-import-crash" not in doctor("check", *place).stdout, (
        "what changed is not remembered"
    )


@pytest.mark.parametrize(
    "text", [b"{", b'{"imports": 3}', b"\xff", b"[" * 100_000], ids=["cut", "type", "bytes", "deep"]
)
def test_a_damaged_memory_is_none(make: Make, text: bytes, tmp_path: Path) -> None:
    env = make({"torch==2.14.1": DIES}, TORCH)
    doctor("fix", "--target", str(env), "--dry-run")
    (file,) = (tmp_path / "state").glob("*/looks.json")
    assert "torch-import-crash" in doctor("check", "--target", str(env)).stdout
    file.write_bytes(text)
    assert "torch-import-crash" not in doctor("check", "--target", str(env)).stdout
    again = doctor("fix", "--target", str(env), "--dry-run")
    assert "torch-import-crash" in again.stdout


def test_a_doctor_that_is_killed_amid_the_import_leaves_the_old_state(
    make: Make, tmp_path: Path
) -> None:
    flag = tmp_path / "flag"
    body = f"import pathlib, time; pathlib.Path({str(flag)!r}).touch(); time.sleep(60)"
    env = make({NEW: body})
    argv = [sys.executable, "-m", "tunedoctor", "fix", "--target", str(env), "--yes"]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as one:
        ends = time.monotonic() + 60
        while not flag.exists():
            assert one.poll() is None
            assert time.monotonic() < ends
            time.sleep(0.05)
        one.send_signal(signal.SIGKILL)
    assert version(env) == HELD
    assert "was broken off" in doctor("check", "--target", str(env)).stderr
    ended = doctor("undo", "--target", str(env))
    assert "What a fix that was broken off had prepared was removed" in ended.stdout + ended.stderr
    assert [p.name for p in env.parent.iterdir()] == ["env"]
    assert version(env) == HELD
