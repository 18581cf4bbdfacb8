"""Another torch, and an environment from nothing: planned, carried out, proved with wheels of loopback indexes."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
import pytest
from libraries.catalogue import RELEASES, Release
from libraries.fixtures import uv_cache
from libraries.server import Index
from museum import snapshot_of
from recorded.answers import Answers

from tunedoctor.diagnosis.agreement import chosen, drafted
from tunedoctor.diagnosis.engine import diagnose
from tunedoctor.diagnosis.registry import all_checks, all_fixes
from tunedoctor.facts import NvidiaDriver, NvidiaGpus, Packages, PciBus, TorchBuild
from tunedoctor.installers.asking import Asking
from tunedoctor.installers.sources import own
from tunedoctor.installers.tool import Named
from tunedoctor.installers.uv import Failed, NoSolution, find_uv
from tunedoctor.model.plan import Install, Remove
from tunedoctor.planning.planner import fresh, planned
from tunedoctor.probes.live import take
from tunedoctor.transaction.apply import apply
from tunedoctor.transaction.outcome import Ways
from tunedoctor.transaction.undoing import undo

__all__ = ["uv_cache"]

BUILDS = (
    Release("torch", "2.14.1+cpu", "", ("filelock",)),
    Release("torch", "2.15.0+cpu", "", ("filelock",), ">=3.11"),
    Release("torch", "2.14.1+cu126", "", ("filelock", "nvidia-nccl-cu12==2.27.5")),
    Release("nvidia-nccl-cu12", "2.27.5", ""),
    Release("torchvision", "0.29.1+cu126", "", ("torch==2.14.1", "numpy")),
    Release("torchvision", "0.29.2+cpu", "", ("torch>=2.14.0", "numpy")),
)
OLD = ("torch==2.14.1", "nvidia-nccl-cu13==2.30.7", "filelock==3.20.0", "numpy==2.2.6")


@pytest.fixture
def indexes(uv_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Index, Index]]:
    """The default index, and one that stands in for PyTorch's."""
    plain = Index(RELEASES)
    wheels = Index((*BUILDS, *(r for r in RELEASES if r.name in ("filelock", "numpy"))))
    for name in ("UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_INDEX_URL", "UV_FIND_LINKS", "VIRTUAL_ENV"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("UV_DEFAULT_INDEX", plain.url)
    monkeypatch.setenv("UV_CACHE_DIR", str(uv_cache))
    monkeypatch.setenv("UV_NO_CONFIG", "1")
    yield plain, wheels
    plain.close()
    wheels.close()


def asking(wheels: Index) -> Asking:
    """Return the live questions, those to PyTorch's index put to the stand-in."""

    def stand_in(
        install: Install, python: str, installed: Mapping[str, str]
    ) -> Install | NoSolution | Failed:
        if install.index.startswith("https://download.pytorch.org/whl/"):
            install = msgspec.structs.replace(install, index=wheels.url)
        return Asking(own(os.environ)).look_up(install, python, installed)

    live = Asking(own(os.environ))
    return Answers(live.resolve, stand_in, live.declared)


def python(env: Path) -> str:
    return str(env / "bin" / "python")


def versions(env: Path) -> dict[str, str]:
    (site,) = env.glob("lib/python*/site-packages")
    found = (p.name.removesuffix(".dist-info").rpartition("-") for p in site.glob("*.dist-info"))
    return {name: version for name, _, version in found}


def test_torch_is_put_in_for_the_driver(indexes: tuple[Index, Index], tmp_path: Path) -> None:
    env = tmp_path / "env"
    subprocess.run([find_uv(), "venv", "-q", "-p", sys.executable, env], check=True, cwd=tmp_path)
    argv = [find_uv(), "pip", "install", "-q", "--no-deps", "--python", python(env), *OLD]
    subprocess.run(argv, check=True, cwd=tmp_path)
    before = versions(env)
    card = snapshot_of("driver-550-with-cu130")
    taken = take(str(env))
    facts = [card.find(kind) for kind in (NvidiaDriver, NvidiaGpus, PciBus)]
    build = TorchBuild(version="2.14.1+cu130", cuda="13.0", variant="cu130", accelerator="cuda")
    snapshot = taken.having(build, *(fact for fact in facts if fact is not None))
    checks = all_checks()
    diagnosis = diagnose(snapshot, checks)
    found = chosen(diagnosis, ["driver-too-old"])
    drafts = drafted(found, snapshot, all_fixes())
    made = planned(snapshot, drafts, checks, asking(indexes[1]))
    assert Remove(names=("nvidia-nccl-cu13",)) in made.plan.steps
    assert {(p.name, p.was, p.version) for p in made.plan.pins} == {
        ("torch", "2.14.1", "2.14.1+cu126"),
        ("nvidia-nccl-cu12", "", "2.27.5"),
    }
    assert made.plan.download_bytes > 0
    outcome = apply(
        msgspec.structs.replace(made.proved, cures=()),  # the wheel's code does not tell its CUDA
        str(env),
        snapshot,
        Ways(sources=own(os.environ)),
    )
    assert (outcome.end, outcome.why) == ("applied", "")
    after = versions(env)
    assert after["torch"] == "2.14.1+cu126"
    assert "nvidia_nccl_cu13" not in after
    assert after["nvidia_nccl_cu12"] == "2.27.5"
    assert undo(str(env)).done
    assert versions(env) == before


@pytest.mark.parametrize("tool", ["uv", "pip"])
def test_an_environment_from_nothing(
    indexes: tuple[Index, Index], tmp_path: Path, tool: Named, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", indexes[0].url)
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    env = tmp_path / "a new one"
    made = fresh(take(sys.executable), str(env), ("trl",), asking(indexes[1]))
    before = take(sys.executable)
    ways = Ways(checks=all_checks(), sources=own(os.environ), installer=tool)
    outcome = apply(made.plan, None, before, ways)
    assert (outcome.end, outcome.why) == ("applied", ""), outcome
    there = versions(env)
    assert there["torch"].startswith("2.15.0")
    assert {"transformers", "peft", "trl", "accelerate", "datasets", "torchvision"} <= set(there)
    after = take(str(env))
    packages = after.find(Packages)
    assert packages is not None
    wrong = [f.check.id for f in diagnose(after, all_checks()).causes if f.severity == "error"]
    assert wrong == []
    assert undo(str(env)).done
    assert not env.exists()
