"""doctor train: what it writes, refuses and hands over; the training itself in tests/target/test_trainer_*.py."""

import ast
import sys
import tomllib
import venv
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from torch_target import WHY_NOT, torch_target
from typed import doctor

from tunedoctor.cli.train import HEADLINE, choose, starter, whole_trainer
from tunedoctor.memory.catalogue import named
from tunedoctor.memory.fits import Device
from tunedoctor.model.snapshot import Snapshot

if TYPE_CHECKING:
    import subprocess

SOURCE = whole_trainer()


def train(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return doctor("train", *words, cwd=folder)


def keys_of_the_trainer() -> dict[str, object]:
    tree = ast.parse(SOURCE)
    (config,) = [n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "Config"]
    fields = [n for n in config.body if isinstance(n, ast.AnnAssign) and n.value]
    return {
        n.target.id: ast.literal_eval(n.value)
        for n in fields
        if isinstance(n.target, ast.Name) and n.value
    }


def test_the_trainer_is_of_python_3_8_and_stands_alone() -> None:
    tree = ast.parse(SOURCE, feature_version=(3, 8))
    names = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    names |= {str(n.module) for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    beside = {name.partition(".")[0] for name in names} - set(sys.stdlib_module_names)
    assert beside == {"torch", "transformers", "peft"}


@pytest.mark.parametrize("device", [
    None,
    Device("RTX 4090", "nvidia", 24.0),
    Device("H100", "nvidia", 80.0),
    Device("GTX 1650", "nvidia", 4.0),
])  # fmt: skip
@pytest.mark.parametrize("model", ["", "Llama-3.1-8B", "Qwen3-0.6B"])
def test_a_starter_is_valid_and_its_comments_are_the_defaults(
    device: Device | None, model: str
) -> None:
    chosen = choose(named(model) if model else None, device)
    text = starter(SOURCE, chosen)
    keys = keys_of_the_trainer()
    assert tomllib.loads(text) == chosen.values
    commented = "\n".join(line.removeprefix("# ") for line in text.splitlines() if " = " in line)
    assert tomllib.loads(commented) == {**keys, **chosen.values}
    assert text.startswith(HEADLINE)


def test_a_target_without_the_libraries_is_told_before_anything_runs(tmp_path: Path) -> None:
    venv.create(tmp_path / "env", with_pip=False, symlinks=True)
    (tmp_path / "d.jsonl").touch()
    (tmp_path / "c.toml").write_text("model = 'm'\ndata = 'd.jsonl'\n")
    ended = train(tmp_path, "c.toml", "--target", "env")
    assert ended.returncode == 2
    assert "lacks torch, transformers, peft; doctor set" in ended.stderr


@pytest.mark.skipif(not torch_target(), reason=WHY_NOT)
@pytest.mark.parametrize("more", [(), ("--processes", "2")], ids=["one", "two"])
def test_the_trainer_is_handed_its_words(tmp_path: Path, more: tuple[str, ...]) -> None:
    (tmp_path / "c.toml").write_text("model = 'm'\ndata = 'd.jsonl'\nrank = 'x'\n")
    ended = train(tmp_path, "c.toml", "--seed=4", "--no-check", "--target", torch_target(), *more)
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-2:] == [
        "train: c.toml line 3: rank is 'x'",
        "  it takes int, as in rank = 16",
    ]


@pytest.mark.parametrize(("words", "starts"), [
    (["--model=Llama-3.1-8B"], False),
    (["--model=Llama-3.1-8B", "--method=qlora", "--checkpointing=true"], True),
    (["--model=Llama-3.1-8B", "--device=cpu"], True),
])  # fmt: skip
def test_what_cannot_fit_is_refused_with_a_way_out(words: list[str], starts: bool) -> None:
    from tunedoctor.cli.train import _forecast
    from tunedoctor.facts import NvidiaGpu, NvidiaGpus

    card = NvidiaGpu(
        index=0, name="NVIDIA GeForce RTX 3060", memory_total=12 << 30, memory_free=12 << 30
    )
    found = _forecast(Snapshot({}).having(NvidiaGpus(gpus=(card,))), words, 1)
    assert found
    peak, refusal = found
    assert peak > 4
    assert (refusal == "") is starts
    assert starts or "12.0 GiB" in refusal
    assert starts or "method = 'qlora'" in refusal
