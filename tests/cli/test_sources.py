"""Where doctor fix and doctor set take wheels from: the user's own sources, served on loopback or lying in a folder."""

import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

# test files are imported by path: their neighbours are found only so
sys.path.insert(0, str(Path(__file__).parents[1]))

import pytest
from libraries.catalogue import RELEASES, Release
from libraries.fixtures import uv_cache
from libraries.running import HELD, Ran, doctor, house, made, version
from libraries.server import Index, Variants

__all__ = ["uv_cache"]

CURE = ("huggingface-hub", "0.36.2")
PAIRS = tuple(
    r
    for name, version, *needs in (
        ("torch", "2.14.1+cpu", "filelock"),
        ("torchvision", "0.20.1", "numpy"),
        ("torchvision", "0.29.1+cpu", "torch==2.14.1", "numpy"),
    )
    for r in (Release(name, version, "", tuple(needs)),)
)


def of(*names: str) -> tuple[Release, ...]:
    """Return the releases "name" or "name==version" of the catalogue."""
    return tuple(r for r in RELEASES for n in names if n in (r.name, f"{r.name}=={r.version}"))


WITHOUT = tuple(r for r in RELEASES if r.name != CURE[0])


Serve = Callable[..., Index]


@pytest.fixture
def serve(uv_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Return a function that serves releases; nothing of this machine's own settings is left."""
    for name in tuple(os.environ):
        if name.startswith(("PIP_", "UV_", "XDG_", "DOCTOR_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        monkeypatch.delenv(name, raising=False)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(home / "etc"))
    monkeypatch.setenv("UV_CACHE_DIR", str(uv_cache))
    # what no test serves is out of reach, and is known to be at once
    monkeypatch.setenv("DOCTOR_MIRROR_PYTORCH", closed())
    running: list[Index] = []

    def served(*releases: Release, kind: type[Index] = Index) -> Index:
        running.append(kind(releases))
        return running[-1]

    yield served
    for one in running:
        one.close()


def closed() -> str:
    """Return the URL of a port where nobody listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{one.getsockname()[1]}/simple"


def configure(tool: str, name: str, text: str) -> None:
    """Write the user's own settings of a tool."""
    folder = Path(os.environ["HOME"], ".config", tool)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)


def paired(tmp_path: Path, serve: Serve) -> Path:
    """Return an environment with a torchvision that is not torch's."""
    pins = ("torch==2.14.1+cpu", "torchvision==0.20.1", "filelock", "numpy==2.2.6")
    return made(tmp_path, serve(*RELEASES, *PAIRS).url, *pins)


@pytest.fixture
def env(tmp_path: Path, serve: Serve) -> Path:
    return made(tmp_path, serve(*RELEASES, *PAIRS).url, *HELD)


def fixed(env: Path, **variables: str) -> Ran:
    return doctor("fix", "--target", str(env), "-y", cwd=env.parent, **variables)


def flat(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("tool", ["pip", "uv"])
@pytest.mark.parametrize("by", ["variable", "file"])
def test_an_extra_index_alone_has_it(
    env: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch, tool: str, by: str
) -> None:
    default, extra = serve(*WITHOUT), serve(*of("huggingface-hub"))
    if by == "variable":
        names = {
            "pip": ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"),
            "uv": ("UV_DEFAULT_INDEX", "UV_INDEX"),
        }
        for name, url in zip(names[tool], (default.url, extra.url), strict=True):
            monkeypatch.setenv(name, url)
    elif tool == "pip":
        text = (
            f"[global]\nindex-url = {default.url}\n[install]\nextra-index-url =\n    {extra.url}\n"
        )
        configure(tool, "pip.conf", text)
    else:
        rows = f'[[index]]\nurl = "{default.url}"\ndefault = true\n[[index]]\nname = "mine"\nurl = "{extra.url}"\n'
        configure(tool, "uv.toml", rows)
    ended = fixed(env)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert version(env) == CURE[1]
    assert any("huggingface" in path for path in extra.asked)


@pytest.mark.parametrize("how", ["with an index", "alone", "the index is silent"])
def test_a_wheelhouse_with_what_is_needed_is_enough(
    env: Path, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """It holds one wheel: what is installed stands for the rest."""
    wheels = house(tmp_path / "my, wheels", of("huggingface-hub==0.36.2"))
    configure("uv", "uv.toml", f'find-links = ["{wheels}"]\n')
    default = serve(*WITHOUT)
    monkeypatch.setenv("PIP_INDEX_URL", default.url if how == "with an index" else closed())
    if how == "alone":
        monkeypatch.setenv("PIP_NO_INDEX", "1")
    ended = fixed(env)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert version(env) == CURE[1]


def test_variables_win_over_files_and_pips_sections_in_their_order(
    env: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = serve(*RELEASES), serve(*WITHOUT)
    configure("pip", "pip.conf", f"[global]\nindex-url = {bad.url}\n")
    refused = fixed(env)
    assert refused.returncode == 1
    assert f"{bad.url} (~/.config/pip/pip.conf) has no huggingface-hub" in flat(refused.stdout)
    (env / "pip.conf").write_text(f"[install]\nindex-url = {good.url}\n")
    assert doctor("fix", "--target", str(env), "--dry-run", cwd=env.parent).returncode == 0
    monkeypatch.setenv("PIP_INDEX_URL", bad.url)
    assert fixed(env).returncode == 1
    monkeypatch.setenv("UV_DEFAULT_INDEX", good.url)
    assert fixed(env).returncode == 0
    assert version(env) == CURE[1]


def test_constraints_hold(env: Path, serve: Serve, tmp_path: Path) -> None:
    url = serve(*RELEASES).url
    file = tmp_path / "my limits.txt"
    file.write_text("huggingface-hub<0.36\n")
    asked = ("fix", "--target", str(env), "--dry-run")
    held = doctor(*asked, cwd=tmp_path, PIP_INDEX_URL=url, UV_CONSTRAINT=file.as_uri())
    assert "→ 0.36" not in held.stdout
    assert "→ 0.36" in doctor(*asked, cwd=tmp_path, PIP_INDEX_URL=url).stdout


def test_a_mirror_of_pytorch_and_of_the_default_index(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror, default = serve(*PAIRS, *of("filelock", "numpy"), kind=Variants), serve(*RELEASES)
    env = paired(tmp_path, serve)
    monkeypatch.delenv("DOCTOR_MIRROR_PYTORCH")
    rows = f'[mirrors]\npytorch = "{mirror.url}"\ndefault = "{default.url}"\n'
    configure("tunedoctor", "config.toml", rows)
    shown = doctor("check", "--target", str(env), cwd=tmp_path)
    assert f"{mirror.url}/cpu" in shown.stdout
    assert f"{mirror.url}/" in doctor("wheel", "--target", str(env), cwd=tmp_path).stdout
    ended = fixed(env)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert version(env, "torchvision") == "0.29.1+cpu"
    configure("tunedoctor", "config.toml", "[mirrors]\npytorch = 'ftp://x'\n")
    ended = doctor("check", "--target", str(env), cwd=tmp_path)
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert "ftp://x" in ended.stderr


@pytest.mark.parametrize("what", ["closed", "a hole", "no certificate", "half"])
def test_who_does_not_answer_is_named_at_once(
    env: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    good = serve(*RELEASES).url
    with socket.socket() as hole:
        hole.bind(("127.0.0.1", 0))
        hole.listen(0)
        port = hole.getsockname()[1]
        full = [socket.create_connection(("127.0.0.1", port)) for _ in range(1)]
        url = {
            "closed": closed(),
            "a hole": f"http://127.0.0.1:{port}/simple",
            "no certificate": good.replace("http:", "https:"),
            "half": closed(),
        }[what]
        if what == "half":
            monkeypatch.setenv("PIP_INDEX_URL", good)
            monkeypatch.setenv("PIP_EXTRA_INDEX_URL", url)
        else:
            monkeypatch.setenv("PIP_INDEX_URL", url)
        start = time.monotonic()
        ended = fixed(env)
        took = time.monotonic() - start
        for one in full:
            one.close()
    place = "PIP_EXTRA_INDEX_URL" if what == "half" else "PIP_INDEX_URL"
    assert ended.returncode == 1
    assert f"no answer from the package source {url} ({place})" in flat(ended.stdout)
    assert "Nothing was changed" in ended.stdout
    assert version(env) == "1.5.0"
    assert took < 30, "nobody waits for every package"
