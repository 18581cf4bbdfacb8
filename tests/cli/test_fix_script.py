"""The printed script, run by a real sh on a real broken environment: it cures what the plan says."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

# test files are imported by path: their neighbours are found only so
sys.path.insert(0, str(Path(__file__).parents[1]))

import pytest
from cli.test_fix import CLASH, Make, doctor, index, make, uv_cache, version

from tunedoctor.installers.uv import find_uv
from tunedoctor.plan import Install, Pin, Plan, WriteFile
from tunedoctor.render.script import render_script

__all__ = ["index", "make", "uv_cache"]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


def sh(script: Path, **env: str) -> "subprocess.CompletedProcess[str]":
    path = f"{Path(find_uv()).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["sh", script],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": path, **env},
        timeout=240,
    )


@pytest.mark.parametrize("tool", ["uv", "pip"])
def test_the_script_cures_whatever_the_path_is_called(
    make: Make, tmp_path: Path, tool: str
) -> None:
    env = make(*CLASH, name='it\'s "my" $env', pip=tool == "pip")
    leftover = next(env.glob("lib/python*/site-packages")) / "~afetensors"
    leftover.mkdir()
    place = tmp_path / "-cure it.sh"
    ended = doctor("fix", "--target", str(env), "--installer", tool, "--script", str(place))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert version(env, "huggingface_hub") == "1.5.0"
    mine = tmp_path / "mine.sh"
    mine.write_text("mine\n")
    assert doctor("fix", "--target", str(env), "--script", str(mine)).returncode == 2
    assert mine.read_text() == "mine\n"
    ran = sh(place)
    assert ran.returncode == 0, ran.stderr
    assert version(env, "huggingface_hub") == "0.36.2"
    assert not leftover.exists()
    assert doctor("check", "--target", str(env)).returncode == 0


def test_the_script_stops_at_the_first_failure(make: Make, tmp_path: Path) -> None:
    env = make(*CLASH)
    place = tmp_path / "cure.sh"
    assert doctor("fix", "--target", str(env), "--script", str(place)).returncode == 0
    text = place.read_text()
    assert "--require-hashes" in text
    nobody = {"UV_DEFAULT_INDEX": "http://127.0.0.1:9/x", "PIP_INDEX_URL": "http://127.0.0.1:9/x"}
    place.write_text(text + "\ntouch too-far\n")
    ran = sh(place, UV_OFFLINE="1", UV_CACHE_DIR=str(tmp_path / "empty"), **nobody)
    assert ran.returncode != 0
    assert not Path("too-far").exists()
    assert version(env, "huggingface_hub") == "1.5.0"
    other = tmp_path / "other.sh"
    other.write_text(text.replace(str(env), str(tmp_path / "gone")))
    ran = sh(other)
    assert ran.returncode == 1
    assert "there is no interpreter" in ran.stderr


def test_no_name_gets_out_of_its_place(tmp_path: Path) -> None:
    """Plans of plug-ins hold any text; what is no package's name stays a word, and comments stay comments."""
    bad = f"x\nEND\ntouch {tmp_path}/out\n"
    plan = Plan(
        steps=(
            Install(pins=(Pin(name=bad, version="1", hashes=("sha256:0",)),), index="a'; touch y"),
            WriteFile(path="etc/it's here/a.conf", text="$(touch z)\n"),
        ),
        cures=(bad,),
        reasons=(bad, "a\rb\u2028c"),
    )
    (tmp_path / "bin").mkdir()
    python = tmp_path / "bin" / "python"
    python.write_text("#!/bin/sh\ncat >/dev/null\n")
    python.chmod(0o755)
    script = tmp_path / "s.sh"
    script.write_text(render_script(plan, str(python), str(tmp_path), "pip"))
    ran = subprocess.run(
        ["sh", script], capture_output=True, text=True, cwd=tmp_path, check=False, timeout=60
    )
    assert ran.returncode == 0, ran.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bin", "etc", "s.sh"]
    assert (tmp_path / "etc/it's here/a.conf").read_text() == "$(touch z)\n"
