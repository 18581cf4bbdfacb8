"""`doctor smoke` on made-up libraries, on a target with real torch as it is, and with faults planted in it."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
import typed
from planting import plant
from torch_target import WHY_NOT, torch_target

import tunedoctor
from tunedoctor.core.schema import schema_of
from tunedoctor.diagnosis.registry import all_checks
from tunedoctor.facts import Runtime, SharedMemory, Smoke
from tunedoctor.memory.peak import WORKSPACES
from tunedoctor.model.snapshot import Snapshot, from_json
from tunedoctor.probes.runtime import SCRIPT, ScriptLine, ScriptRun
from tunedoctor.smoke.result import SmokeRequest, SmokeResult, build_result, parts_of
from tunedoctor.smoke.stages import SmokePart, run_part, stages_of
from tunedoctor.system.child import ChildResult

PLANTED = str(Path(__file__).parent / "planted")
needs_torch = pytest.mark.skipif(not torch_target(), reason=WHY_NOT)


def doctor(target: str, *options: str, **environment: str) -> typed.Ran:
    return typed.inside("smoke", "--target", target, *options, **environment)


def answer(target: str, *options: str, **more: str) -> dict[str, Any]:
    """The answer as data, held against its schema and the exit code."""
    ended = doctor(target, "--format", "json", *options, **more)
    found: dict[str, Any] = json.loads(ended.stdout)
    jsonschema.validate(found, schema_of("smoke"))
    assert ended.returncode == {"ready": 0, "findings": 1, "unknown": 2}[found["verdict"]]
    return found


WELL = {
    "torch": '__version__ = "2.13.0"\ndef set_num_threads(n): pass\n',
    "tokenizers": '__version__ = "0.23.3"\nclass Tokenizer: pass\n',
    "safetensors": '__version__ = "0.8.0"\nsafe_open = None\n',
    "transformers": '__version__ = "5.24.0"\nLlamaConfig = LlamaForCausalLM = object\n',
}
LOUD = 'print("{\\"end\\": \\"train\\", \\"ok\\": true}", flush=True)\n' + WELL["torch"]


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """An environment without any of the libraries."""
    folder = tmp_path_factory.mktemp("target") / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    return str(folder)


@pytest.mark.parametrize(
    ("name", "text", "outcome", "says"),
    [
        ("torch", "import time\ntime.sleep(600)\n", "hung", "torch/__init__.py"),
        ("tokenizers", "import ctypes\nctypes.string_at(0)\n", "crashed", "signal SIGSEGV"),
        ("transformers", "import os\nos.kill(os.getpid(), 9)\n", "crashed", "signal SIGKILL"),
        ("safetensors", "import os\nos._exit(3)\n", "crashed", "exit status 3"),
        ("peft", "__version__ = '0.21.2'\n", "failed", "no attribute 'LoraConfig'"),
        ("peft", "from peft.tuners import lora\n", "failed", "No module named 'peft.tuners'"),
        ("transformers", "raise SystemExit('no')\n", "failed", "SystemExit: no"),
    ],
)
def test_a_library_that_breaks_on_import_is_named(tmp_path, bare, name, text, outcome, says):
    """And torch, which prints lines as the script does, disturbs nothing."""
    files = {**WELL, "torch": LOUD, name: text}
    plant(tmp_path, {f"{of}/__init__.py": code for of, code in files.items()})
    limit = "3" if outcome == "hung" else "600"
    found = answer(bare, PYTHONPATH=str(tmp_path), TUNEDOCTOR_STAGE_SECONDS=limit)
    last, blame = found["stages"][-1], found["blames"][0]
    assert (found["verdict"], last["name"]) == ("findings", f"import {name}")
    assert (last["outcome"], blame["stage"]) == (outcome, f"import {name}")
    assert says in blame["found"]
    assert all((blame["means"], blame["cure"]))
    assert "train" not in {one["name"] for one in found["stages"]}


def test_no_torch_is_blamed_by_the_doctors_own_finding_and_no_training_follows(bare, tmp_path):
    (blame,) = answer(bare)["blames"]
    assert (blame["stage"], blame["finding"]) == ("import torch", "torch-missing")
    assert "No module named 'torch'" in blame["found"]
    assert re.search(r"pip install .*\btorch\b", blame["cure"])
    (tmp_path / "c.toml").touch()
    screen = doctor(bare, "--then-train", str(tmp_path / "c.toml"))
    assert (screen.returncode, "✗ import torch" in screen.stdout) == (1, True)


def test_what_is_not_there_is_told(bare, tmp_path):
    found = answer(str(tmp_path / "gone"))
    assert (found["verdict"], "does not exist" in found["why"]) == ("unknown", True)
    part = SmokePart("bitsandbytes")
    (only,) = stages_of(run_part(part, f"{bare}/bin/python", os.environ, lambda _: None))
    assert (only.name, only.outcome) == ("import bitsandbytes", "skipped")
    assert only.error == "bitsandbytes is not installed"


COMPILE = "import sys; sys.dont_write_bytecode = True; [compile(open(f).read(), f, 'exec') for f in sys.argv[1:]]"


@pytest.mark.parametrize("version", ["3.8", "3.9", "3.10", "3.12", "3.13"])
def test_the_scripts_run_on_other_pythons(version, tmp_path):
    kept = (Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python")
    found = str(next(kept, "")) or pytest.skip(f"Python {version} is not installed under ~/.pyenv")
    scripts = map(str, (Path(tunedoctor.__file__).parent / "target").rglob("*.py"))
    subprocess.run([found, "-c", COMPILE, *scripts], check=True)
    (only,) = stages_of(run_part(SmokePart("core"), found, os.environ, lambda _: None))
    assert (only.name, only.outcome) == ("import torch", "failed")
    (tmp_path / "torch.py").write_text("__version__ = '2.9.1'\nclass version: cuda = None\n")
    argv, env = [found, "-S", SCRIPT, "deep"], {**os.environ, "PYTHONPATH": str(tmp_path)}
    deep = subprocess.run(argv, capture_output=True, text=True, check=False, env=env)
    assert '\n{"done": true' in deep.stdout, deep.stderr


WHOLE = [
    "import torch", "import tokenizers", "import safetensors", "import transformers", "import peft", "device",
    "kernels float32", "kernels bfloat16", "build", "wrap", "forward", "backward", "optimizer", "train", "adapters",
    "base weights", "save", "reload", "merge", "generate", "repeat", "checkpointing", "16-bit", "workers",
]  # fmt: skip


@needs_torch
def test_every_stage_is_well_and_the_facts_are_kept(tmp_path):
    """Workers are started as on macOS, Windows and Python 3.14, a short load repeats its losses, and two ranks meet."""
    file, env = tmp_path / "snapshot.json", {"PLANTED": "workers_spawned", "PYTHONPATH": PLANTED}
    env["TUNEDOCTOR_STAGE_SECONDS"] = "900"
    (tmp_path / "t").mkdir()
    argv = ["--device", "cpu", "--minutes", "0.02", "--gpus", "2", "--node", "--snapshot"]
    found = answer(torch_target(), *argv, str(file), TMPDIR=str(tmp_path / "t"), **env)
    assert not list((tmp_path / "t").glob("*")), "all is tidied up"
    assert (found["verdict"], found["blames"]) == ("ready", [])
    names = [one["name"] for one in found["stages"]]
    assert names[: len(WHOLE)] == WHOLE
    ranks = ["join", "all-reduce", "work", "DDP", "import torch"]
    links = ["node device", "node join", "node sum", "node all-reduce"]
    assert names[-11:] == [*ranks, *links, "load heat", "load errors"]
    (card,) = found["node"]["cards"]
    assert card["gemm"].keys() == {"float32", "bfloat16"}
    speeds = card["gemm"].values(), [card["memory"], card["h2d"], card["d2h"]]
    assert min(*map(min, speeds), found["node"]["all_reduce"]) > 0
    assert {one["outcome"] for one in found["stages"] if "load " not in one["name"]} == {"ok"}
    assert found["losses"][0] > 5
    assert found["losses"][-1] < 0.05
    assert found["tokens_per_second"] > 0
    assert found["load"]["rounds"] >= 1
    assert len(found["ranks"]) == 2
    (said,) = [one["says"] for one in found["stages"] if one["name"] == "generate"]
    assert said == "“The doctor says: this machine can train.”"
    snapshot = from_json(file.read_bytes())
    fact, runtime = snapshot.find(Smoke), snapshot.find(Runtime)
    assert (fact.device, fact.kind, fact.half) == ("cpu", "cpu", "bfloat16")
    assert fact.peak == found["peak"] > 100e6
    assert json.loads(msgspec.json.encode(fact.node)) == found["node"]
    assert runtime.torch_version


ROWS = (
    '{"text": "A first sample."}\n{"prompt": "Who?", "completion": "Nobody."}\n\n'
    '{"messages": [{"role": "user", "content": "Hello"}]}\n'
)
CONFIG = """\
device = "cpu"
max_steps = 2
batch = 2
micro_batch = 2
max_length = 32
precision = "fp32"
template = "none"
"""


@needs_torch
def test_the_training_follows_a_smoke_training_of_the_users_own(tmp_path, tiny_model):
    places = f'model = "{tiny_model}"\ndata = "{tmp_path}/rows.jsonl"\nout = "{tmp_path}/out"\n'
    row = '{"prompt": "Say it.", "completion": "Here it is."}\n'
    plant(tmp_path, {"data.jsonl": ROWS, "rows.jsonl": row * 8, "train.toml": places + CONFIG})
    asked = ("--model", tiny_model, "--data", f"{tmp_path}/data.jsonl", "--steps", "3")
    more = ("--device", "cpu", "--then-train", f"{tmp_path}/train.toml")
    ended = typed.doctor("smoke", "--target", torch_target(), *asked, *more)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    well = "✓ This environment can fine-tune"
    smoked, _, trained = ended.stdout.partition(well)
    assert all(len(line) <= 80 for line in smoked.splitlines())
    assert "loss" in trained
    assert list((tmp_path / "out").rglob("adapter_model.safetensors"))


Planted = Callable[..., SmokeResult]
PLAIN = SmokeRequest(seconds=900.0)
"""Of a stage, on a machine that is slow for all."""
PART = """
import os, runpy, sys
os.environ.update(PLANTED={fault!r}, PYTHONPATH={planted!r}, OMP_NUM_THREADS="1")
sys.path.insert(0, {planted!r})
sys.argv = {argv!r}
import faults
for one in filter(None, {fault!r}.split(",")): faults.plant(one)
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture
def planted(server, tmp_path):
    """Return what runs a part with faults in a fork of the target's process, and judges it."""

    def run(
        fault, asked = PLAIN, *, part = 0, facts = (), code = ""
    ) :  # fmt: skip
        one = parts_of(asked._replace(device="cpu"))[part]
        limits = ("--seconds", str(one.seconds), "--scratch", str(tmp_path))
        argv = [SCRIPT, one.name, *limits, *one.arguments]
        code += PART.format(fault=fault, planted=PLANTED, argv=argv)
        ended = server(tmp_path, (), code, two=one.ranks > 1)
        lines: list[ScriptLine] = []
        for text in ended.out.splitlines():
            with suppress(msgspec.DecodeError):  # none of the script's
                lines.append(msgspec.json.decode(text, type=ScriptLine))
        end = ChildResult("signal" if ended.code < 0 else "exit", abs(ended.code), "", ended.err)
        ran = ScriptRun(tuple(lines), end, name=one.name, ranks=one.ranks)
        checks = all_checks(()) if facts else ()
        return build_result([ran], asked, Snapshot.of(facts), checks, 1.0)[0]

    return run


