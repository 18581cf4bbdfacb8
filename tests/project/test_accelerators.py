"""One project for several kinds of GPUs: real uv locks it, offline, from indexes on loopback as PyTorch has them."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from libraries.catalogue import Release
from libraries.server import Index, listed, sent
from loopback import Answer, page
from typed import HANGS
from typed import inside as doctor

from tunedoctor.installers.uv import find_uv
from tunedoctor.planning.make import PlannedSet
from tunedoctor.planning.package_set import PackageChange, PackageSet
from tunedoctor.planning.package_set import project as write_set
from tunedoctor.planning.set_request import TorchPick
from tunedoctor.project.accelerators import (
    AcceleratorGroup,
    add_accelerator_groups,
    has_torch_parts,
    sync_command,
)
from tunedoctor.project.edits import EditError
from tunedoctor.tables.config import mirrors

TAG = f"cp{sys.version_info.major}{sys.version_info.minor}"
LINUX, WINDOWS, MAC = (
    f"{TAG}-{TAG}-manylinux_2_28_x86_64",
    f"{TAG}-{TAG}-win_amd64",
    f"{TAG}-none-macosx_11_0_arm64",
)


def torch(version: str, *tags: str) -> Release:
    return Release("torch", version, tags=tags)


RELEASES = (
    torch("2.6.0", LINUX, WINDOWS, MAC),
    torch("2.7.1", LINUX, WINDOWS, MAC),
    torch("2.7.1+cu128", LINUX, WINDOWS),
    torch("2.6.0+rocm6.2.4", LINUX),
    torch("2.7.1+rocm6.3", LINUX),
    torch("2.6.0+cpu", LINUX, WINDOWS, MAC),
    torch("2.7.1+cpu", LINUX, WINDOWS, MAC),
    Release("accelerate", "1.11.0", requires=("torch>=2",)),
    Release("iniconfig", "2.3.1"),
)
PROJECT = """\
[project]
name = "tune"  # ours
version = "0.1"
requires-python = ">=3.11"
dependencies = [
    # training
    "accelerate",
    "torch>=2.6",
]

[dependency-groups]
dev = ["iniconfig"]

