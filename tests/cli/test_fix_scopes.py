"""doctor fix goes on to a larger scope where the smallest change cannot be planned or does not prove itself."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from libraries import running
from libraries.catalogue import RELEASES, Release
from libraries.running import HELD, state
from libraries.server import Index
from loopback import Answer
from typed import HANGS
from typed import inside as doctor

TORCH = Release("torch", "2.14.1+cpu", requires=("filelock",))
DIES = 'raise ImportError("libnowhere.so.9: cannot open shared object file")'
BROKEN_HUB = Release("huggingface-hub", "0.36.9", requires=("filelock",), body=DIES)
"""The newest hub that transformers 4 takes does not start: no change that keeps transformers 4 helps."""
CLASH = ("torch==2.14.1+cpu", *HELD[2:])
"""transformers 4.57.6 beside a huggingface-hub that it refuses."""


class WithTorch(Index):
    """An index that stands in for PyTorch's CPU index as well, below /cpu."""

    def _told(self, kind: str, rest: str) -> Answer | None:
        return super()._told(kind, rest.removeprefix("cpu/"))


@pytest.fixture
def serve(uv_cache, monkeypatch):
    """Return a function that serves releases beside the catalogue's, as the default index and as PyTorch's."""
    for name in [one for one in os.environ if one.startswith(("UV_", "PIP_"))]:
        monkeypatch.delenv(name)
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        monkeypatch.delenv(name, raising=False)
    started: list[Index] = []

    def serving(*releases: Release, without: tuple[str, ...] = ()) -> Index:
        others = [one for one in RELEASES if one.name not in ("torch", *without)]
        index = WithTorch((*others, TORCH, *releases))
        started.append(index)
        names = ("UV_DEFAULT_INDEX", "PIP_INDEX_URL", "DOCTOR_MIRROR_PYTORCH")
        settings = dict.fromkeys(names, index.url) | {"UV_CACHE_DIR": str(uv_cache)}
        settings |= {"UV_HTTP_RETRIES": "0", "UV_NO_CONFIG": "1", "PIP_NO_CACHE_DIR": "1"}
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        return index

    yield serving
    for one in started:
        one.close()


def fix(env: Path, *options: str) -> Any:
    """Return what doctor fix prints as JSON, with its exit code."""
    ended = doctor("fix", "--yes", "--format", "json", "--target", str(env), *options)
    assert ended.stdout, ended.stderr
    return {**json.loads(ended.stdout), "exit": ended.returncode}


def installed(env: Path) -> dict[str, str]:
    found = (
        p.name.removesuffix(".dist-info").rpartition("-") for p in site(env).glob("*.dist-info")
    )
    return {name: version for name, _, version in found}


def site(env: Path) -> Path:
    return next(env.glob("lib/python*/site-packages"))


def test_a_new_environment_replaces_one_that_no_change_repairs(serve, tmp_path):
    index = serve(BROKEN_HUB)
    env = running.made(tmp_path / "work", index.url, *CLASH)
    before = state(env)
    result = fix(env)
    assert (result["exit"], result["end"], result["rung"]) == (0, "applied", "rebuild"), result
    assert [one["end"] for one in result["earlier"]].count("failed") >= 1
    assert result["earlier"][0]["rung"] == "smallest"
    after = installed(env)
    assert after["transformers"].startswith("5.")
    assert {"torch", "accelerate"} <= set(after)
    assert doctor("check", "--target", str(env)).returncode == 0
    assert doctor("undo", "--target", str(env)).returncode == 0
    assert state(env) == before


def test_smallest_stops_before_a_larger_change(serve, tmp_path):
    index = serve(BROKEN_HUB)
    env = running.made(tmp_path / "work", index.url, *CLASH)
    before = state(env)
    result = fix(env, "--smallest")
    assert (result["exit"], result["end"], result["rung"]) == (1, "failed", "smallest"), result
    assert state(env) == before


def test_a_manual_hint_is_never_the_command_that_failed(serve, tmp_path):
    index = serve(BROKEN_HUB)
    env = running.made(tmp_path / "work", index.url, *CLASH)
    for options in (("--smallest",), ()):
        result = fix(env, *options)
        if result["end"] != "applied":
            assert result["by_hand"]
            assert f"doctor fix --target {env}" not in result["by_hand"]


