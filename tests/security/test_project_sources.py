"""A folder that names package sources of its own does not steer `fix -y` and `set`: the user's word is asked for."""

import os
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

# test files are imported by path: their neighbours are found only so
sys.path.insert(0, str(Path(__file__).parents[1]))

import pytest
from libraries.catalogue import RELEASES, Release
from libraries.fixtures import index, uv_cache
from libraries.running import HELD, doctor, house, made, version
from libraries.server import Index, Variants

__all__ = ["index", "uv_cache"]

EVIL = Release("huggingface-hub", "0.36.3", "2026-10-01")
"""Newer than every good one that transformers takes: whoever may offer it wins."""
STEERS = {
    "pyproject.toml": '[tool.uv]\n[[tool.uv.index]]\nurl = "{url}"\n',
    "uv.toml of a ban": 'no-index = true\nfind-links = ["{here}/evil"]\n',
    "uv.toml above": 'extra-index-url = ["{url}"]\n',
    "requirements.txt": "torch\n--extra-index-url {url}\n-f evil  # the wheels\n",
}


@pytest.fixture
def evil(index: Index) -> Iterator[Index]:
    others = (r for r in RELEASES if r.name != EVIL.name)
    one = Index((*others, EVIL))
    yield one
    one.close()


@pytest.fixture
def make(index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX", "PIP_FIND_LINKS", "UV_NO_CONFIG", "PIP_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)

    return partial(made, tmp_path)


@pytest.mark.parametrize("kind", STEERS)
def test_the_folder_does_not_choose_where_wheels_come_from(
    kind: str, make: Callable[..., Path], index: Index, evil: Index, tmp_path: Path
) -> None:
    env = make(index.url, *HELD)
    folder = tmp_path / "cloned" / "project"
    house(folder / "evil", evil.releases)
    name = kind.partition(" ")[0]
    place = folder.parent if kind.endswith("above") else folder
    (place / name).write_text(STEERS[kind].format(url=evil.url, here=folder))
    there = ("--target", str(env))
    dry = doctor("fix", *there, "--dry-run", cwd=folder)
    assert EVIL.version not in dry.stdout
    found = doctor("set", *there, "--gpu", "none", "--driver", "none", cwd=folder)
    assert EVIL.version not in found.stdout
    ended = doctor("fix", *there, "-y", cwd=folder)
    assert (ended.returncode, version(env)) == (0, "0.36.2"), ended.stdout + ended.stderr
    assert evil.asked == []
    for one in (dry, found, ended):
        (line,) = (said for said in one.stderr.splitlines() if "package sources" in said)
        assert name in line
        assert "not used: --allow-project-sources takes them" in line
    doctor("undo", *there, cwd=folder)
    allowed = doctor("fix", *there, "-y", "--allow-project-sources", cwd=folder)
    assert version(env) == EVIL.version, allowed.stdout + allowed.stderr  # the attack is real
    assert "they are used" in allowed.stderr


def test_the_folder_names_no_mirror(
    make: Callable[..., Path], index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")  # PyTorch's own index is out of reach
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    vision = Release("torchvision", "0.29.1+cpu", "", ("torch==2.14.1",))
    evil = Variants((vision, *(r for r in RELEASES if r.name in ("torch", "filelock", "numpy"))))
    env = make(index.url, "torch==2.14.1", "torchvision==0.20.1", "filelock", "numpy==2.2.6")
    file = next(env.glob("lib/python*/site-packages/torch/version.py"))
    file.write_text("__version__ = '2.14.1+cpu'\ncuda = None\nhip = None\nxpu = None\n")
    text = f'[tool.doctor.mirrors]\npytorch = "{evil.url}"\n'
    (tmp_path / "pyproject.toml").write_text(text)
    there = ("--target", str(env))
    for command in ("check", "wheel"):
        assert evil.url not in doctor(command, *there, cwd=tmp_path).stdout
    doctor("fix", *there, "-y", cwd=tmp_path)
    assert (version(env, "torchvision"), evil.asked) == ("0.20.1", [])
    allowed = doctor("fix", *there, "-y", "--allow-project-sources", cwd=tmp_path)
    assert version(env, "torchvision") == "0.29.1+cpu", allowed.stdout + allowed.stderr
    evil.close()