[tool.uv]
package = false
"""


class Torches(Index):
    """A default index, and beside it one for each local label: what the index of a build has ends with its label."""

    def _told(self, kind: str, rest: str) -> Answer | None:
        name, _, file = rest.partition("/")
        of_kind = [one for one in self.releases if one.version.partition("+")[2] == kind]
        if kind == "simple":
            of_kind = [one for one in self.releases if "+" not in one.version]
        found = [one for one in of_kind if one.name == name]
        if not file:
            return page(name, listed(found)) if found else None
        return sent(found, file)


@pytest.fixture
def indexes(uv_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name in [one for one in os.environ if one.startswith(("UV_", "PIP_", "VIRTUAL_ENV"))]:
        monkeypatch.delenv(name)
    served = Torches(RELEASES)
    base = served.url.rpartition("/")[0]
    settings = {
        "UV_DEFAULT_INDEX": served.url,
        "DOCTOR_MIRROR_PYTORCH": base,
        "UV_CACHE_DIR": str(uv_cache),
        "UV_HTTP_RETRIES": "0",
        "UV_PYTHON": sys.executable,
        "UV_PYTHON_DOWNLOADS": "never",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    mirrors.cache_clear()
    yield base
    served.close()
    mirrors.cache_clear()


@pytest.fixture
def project(tmp_path: Path, indexes: str) -> Path:
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    uv(tmp_path, "lock", "--upgrade-package", "torch==2.6.0")
    return tmp_path


def uv(folder: Path, *words: str) -> str:
    ended = subprocess.run(
        [find_uv(), *words], cwd=folder, capture_output=True, text=True, timeout=HANGS, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout + ended.stderr


def gpus(*names: str) -> list[str]:
    return [word for name in names for word in ("--gpu", name)]


def fix(folder: Path, *words: str) -> Any:
    ended = doctor("fix", "--project", str(folder), "--yes", "--format", "json", *words)
    assert ended.stdout, ended.stderr
    return json.loads(ended.stdout)


def verdicts(folder: Path, *words: str) -> list[str]:
    """Return the last lines of a check: the verdict for each machine."""
    ended = doctor("check", "--project", str(folder), "--skip", "missing-dependency", *words)
    text = " ".join(ended.stdout.split())
    return re.findall(r"Python [\d.]+: ([\w-]+)", text) or [text[-600:]]


def installs(folder: Path, *words: str) -> set[str]:
    """Return which torch uv would install."""
    return set(re.findall(r"\+ torch==(\S+)", uv(folder, "sync", "--dry-run", "--locked", *words)))


LINUX_511 = ("--platform", "linux", "--python", "3.11")


def test_a_group_for_each_make_and_a_plain_sync_for_the_first(project: Path) -> None:
    before = {one.name: one.read_bytes() for one in project.iterdir()}
    words = [*LINUX_511, *gpus("RTX 5090", "RX 7900 XTX")]
    assert verdicts(project, *words) == ["gpu-too-new-for-torch", "torch-cpu-only"]
    result = fix(project, *words)
    assert result["end"] == "applied", result["why"]
    assert verdicts(project, *words) == ["ready", "ready"]
    uv(project, "lock", "--check", "--offline")
    assert installs(project) == {"2.7.1+cu128"}
    assert installs(project, "--no-group", "cu128", "--group", "rocm63") == {"2.7.1+rocm6.3"}
    text = (project / "pyproject.toml").read_text()
    assert "cu128 = [\"torch>=2.7 ; sys_platform == 'linux' or sys_platform == 'win32'\"]" in text
    assert '[{ group = "cu128" }, { group = "rocm63" }]' in text
    assert 'default-groups = ["dev", "cu128"]' in text
    assert fix(project, *words)["end"] == "nothing"
    # a Mac gets a build for it
    mac = verdicts(project, "--platform", "macos", "--python", "3.11")
    assert "torch 2.7.1" in mac[0]
    assert doctor("undo", "--project", str(project)).returncode == 0
    assert {one.name: one.read_bytes() for one in project.iterdir()} == before


def test_what_the_default_index_has_needs_no_index(project: Path) -> None:
    words = [*LINUX_511, *gpus("H100", "RX 7900 XTX")]
    assert verdicts(project, *words)[0] == "ready"
    result = fix(project, *words)
    assert result["end"] == "applied", result["why"]
    assert verdicts(project, *words) == ["ready", "ready"]
    uv(project, "lock", "--check", "--offline")
    text = (project / "pyproject.toml").read_text()
    assert "default-groups" not in text
    assert 'cuda = ["torch' in text
    (rocm,) = installs(project, "--group", "rocm624")
    assert rocm.endswith("+rocm6.2.4")
    assert not any("+" in one for one in installs(project))


def test_line_ends_of_windows_stay(project: Path) -> None:
    (project / "pyproject.toml").write_bytes(PROJECT.replace("\n", "\r\n").encode())
    result = fix(project, *LINUX_511, *gpus("RTX 5090", "RX 7900 XTX"))
    assert result["end"] == "applied", result["why"]
    data = (project / "pyproject.toml").read_bytes()
    assert data.count(b"\n") == data.count(b"\r\n") > 20


def test_platforms_get_markers_and_no_groups(project: Path) -> None:
    rows = [("linux", "RTX 5090"), ("windows", "RTX 5090"), ("macos", "")]
    targets = "".join(
        f'[[targets]]\nplatform = "{platform}"\ngpu = "{gpu}"\npython = "3.11"\n'
        for platform, gpu in rows
    )
    (project / "doctor.toml").write_text(targets.replace('gpu = ""\n', ""))
    result = json.loads(doctor("fix", "--project", "--yes", "--format", "json", cwd=project).stdout)
    assert result["end"] == "applied", result["why"]
    text = (project / "pyproject.toml").read_text()
    assert "conflicts" not in text
    for platform in ("linux", "win32"):
        assert f'index = "pytorch-cu128", marker = "sys_platform == \'{platform}\'"' in text
    uv(project, "lock", "--check", "--offline")
    assert installs(project) == {"2.7.1+cu128"}


def test_other_managers_say_that_they_cannot(tmp_path: Path, indexes: str) -> None:
    (tmp_path / "requirements.txt").write_text("torch==2.7.1\n")
    result = fix(tmp_path, *LINUX_511, *gpus("RTX 5090", "RX 7900 XTX"))
    assert result["end"] == "refused"
    assert "only a uv project" in result["why"]


def test_the_command_that_installs_the_group_for_a_gpu() -> None:
    groups = [
        AcceleratorGroup("cu128", ("torch>=2.7",), "https://a.org/cu128", "pytorch-cu128"),
        AcceleratorGroup("rocm63", ("torch>=2.7",), "https://a.org/rocm6.3", "pytorch-rocm6.3"),
    ]
    text = add_accelerator_groups(PROJECT, groups, "https://a.org/cpu", "cu128")
    assert has_torch_parts(text)
    rocm = "uv sync --no-group cu128 --group rocm63"
    assert sync_command(text, "https://a.org/rocm6.3") == rocm
    assert sync_command(text, "https://a.org/cu128") == ""
    with pytest.raises(EditError, match="add one to them"):
        add_accelerator_groups(text, groups, "https://a.org/cpu", "")


def test_a_set_for_several_makes_has_the_same_form(tmp_path: Path, indexes: str) -> None:
    def one(label: str) -> tuple[PackageSet, PlannedSet]:
        packages = (PackageChange("accelerate", "1.11.0"), PackageChange("torch", "2.7.1"))
        found = PackageSet(
            verdict="set", python="3.11", platform="x86_64-manylinux_2_28", packages=packages
        )
        torch = TorchPick("2.7.1", label, index_url=f"{indexes}/{label}")
        made = PlannedSet._make((None, None, None, torch, {"torch": label}, {}))
        return found, made

    (tmp_path / "pyproject.toml").write_text(write_set(*one("cu128"), [one("rocm6.3")]))
    uv(tmp_path, "lock")
    assert installs(tmp_path) == {"2.7.1+cu128"}
    assert installs(tmp_path, "--no-group", "cu128", "--group", "rocm63") == {"2.7.1+rocm6.3"}