def outcomes(found: SmokeResult) -> dict[str, tuple[str, str]]:
    return {one.name: (one.outcome, one.reason) for one in found.stages}


@pytest.mark.parametrize(
    ("fault", "stage", "reason", "says"),
    [
        ("adapters_unused", "backward", "no-backward", "depends on no adapter"),
        ("query_adapters_unused", "backward", "no-backward", "8 of 28 adapters get no gradient"),
        ("optimizer_of_copies", "optimizer", "optimizer-misses", "holds other tensors"),
        ("nan_weight", "build", "weight-not-finite", "model.layers.1.mlp.up_proj.weight"),
        ("base_weight_moves", "base weights", "base-changed", "1 of 20 frozen weights changed"),
        ("gradients_explode", "train", "gradient-not-finite", "not finite in step 7"),
        ("file_cut", "save", "file-damaged", "can't be read back"),
        ("wrong_matmul", "kernels float32", "wrong-numbers", "product of small whole numbers"),
        ("memory_ends", "train", "", "(Cannot allocate memory) in step 3"),
        ("killed", "train", "killed", "crashed in step 4: signal SIGKILL"),
    ],
)
def test_a_planted_fault_is_blamed(planted, fault, stage, reason, says):
    found = planted(fault)
    blame, told = found.blames[0], outcomes(found)
    assert (found.verdict, blame.stage, says in blame.found) == ("findings", stage, True)
    assert all((blame.means, blame.cause, blame.cure))
    assert told.pop(stage) == ("crashed" if fault == "killed" else "failed", reason)
    assert {outcome for outcome, _ in told.values()} == {"ok"}


