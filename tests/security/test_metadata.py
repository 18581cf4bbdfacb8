"""A hostile environment: its files stall nobody, act on no terminal, and what is damaged is called so."""

import json
import os
import re
import subprocess
import sys
import time
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="FIFOs and devices are POSIX")

SECONDS = 12
"""Of the processor, on a machine that is slow; a whole check takes a quarter of one."""
EVIL = "b; " + "extra;" * 2700


@pytest.fixture
def env(tmp_path: Path) -> Path:
    """Return an environment with a transformers and a torch that are whole."""
    venv.create(tmp_path / "env", with_pip=False, symlinks=True)
    for name in ("torch", "transformers"):
        package(tmp_path / "env", name)
    (site(tmp_path / "env") / "torch" / "version.py").write_text("__version__ = '2.9.1+cpu'\n")
    return tmp_path / "env"


def site(env: Path) -> Path:
    (found,) = (env / "lib").glob("python*/site-packages")
    return found


def package(env: Path, name: str, *headers: str) -> Path:
    info = site(env) / f"{name}-9.9.dist-info"
    info.mkdir()
    lines = ("Metadata-Version: 2.1", f"Name: {name}", "Version: 9.9", *headers)
    (info / "METADATA").write_text("\n".join(lines) + "\n\nbody\n")
    (info / "RECORD").write_text(f"{name}/__init__.py,,\n{name}-9.9.dist-info/METADATA,,\n")
    (site(env) / name).mkdir()
    (site(env) / name / "__init__.py").touch()
    return info


def check(env: Path, form: str = "json") -> "tuple[dict[str, Any], str]":
    """Return the report and the text of it; a stall or a traceback fails."""
    argv = [sys.executable, "-m", "tunedoctor", "check", "--target", str(env)]
    before = os.times()
    done = subprocess.run(
        [*argv, "-v", "--format", form],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=env.parent,
    )
    after = os.times()
    used = after.children_user + after.children_system
    used -= before.children_user + before.children_system
    assert "Traceback" not in done.stderr
    assert done.returncode in (0, 1, 2)
    assert used < SECONDS
    return json.loads(done.stdout) if form == "json" else {}, done.stdout


def broken(report: dict[str, Any]) -> str:
    return next((f["found"] for f in report["findings"] if f["id"] == "broken-install"), "")


def test_the_control_is_whole(env: Path) -> None:
    report, text = check(env)
    assert report["target"]["packages"] == {"torch": "2.9.1+cpu", "transformers": "9.9"}
    assert broken(report) == ""
    assert "damaged" not in text


def test_a_field_that_no_pattern_reads_in_time(env: Path) -> None:
    began = time.process_time()
    re.search(r";.*\bextra\s*(?:==|in\b)", EVIL[:4000], re.DOTALL)
    short = time.process_time() - began
    began = time.process_time()
    re.search(r";.*\bextra\s*(?:==|in\b)", EVIL[:16000], re.DOTALL)
    assert time.process_time() - began > 8 * short, "the pattern of old is not quadratic"
    for name in ("peft", "trl", "accelerate"):
        package(env, name, f"Requires-Dist: {EVIL}")
    report, _ = check(env)
    assert "peft: its metadata are damaged" in broken(report)
    assert "16203 characters" in broken(report)


@pytest.mark.parametrize(
    "header",
    [
        "Requires-Dist: b; " + "(" * 4000,
        "Requires-Dist: !!",
        "Requires-Python: " + ">=3," * 4000,
        "\n".join(["Requires-Dist: b>=1"] * 2000),
    ],
)
def test_a_field_that_is_none_is_a_damaged_one(env: Path, header: str) -> None:
    package(env, "peft", header)
    report, _ = check(env)
    assert "peft: its metadata are damaged" in broken(report)


KINDS: dict[str, Callable[[Path], object]] = {
    "a fifo": os.mkfifo,
    "a file without end": lambda place: place.symlink_to("/dev/zero"),
    "a loop": lambda place: place.symlink_to(place),
    "a folder": lambda place: place.mkdir(),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_regular_file_is_not_read(env: Path, kind: str) -> None:
    if kind == "a fifo":
        os.mkfifo(env / "control")
        with pytest.raises(subprocess.TimeoutExpired):
            subprocess.run(["cat", str(env / "control")], timeout=1, check=False)
    here = site(env)
    info = package(env, "peft")
    places = [info / "METADATA", here / "torch" / "version.py", here / "evil.pth", env / "pip.conf"]
    places += [here / "evil-1.dist-info", here / "evil.egg-link", env / "conda-meta"]
    for name in ("INSTALLER", "direct_url.json", "RECORD"):
        places.append(here / "transformers-9.9.dist-info" / name)
    for place in places:
        place.unlink(missing_ok=True)
        KINDS[kind](place)
    report, _ = check(env)
    assert "transformers" in report["target"]["packages"]
    assert "peft: its metadata are missing" in broken(report)


def test_a_folder_with_more_than_any_is_not_known(env: Path) -> None:
    for number in range(6000):
        (site(env) / f"p{number}-1.dist-info").mkdir()
    report, text = check(env)
    assert report["verdict"] != "ready"
    assert "more entries than any site folder" in text


@pytest.mark.parametrize(
    "record",
    [
        ".py," * (1 << 20),
        "".join(f"gone/{n}/{n}.py,,\n" for n in range(50_000)),
        "a/b.so,sha256=x," + "9" * (4 << 20),
        "x" * (9 << 20),
    ],
    ids=["one line", "all gone", "a size", "too large"],
)
def test_a_record_is_read_in_time(env: Path, record: str) -> None:
    (site(env) / "transformers-9.9.dist-info" / "RECORD").write_text(record)
    check(env)


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ("env/pip.conf", "[global]\nx" + " " * 60_000 + "x"),
        ("uv.toml", "a." * 30_000 + "a = 1"),
        ("uv.toml", "a = " + "[" * 60_000),
    ],
    ids=["blanks", "a key of many parts", "a deep list"],
)
def test_settings_are_read_in_time(env: Path, place: str, text: str) -> None:
    (env.parent / place).write_text(text)
    assert check(env)[0]["target"]["packages"]


def test_names_that_act_on_a_terminal_do_not(env: Path) -> None:
    name = "~ransformers\x1b]0;owned\x07\x1b[2J\u202egnp"
    (site(env) / f"{name}-1.dist-info").mkdir()
    info = package(env, "peft", f"Requires-Dist: {name}")
    (info / "direct_url.json").write_text("[" * 16_000)
    (info / "METADATA").write_text(f"Name: peft\nVersion: 1{name}\n\n")
    screen, text = check(env, "terminal")[1], check(env)[1]
    assert "ransformers" in screen
    assert "ransformers" in text
    decoded = "".join(re.findall(r"\\u[0-9a-f]{4}", text)).encode().decode("unicode_escape")
    assert all(c.isprintable() or c == "\n" for c in screen + text + decoded)
