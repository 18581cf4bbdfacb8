"""doctor fix that the user stops, and what the user forbids: real environments, an index on loopback."""

import os
import signal
import subprocess
import sys
from pathlib import Path

# test files are imported by path: their neighbours are found only so
sys.path.insert(0, str(Path(__file__).parents[1]))

import pytest
from cli.test_fix import CLASH, Make, doctor, index, make, state, uv_cache
from libraries.server import Index

__all__ = ["index", "make", "uv_cache"]


@pytest.mark.skipif(sys.platform == "win32", reason="there a console gets Ctrl-C, no process")
def test_ctrl_c_puts_back_and_says_so(make: Make) -> None:
    env = make(*CLASH)
    before = state(env)
    child = subprocess.Popen(
        [sys.executable, "-m", "tunedoctor", "fix", "--target", str(env), "--yes"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"},
        # a shell without job control starts what runs in the background deaf to it
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
    )
    assert child.stdout is not None
    for line in child.stdout:
        if "fetched" in line:
            break
    child.send_signal(signal.SIGINT)
    _, said = child.communicate(timeout=120)
    assert child.returncode == 130, said
    assert "the environment is as it was" in said
    assert "Traceback" not in said
    assert state(env) == before
    kept = {path.name for path in env.parent.iterdir()} - {env.name}
    assert all(name.endswith("failed.log") for name in kept), kept


@pytest.mark.parametrize(
    ("name", "tool"), [("UV_OFFLINE", "uv"), ("PIP_NO_INDEX", "uv"), ("UV_NO_INDEX", "pip")]
)
def test_what_forbids_the_network_is_told_before_anything_is_touched(
    make: Make, index: Index, name: str, tool: str, tmp_path: Path
) -> None:
    env = make(*CLASH, pip=tool == "pip")
    before, asked = state(env.parent), len(index.asked)
    argv = ["fix", "--target", str(env), "--yes", "--installer", tool]
    ended = doctor(*argv, **{name: "1", "UV_CACHE_DIR": str(tmp_path / "empty")})
    assert ended.returncode == 1, ended.stdout
    assert f"unset {name}" in ended.stdout
    assert "Nothing was changed" in ended.stdout
    assert state(env.parent) == before
    assert len(index.asked) == asked


def test_what_uv_holds_in_its_cache_cures_offline(make: Make, index: Index) -> None:
    env = make(*CLASH)
    argv = ["fix", "--target", str(env), "--yes"]
    assert doctor(*argv).returncode == 0
    assert doctor("undo", "--target", str(env)).returncode == 0
    by_pip = make(*CLASH, name="by pip", pip=True)
    asked = len(index.asked)
    refused = doctor("fix", "--target", str(by_pip), "--yes", "--installer", "pip", UV_OFFLINE="1")
    assert "UV_OFFLINE leaves installers to the cache of uv" in " ".join(refused.stdout.split())
    ended = doctor(*argv, UV_OFFLINE="1")
    assert ended.returncode == 0, ended.stdout
    assert len(index.asked) == asked


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9")
def test_check_tells_of_a_fix_that_was_killed(make: Make) -> None:
    env = make(*CLASH)
    (env / ".git").mkdir()  # in the folder of a project it is changed in place
    before = state(env)
    assert "broken off" not in doctor("check", "--target", str(env)).stderr
    child = subprocess.Popen(
        [sys.executable, "-m", "tunedoctor", "fix", "--target", str(env), "--yes"],
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"},
    )
    assert child.stdout is not None
    for line in child.stdout:
        if "saved" in line:
            break
    child.kill()
    child.communicate(timeout=60)
    assert "was broken off" in doctor("check", "--target", str(env)).stderr
    ended = doctor("fix", "--target", str(env), "--yes")
    assert ended.returncode == 0, ended.stdout
    assert doctor("check", "--target", str(env)).stderr == ""
    assert doctor("undo", "--target", str(env)).returncode == 0
    assert state(env) == before