def may_mount() -> bool:
    argv = ["unshare", "--user", "--map-root-user", "--mount", "true"]
    return bool(shutil.which("unshare")) and not subprocess.run(argv, check=False).returncode


def test_later_stages_are_told_whatever_failed_before(planted):
    """Where this user may, in a namespace whose shared memory is too small for workers."""
    small = may_mount()
    faults = "loads_otherwise,checkpointing,bf16_refused,losses_by_chance" + ",small_shm" * small
    shm = SharedMemory(total=8 << 20, free=8 << 20)
    found = planted(faults, facts=(shm,))
    blames = {one.stage: (one.severity, one.found) for one in found.blames}
    wanted = {"reload": ("error", "other logits"),
        "checkpointing": ("error", "28 of 28 adapters"),
        "kernels bfloat16": ("warning", "not implemented for 'BFloat16'"),
        "repeat": ("warning", "the same training gives other losses"), "16-bit": ("warning", ""),
        **({"workers": ("warning", "")} if small else {})}  # fmt: skip
    assert {stage: severity for stage, (severity, _) in blames.items()} == {
        stage: severity for stage, (severity, _) in wanted.items()
    }
    assert not [s for s, (_, says) in wanted.items() if says not in blames[s][1]], blames
    if small:
        assert found.blames[-1].finding == "shm-too-small"
        assert "8 MiB" in found.blames[-1].cause