def test_it_asks_again_before_a_larger_change(serve, tmp_path):
    index = serve(BROKEN_HUB)
    env = running.made(tmp_path / "work", index.url, *CLASH)
    before = state(env)
    ours, theirs = os.openpty()
    os.write(ours, b"y\nn\n")
    argv = [sys.executable, "-m", "tunedoctor", "fix", "--target", env]
    ended = subprocess.run(
        argv, stdin=theirs, check=False, capture_output=True, text=True, timeout=HANGS
    )
    os.close(theirs)
    os.close(ours)
    words = " ".join(ended.stdout.split())
    assert ended.stdout.count("Apply? [y/N]") == 2, ended.stdout
    assert "The smallest change did not help and was undone" in words
    assert "Next: " in words
    assert ended.returncode == 1
    assert state(env) == before


def test_a_module_that_the_failed_proof_misses_is_installed(serve, tmp_path):
    """sympy needs mpmath; no check of the files has to know it."""
    needs = Release("sympy", "1.14.0", requires=("mpmath",), body="import mpmath")
    torch = Release("torch", "2.14.1+cpu", requires=("filelock", "sympy"), body="import sympy")
    index = serve(needs, Release("mpmath", "1.3.0"))
    index.releases = (torch, *(one for one in index.releases if one.name != "torch"))
    stack = (
        *(one for one in CLASH if "hub" not in one),
        "huggingface-hub==0.36.2",
        "sympy==1.14.0",
    )
    env = running.made(tmp_path / "work", index.url, *stack)
    result = fix(env)
    assert (result["exit"], result["end"]) == (0, "applied"), result
    assert installed(env)["mpmath"] == "1.3.0"


def test_what_excludes_a_declared_version_is_named(serve, tmp_path):
    """No hub that transformers 4 takes is on the index, and no other transformers."""
    old = tuple(one for one in RELEASES if (one.name, one.version) == ("transformers", "4.57.6"))
    new = Release("huggingface-hub", "1.5.0")
    index = serve(new, *old, without=("huggingface-hub", "transformers"))
    env = running.made(tmp_path / "work", index.url, *CLASH)
    (tmp_path / "work" / "requirements.txt").write_text("transformers==4.57.6\n")
    before = state(env)
    ended = doctor("fix", "--yes", "--target", str(env))
    words = " ".join(ended.stdout.split())
    assert ended.returncode == 1
    assert "transformers needs huggingface-hub 0.34.0 or newer but older than 1.0" in words
    assert "only huggingface-hub 1.5.0 is available" in words
    assert "uv says" not in words
    refusal = ended.stdout[ended.stdout.rindex("✗") :].partition("Nothing was changed")[0]
    assert len(refusal.splitlines()) <= 4, refusal
    assert state(env) == before


