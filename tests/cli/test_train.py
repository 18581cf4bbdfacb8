"""doctor train: what it writes, refuses and hands over; the training itself in tests/target/test_trainer_*.py."""

import ast
import os
import re
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import msgspec
import pytest
from torch_target import WHY_NOT, torch_target
from typed import doctor

from tunedoctor.cli.starter import HEADLINE, as_smoked, choose, starter
from tunedoctor.cli.train import whole_trainer
from tunedoctor.facts import Smoke, Stage
from tunedoctor.memory.catalogue import named
from tunedoctor.memory.fits import Device, fit
from tunedoctor.memory.run import Run
from tunedoctor.redaction import Identity, snapshot_json
from tunedoctor.snapshot import Snapshot

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


def test_what_a_starter_chooses_fits() -> None:
    for size in (8.0, 12.0, 16.0, 24.0, 80.0):
        device, shape = Device("card", "nvidia", size), named("Llama-3.1-8B")
        values = choose(shape, device).values
        run = Run(
            method=str(values["method"]),  # type: ignore[arg-type]
            checkpointing=bool(values["checkpointing"]),
            batch=int(str(values["micro_batch"])),
            seq=int(str(values.get("max_length", 1024))),
        )
        assert fit(shape, run, device).verdict == "fits" or size == 8.0


def test_a_starter_goes_by_what_the_smoke_saw_train() -> None:
    chosen = choose(named("Qwen3-0.6B"), Device("card", "amd", 24.0))
    assert as_smoked(chosen, None) == chosen
    well = [Stage(name=name, outcome="ok") for name in ("train", "16-bit")]
    smoke = Smoke(stages=tuple(well), kind="rocm", device="cuda:0", half="bfloat16")
    told = as_smoked(chosen, smoke)
    assert told.values == {**chosen.values, "device": "cuda", "precision": "bf16"}
    assert "doctor smoke trained on cuda:0 in bf16" in starter(SOURCE, told).splitlines()[0]
    for stage, precision in (("16-bit", "fp32"), ("train", None)):
        stages = tuple(
            Stage(name=n, outcome="failed" if n == stage else "ok") for n in ("train", "16-bit")
        )
        told = as_smoked(chosen, msgspec.structs.replace(smoke, stages=stages))
        assert told.values.get("precision") == precision


def test_init_reads_the_facts_of_a_smoke(tmp_path: Path) -> None:
    smoke = Smoke(stages=(Stage(name="train", outcome="ok"),), kind="cpu", device_name="CPU")
    (tmp_path / "s.json").write_bytes(
        snapshot_json(Snapshot({}).having(smoke), Identity("", "", ""))
    )
    assert train(tmp_path, "--init", "c.toml", "--from", "s.json").returncode == 0
    values = tomllib.loads((tmp_path / "c.toml").read_text())
    assert (values["device"], values["precision"]) == ("cpu", "fp32")
    (tmp_path / "d.json").write_text("{}")
    for words in (["--init", "d.toml", "--from", "d.json"], ["c.toml", "--from", "s.json"]):
        refused = train(tmp_path, *words)
        assert (refused.returncode, "snapshot" in refused.stderr) == (2, True)


def test_init_and_eject_write(tmp_path: Path) -> None:
    words = ("--init", "c.toml", "--model=some/model", "--data=d.jsonl")
    assert train(tmp_path, *words).returncode == 0
    values = tomllib.loads((tmp_path / "c.toml").read_text())
    assert (values["model"], values["data"]) == ("some/model", "d.jsonl")
    assert train(tmp_path, "--eject", "train.py").returncode == 0
    assert (tmp_path / "train.py").read_text() == SOURCE


@pytest.mark.parametrize("option", ["--eject", "--init"])
def test_what_was_changed_since_is_not_written_over(tmp_path: Path, option: str) -> None:
    file = tmp_path / "file"
    assert train(tmp_path, option, "file").returncode == 0
    assert train(tmp_path, option, "file").returncode == 0, "nothing would be lost"
    changed = file.read_text() + "# and a line of mine\n"
    file.write_text(changed)
    refused = train(tmp_path, option, "file")
    assert (refused.returncode, file.read_text()) == (2, changed)
    assert "file is there, and holds something else" in refused.stderr
    assert "--force" in refused.stderr
    assert train(tmp_path, option, "file", "--force").returncode == 0
    assert file.read_text() != changed


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


def test_old_pythons_get_the_file_as_options(tmp_path: Path) -> None:
    from tunedoctor.cli.train import _readable
    from tunedoctor.facts import Interpreter

    (tmp_path / "c.toml").write_text("model = 'a b'\npacking = true\nrank = 8\n")
    given = [str(tmp_path / "c.toml"), "--rank=4"]
    old = Snapshot({}).having(Interpreter(executable="python", version="3.10.4"))
    new = Snapshot({}).having(Interpreter(executable="python", version="3.12.0"))
    assert _readable(old, given) == ["--model=a b", "--packing=true", "--rank=8", "--rank=4"]
    assert _readable(new, given) == given


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


def test_what_no_forecast_is_known_for_is_left_to_the_trainer(tmp_path: Path) -> None:
    from tunedoctor.cli.train import _forecast

    (tmp_path / "c.toml").write_text("rank = ")
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    faulty = (["c.toml"], [str(tmp_path / "c.toml")], ["--model=7B", "--rank=x"], [])
    for words in (*faulty, [f"--model={tmp_path / 'm.gguf'}"], [f"--model={tmp_path}"]):
        assert _forecast(Snapshot({}), words, 1) is None


@pytest.mark.skipif(not torch_target(), reason=WHY_NOT)
def test_a_dry_run_tells_forecast_and_measure(tmp_path: Path) -> None:
    from torch_target import torch_python

    code = "from trainer_server import tiny; tiny('m')"
    subprocess.run(
        [torch_python(), "-c", code],
        cwd=tmp_path,
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "target")},
    )
    (tmp_path / "d.jsonl").write_text('{"prompt": "a", "completion": "b"}\n' * 4)
    words = ["--model=m", "--data=d.jsonl", "--dry-run", "--no-check", "--max-length=64"]
    ended = train(tmp_path, *words, "--target", torch_target())
    assert ended.returncode == 0, ended.stderr
    measured = re.search(r"([\d.]+) GiB at the peak", ended.stdout)
    foretold = re.search(r"forecast for rows of max_length tokens: ([\d.]+) GiB", ended.stderr)
    assert measured
    assert foretold
    assert float(measured[1]) > float(foretold[1]) > 0, "on the CPU the libraries count too"
