"""What doctor init --for writes is what doctor and the frameworks themselves read.

The frameworks' own loaders run if DOCTOR_FRAMEWORKS names a folder with environments called trl, llamafactory, axolotl
and torchtune; TRL and LLaMA-Factory then train five steps, and doctor exports what they wrote.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from torch_target import WHY_NOT, torch_python, torch_target
from typed import inside as doctor

from tunedoctor.frameworks.detect import parse_configuration
from tunedoctor.frameworks.memory import fit_values
from tunedoctor.frameworks.mistakes import FILE_CHECKS
from tunedoctor.frameworks.write import (
    WRITTEN,
    NotWritableError,
    RowShape,
    Settings,
    row_shape,
    write_configuration,
)

FILES = {"unsloth": "train.py"}
SETTINGS = Settings(
    model="Qwen/Qwen2.5-0.5B-Instruct",
    data="/data/train.jsonl",
    rows=RowShape("messages", ("messages",)),
    out="out",
    method="qlora",
    rank=32,
    alpha=64,
    sequence=2048,
    micro_batch=2,
    accumulation=8,
    epochs=3.0,
    learning_rate=2e-4,
    checkpointing=True,
    precision="bf16",
    on_cpu=False,
)
SHAPES = (
    RowShape("messages", ("messages",)),
    RowShape("conversations", ("conversations",)),
    RowShape("alpaca", ("instruction", "output")),
    RowShape("pair", ("prompt", "completion")),
    RowShape("text", ("text",)),
)


@pytest.mark.parametrize("framework", WRITTEN)
@pytest.mark.parametrize("method", ["lora", "qlora"])
def test_doctor_reads_what_it_writes(framework, method):
    model = "/models/Qwen2.5-0.5B" if framework == "torchtune" else SETTINGS.model
    name = FILES.get(framework, "config.yaml")
    written = write_configuration(
        framework, SETTINGS._replace(method=method, model=model), "why", name
    )
    found = parse_configuration(name, written.text.encode())
    plan = found.plan
    assert plan.framework.replace("-", "") == framework
    assert (plan.method, plan.model, plan.rank, plan.sequence) == (method, model, 32, 2048)
    assert (plan.micro_batch, plan.accumulation, plan.checkpointing) == (2, 8, True)
    assert fit_values(plan).values["method"] == method
    assert [one for _, _, _, find in FILE_CHECKS for one in find(found)] == []


@pytest.mark.parametrize("framework", WRITTEN)
@pytest.mark.parametrize("rows", SHAPES, ids=[one.shape for one in SHAPES])
def test_every_shape_of_rows_is_written_or_refused(framework, rows):
    settings = SETTINGS._replace(rows=rows, model="/models/Qwen2.5-0.5B")
    name = FILES.get(framework, "config.yaml")
    if framework in ("trl", "unsloth") and rows.shape in ("conversations", "alpaca"):
        with pytest.raises(NotWritableError, match="reads messages"):
            write_configuration(framework, settings, "why", name)
    else:
        assert parse_configuration(
            name, write_configuration(framework, settings, "why", name).text.encode()
        )


@pytest.mark.parametrize(
    ("row", "shape"),
    [
        ({"messages": []}, "messages"),
        ({"conversations": []}, "conversations"),
        ({"instruction": "a", "input": "", "output": "b"}, "alpaca"),
        ({"question": "a", "answer": "b"}, "pair"),
        ({"text": "a"}, "text"),
    ],
)
def test_rows_are_recognised(row, shape):
    assert row_shape(row).shape == shape


def test_rows_of_numbers_are_not_recognised():
    assert row_shape({"a": 1}) is None


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with a tiny model, named like one that torchtune can build, and rows."""
    if not torch_target():
        pytest.skip(WHY_NOT)
    place = tmp_path_factory.mktemp("frameworks")
    code = "import sys; sys.path.insert(0, sys.argv[1]); from trainer_server import tiny; tiny(sys.argv[2], 64)"
    there = str(Path(__file__).parents[1] / "target")
    model = place / "Qwen2.5-0.5B"
    subprocess.run([torch_python(), "-c", code, there, str(model)], check=True, timeout=300)
    rows = [{"prompt": f"what is {n} plus {n}", "completion": f"it is {2 * n}"} for n in range(120)]
    (place / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return place


def init(folder, framework):
    name, out = f"{framework}.yaml", folder / f"out-{framework}"
    shutil.rmtree(out, ignore_errors=True)
    argv = [
        "init",
        name,
        "--for",
        framework,
        "--model",
        "./Qwen2.5-0.5B",
        "--data",
        "train.jsonl",
        "--out",
        out.name,
    ]
    ended = doctor(*argv, "--force", cwd=folder)
    assert ended.returncode == 0, ended.stderr
    return folder / name, out


def environment(framework):
    place = Path(os.environ.get("DOCTOR_FRAMEWORKS", "")) / framework / "bin"
    if not os.environ.get("DOCTOR_FRAMEWORKS") or not place.is_dir():
        pytest.skip(f"DOCTOR_FRAMEWORKS names no folder with an environment called {framework}")
    return place


OFFLINE = {
    **os.environ,
    "HF_HUB_OFFLINE": "1",
    "CUDA_VISIBLE_DEVICES": "",
    "DO_NOT_TRACK": "1",
    "AXOLOTL_DO_NOT_TRACK": "1",
}


def run(folder, *argv):
    ended = subprocess.run(
        [*map(str, argv)],
        cwd=folder,
        env=OFFLINE,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert ended.returncode == 0, (ended.stdout + ended.stderr)[-3000:]
    return ended.stdout


def test_init_for_a_framework_writes_what_check_accepts(folder):
    for framework in ("axolotl", "llamafactory", "torchtune", "trl"):
        file, _ = init(folder, framework)
        ended = doctor("check", "--for", file.name, "--gpu", "none", "--format", "json", cwd=folder)
        assert json.loads(ended.stdout)["findings"] == [], ended.stdout


def test_init_for_unsloth_without_a_gpu_is_refused(folder):
    argv = [
        "init",
        "train.py",
        "--for",
        "unsloth",
        "--model",
        "./Qwen2.5-0.5B",
        "--data",
        "train.jsonl",
    ]
    ended = doctor(*argv, cwd=folder)
    assert ended.returncode == 2
    assert "unsloth needs a GPU" in ended.stderr


@pytest.mark.parametrize(
    ("framework", "command"),
    [("trl", ("trl", "sft", "--config")), ("llamafactory", ("llamafactory-cli", "train"))],
)
def test_framework_trains_and_doctor_exports(folder, framework, command):
    place = environment(framework)
    file, out = init(folder, framework)
    file.write_text(file.read_text() + "max_steps: 5\n")
    run(folder, place / command[0], *command[1:], file.name)
    assert (out / "adapter_model.safetensors").is_file()
    target = str(torch_target())
    ended = doctor(
        "export", out.name, "--merged", f"{out.name}-merged", "--target", target, cwd=folder
    )
    assert ended.returncode == 0, ended.stderr
    for asked in (out.name, f"{out.name}-merged"):
        ended = doctor(
            "chat",
            asked,
            "--prompt",
            "what is 2 plus 2",
            "--max-tokens",
            "4",
            "--target",
            target,
            cwd=folder,
        )
        assert ended.returncode == 0, ended.stderr


def test_axolotl_accepts_it(folder):
    place = environment("axolotl")
    file, _ = init(folder, "axolotl")
    code = "import sys; from axolotl.cli.config import load_cfg; print('rank', load_cfg(sys.argv[1]).lora_r)"
    assert "rank 16" in run(folder, place / "python", "-c", code, file.name)


def test_torchtune_accepts_it(folder):
    place = environment("torchtune")
    file, _ = init(folder, "torchtune")
    assert "well-formed" in run(folder, place / "tune", "validate", file.name)