def test_an_editable_package_survives_a_rebuild(serve, tmp_path):
    index = serve(BROKEN_HUB)
    env = running.made(tmp_path / "work", index.url, *CLASH)
    source = tmp_path / "mine"
    source.mkdir()
    (source / "mine.py").write_text("value = 7\n")
    info = site(env) / "mine-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: mine\nVersion: 0.1\nRequires-Dist: transformers\n"
    )
    (info / "INSTALLER").write_text("pip\n")
    direct = {"url": source.as_uri(), "dir_info": {"editable": True}}
    (info / "direct_url.json").write_text(json.dumps(direct))
    (site(env) / "__editable__.mine.pth").write_text(f"{source}\n")
    names = ("METADATA", "INSTALLER", "direct_url.json", "RECORD")
    rows = ["__editable__.mine.pth,,", *(f"{info.name}/{name},," for name in names)]
    (info / "RECORD").write_text("\n".join(rows) + "\n")
    result = fix(env)
    assert (result["end"], result["rung"]) == ("applied", "rebuild"), result
    ran = subprocess.run(
        [env / "bin/python", "-c", "import mine; print(mine.value)"],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert ran.stdout == "7\n", ran.stderr


def test_what_is_no_virtual_environment_is_not_rebuilt(serve, tmp_path):
    index = serve(BROKEN_HUB)
    env = running.made(tmp_path / "work", index.url, *CLASH)
    (env.parent / ".git").mkdir()
    (env / ".git").mkdir()  # the environment is the folder of a project: it cannot be renamed
    result = fix(env)
    assert result["end"] == "failed", result
    assert "cannot be replaced as a whole" in result["why"]
    assert installed(env)["huggingface_hub"] == "1.5.0"


@pytest.mark.parametrize("tool", ["uv", "pip"])
def test_damaged_metadata_is_removed_and_installed_anew(serve, tmp_path, tool):
    index = serve()
    stack = (*(one for one in CLASH if "hub" not in one), "huggingface-hub==0.36.2")
    env = running.made(tmp_path / "work", index.url, *stack, pip=tool == "pip")
    (first,) = site(env).glob("accelerate-*.dist-info/METADATA")
    text = first.read_text()
    first.unlink()  # uv shares it with its cache
    first.write_text(text.replace("Version: 1.13.0", "Version: not-a-version"))
    (second,) = site(env).glob("safetensors-*.dist-info/METADATA")
    second.unlink()
    second.write_text("")
    result = fix(env, "--installer", tool)
    assert (result["exit"], result["end"]) == (0, "applied"), result
    assert "accelerate" in installed(env)
    assert doctor("check", "--target", str(env)).returncode == 0


OLD_CALLER = (
    "import huggingface_hub\n"
    "raise ImportError(\"cannot import name 'cached_download' from 'huggingface_hub' (/h.py)\")"
)
"""It stops in its own file, at a name that the hub of today no longer has."""
CHECKS_HUB = (
    "from importlib.metadata import version\n"
    "if version('huggingface-hub').startswith('1.'):\n"
    "    raise ImportError('huggingface-hub>=0.34.0,<1.0 is required for a normal functioning')"
)


def two_faults(serve, folder):
    """Return an environment where transformers refuses its hub, and sentence-transformers stops beside any hub."""
    catalogue = [one for one in RELEASES if one.name == "transformers"]
    checking = [one._replace(body=CHECKS_HUB) for one in catalogue if one.version == "4.57.6"]
    others = [one for one in catalogue if one.version != "4.57.6"]
    old = Release("sentence-transformers", "2.2.2", requires=("torch",), body=OLD_CALLER)
    new = Release("sentence-transformers", "5.1.0", requires=("torch",))
    index = serve(*checking, *others, old, new, without=("transformers",))
    return running.made(folder, index.url, *CLASH, "sentence-transformers==2.2.2")


def test_what_a_proved_change_leaves_is_fixed_next_and_one_undo_takes_back_all(serve, tmp_path):
    env = two_faults(serve, tmp_path / "work")
    before = state(env)
    result = fix(env)
    assert (result["exit"], result["end"]) == (0, "applied"), result
    after = installed(env)
    assert after["huggingface_hub"] == "0.36.2"
    assert after["sentence_transformers"] == "5.1.0"
    undo = ("undo", "--target", str(env))
    assert result["undo"] == f"doctor {' '.join(undo)}"
    states = [
        one["id"]
        for one in json.loads(doctor(*undo, "--list", "--format", "json").stdout)["states"]
    ]
    assert len(states) == 2, "one for each change"
    assert doctor(*undo).returncode == 0
    assert state(env) == before
    assert "no fix of this environment is left to undo" in doctor(*undo).stdout
    # forward again, and back to the state between the two changes
    assert doctor("undo", states[1], *undo[1:]).returncode == 0
    assert installed(env) == after
    assert doctor("undo", states[0], *undo[1:]).returncode == 0
    assert installed(env)["sentence_transformers"] == "2.2.2"


def test_smallest_makes_one_change_and_announces_no_other(serve, tmp_path):
    env = two_faults(serve, tmp_path / "work")
    ended = doctor("fix", "--yes", "--smallest", "--target", str(env))
    assert "This change stays" not in ended.stdout
    assert installed(env)["huggingface_hub"] == "0.36.2"
    assert installed(env)["sentence_transformers"] == "2.2.2"


def test_without_a_terminal_the_plan_is_shown_and_not_applied(serve, tmp_path):
    index = serve()
    env = running.made(tmp_path / "work", index.url, *CLASH)
    before = state(env)
    ended = doctor("fix", "--target", str(env))
    assert ended.returncode == 2
    assert "huggingface-hub" in ended.stdout
    assert ended.stdout.endswith(f"doctor fix --target {env} --yes\n")
    shown = doctor("fix", "--target", str(env), "--format", "json")
    answer = json.loads(shown.stdout)
    assert (shown.returncode, answer["end"]) == (2, "planned")
    assert answer["plan"]["steps"]
    assert state(env) == before