def test_a_number_that_changes_under_load_is_found(planted):
    # it ends with what it finds
    found = planted("bit_flips_under_load", PLAIN._replace(minutes=9.0), part=1)
    assert (found.verdict, found.blames[0].stage) == ("findings", "load")
    assert "of the same training gives the loss" in found.blames[0].found
    assert outcomes(found)["load"] == ("failed", "load-differs")


def test_a_rank_that_never_joins_is_named(planted):
    found = planted("rank_sleeps", SmokeRequest(ranks=2, seconds=8.0), part=1)
    (blame,) = found.blames
    assert (blame.stage, "firewall" in blame.cause) == ("join", True)
    assert "rank 1 was in join" in blame.found


def test_a_missing_compiler_is_blamed_and_a_training_does_without(planted, tmp_path):
    lacks = {"PATH": str(tmp_path), "CXX": "no-such-one", "CC": "no-such-one"}
    code = f"import os; os.environ.update({lacks})"
    found = planted("", PLAIN._replace(full=True), part=2, code=code)
    (blame,) = found.blames
    assert (found.verdict, blame.stage, blame.severity) == ("ready", "compile", "warning")
    assert "ompiler" in blame.found
    assert "no working compiler" in blame.cause


def test_the_stages_run_on_a_model_and_data_of_the_users(planted, tiny_model, tmp_path):
    data = plant(tmp_path, {"data.jsonl": ROWS}) / "data.jsonl"
    found = planted("", PLAIN._replace(model=tiny_model, data=str(data), steps=3))
    says = {one.name: one.says for one in found.stages}
    assert (found.verdict, len(found.losses), says["data"]) == ("ready", 3, "3 samples")
    assert says["build"].startswith("LlamaForCausalLM")
    assert [*says][-1] == "reload"
    # 26,880 weights in float32, and little beside them and what cuBLAS takes
    assert 26_880 * 4 < (found.forecast or 0) - WORKSPACES < 4e6
    assert (found.libraries or 0) > 50e6
    data.write_text('{"text": "well"}\n{"text": "half \\ud800"}')
    found = planted("", PLAIN._replace(model=tiny_model, data=str(data)))
    (blame,) = found.blames
    assert (found.verdict, blame.stage, "build" in outcomes(found)) == ("findings", "data", False)
    assert "sample 2: the model's tokenizer or chat template refuses it" in blame.found
    assert "the data has an unexpected format" in blame.cause
