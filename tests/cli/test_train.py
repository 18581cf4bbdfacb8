"""doctor train: what it writes, refuses and hands over, before torch is imported; trainings in tests/target."""

import ast
import sys
import tomllib

import pytest
from torch_target import WHY_NOT, torch_target
from typed import inside as doctor
from wrong_inputs import WRONG_INPUTS, hub, targets, tried

from tunedoctor.core.init import HEADLINE, choose, starter
from tunedoctor.core.scripts import trainer_source
from tunedoctor.memory.band import Device
from tunedoctor.memory.catalogue import find_model

SOURCE = trainer_source()
TREE = ast.parse(SOURCE, feature_version=(3, 8))


def test_the_trainer_is_of_python_3_8_and_stands_alone():
    names = {a.name for n in ast.walk(TREE) if isinstance(n, ast.Import) for a in n.names}
    names |= {str(n.module) for n in ast.walk(TREE) if isinstance(n, ast.ImportFrom)}
    beside = {name.partition(".")[0] for name in names} - set(sys.stdlib_module_names)
    assert beside == {"torch", "transformers", "peft"}


@pytest.mark.parametrize(
    "device", [None, *(Device(f"{gib} GB", "nvidia", gib) for gib in (24.0, 80.0, 4.0))]
)
@pytest.mark.parametrize("model", ["", "Llama-3.1-8B", "Qwen3-0.6B"])
def test_a_starter_is_valid_and_its_comments_are_the_defaults(device, model):
    chosen, why = choose(find_model(model) if model else None, device, {"rank": 64})
    text = starter(chosen, why)
    (config,) = [n for n in TREE.body if isinstance(n, ast.ClassDef) and n.name == "Config"]
    fields = [n for n in config.body if isinstance(n, ast.AnnAssign) and n.value]
    keys = {ast.unparse(n.target): ast.literal_eval(n.value) for n in fields if n.value}
    assert tomllib.loads(text) == chosen
    commented = "\n".join(line.removeprefix("# ") for line in text.splitlines() if " = " in line)
    assert tomllib.loads(commented) == {**keys, **chosen}
    assert text.startswith(HEADLINE)


@pytest.mark.skipif(not torch_target(), reason=WHY_NOT)
def test_the_trainers_are_handed_their_words(tmp_path):
    (tmp_path / "c.toml").write_text("model = 'm'\ndata = 'd.jsonl'\nrank = 'x'\n")
    argv = ("--seed", "4", "c.toml", "--no-check", "--target", torch_target(), "--processes=2")
    ended = doctor("train", *argv, cwd=tmp_path)
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-2:] == [
        "train: c.toml line 3: rank is 'x'",
        "  it must be int, for example rank = 16",
    ]


@pytest.fixture(scope="module")
def server():
    one = hub()
    yield one
    one.close()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("targets")
    targets(folder)
    return folder


@pytest.mark.parametrize("wrong", WRONG_INPUTS, ids=lambda wrong: wrong.name)
def test_a_wrong_input_is_refused_before_torch_is_imported(wrong, tmp_path, place, server):
    told = tried(wrong, tmp_path, place, server.url)
    assert (told.code, told.imported) == (wrong.code, False), told.err
    assert not [word for word in wrong.message if word not in told.err], told.err
    assert told.cpu < 3, "a second, and room for what neighbours do to it"
