"""What the trainer says of bad input: nearly all of it before it loads any weight."""

import json
import os
import shutil
from pathlib import Path

import pytest
from planting import plant

NO_WEIGHTS = "trainer.load_model = lambda *_: print('WEIGHTS')"
ROW = '{"prompt": "a", "completion": "b"}\n'


def assert_refused(ended, words):
    """Check that the trainer ended before it loaded weights, with these words and a way out."""
    assert (ended.code, "WEIGHTS" in ended.out) == (2, False)
    assert not [word for word in words if word not in ended.err], ended.err
    assert ended.err.startswith("train: ")
    assert len(ended.err.splitlines()) >= 2, "a remedy"


@pytest.mark.parametrize(
    ("file", "data", "files", "argv", "words"),
    [
        ("d.jsonl", b"", {}, [], ["d.jsonl is empty"]),
        ("d.jsonl", b"\n\n", {}, [], ["no row, or no answer"]),
        (
            "d.csv",
            b"prompt,completion\na,b\n",
            {},
            [],
            ["line 1: not JSON: ", "doctor data FILE", "--convert OUT.jsonl"],
        ),
        (
            "d.jsonl",
            (
                b'{"prompt": "a", "completion": "b"}\n'
                b'{"prompt": "a", "completion": "b"}\n'
                b'{"prompt": "a", "comp'
            ),
            {},
            [],
            ["line 3: not JSON: Unterminated string"],
        ),
        (
            "d.jsonl",
            b'{"prompt": "a", "completion": "b"}\n{\'prompt\': \'a\'}\n',
            {},
            [],
            ["line 2: not JSON: "],
        ),
        (
            "d.jsonl",
            b'{"text": "a\n{"prompt": "a", "completion": "b"}\n',
            {},
            [],
            ["line 1: not JSON: Unterminated"],
        ),
        (
            "d.jsonl",
            b'{"prompt": "a", "completion": "b"}\n"text"\n',
            {},
            [],
            ['line 2: not an object: "text"'],
        ),
        ("d.jsonl", b'[\n{"text": "a"}\n]\n', {}, [], ["line 1: not JSON: "]),
        ("d.json", b'[\n{"text": "a"},\n{"text": "a]\n', {}, [], ["line 1: not JSON: "]),
        ("d.jsonl", b'[{"text": "a"}]\n', {}, [], ["line 1: not an object: "]),
        (
            "d.jsonl",
            b'{"prompt": "a", "completion": "b"}\n{"why": "a", "then": "b"}\n',
            {},
            [],
            ["line 2: unknown-form: then, why: {"],
        ),
        ("d.jsonl", b"{}\n", {}, [], ["line 1: unknown-form: no column: {}"]),
        (
            "d.jsonl",
            b'{"prompt": "a", "completion": "b"}\n{"text": "caf\xe9"}\n',
            {},
            [],
            ["line 2: not UTF-8: 'utf-8' codec can't decode byte 0xe9"],
        ),
        (
            "d.jsonl",
            (
                b'\xff\xfe{\x00"\x00p\x00r\x00o\x00m\x00p\x00t\x00"\x00:\x00 \x00"\x00a\x00"\x00,\x00 \x00"\x00c\x00o\x00m\x00p\x00l\x00e\x00t\x00i\x00o\x00n\x00"\x00:\x00 \x00"\x00b\x00"\x00}\x00\n'
                b"\x00"
            ),
            {},
            [],
            ["line 1: not UTF-8: 'utf-8' codec can't decode byte 0xff"],
        ),
        ("d.jsonl.gz", b"\x1f\x8b\x08\x00", {}, [], ["line 1: not UTF-8: "]),
        ("d.jsonl", b"PAR1\x15\x04\x15", {}, [], ["line 1: not JSON: "]),
        (
            "d.jsonl",
            b"version https://git-lfs.github.com/spec/v1\n",
            {},
            [],
            ["line 1: not JSON: "],
        ),
        (
            "d.jsonl",
            b'{"prompt": "a", "completion": "b"}\n\x00\x00\x00\x00\n',
            {},
            [],
            ["line 2: not JSON: "],
        ),
        (
            "d.jsonl",
            b'{"prompt": "a", "completion": null}\n',
            {},
            [],
            ["line 1: wrong-type: completion is null"],
        ),
        (
            "d.jsonl",
            b'{"prompt": "a", "completion": ""}\n',
            {},
            [],
            ["line 1: empty-turn: turn 2 (assistant)"],
        ),
        (
            "d.jsonl",
            b'{"prompt": 7, "completion": "b"}\n',
            {},
            [],
            ["line 1: wrong-type: prompt is a number"],
        ),
        ("d.jsonl", b'{"text": ""}\n', {}, [], ["line 1: empty-turn: the text"]),
        ("d.jsonl", b'{"messages": []}\n', {}, [], ["line 1: no-answer: no turns"]),
        (
            "d.jsonl",
            b'{"messages": ["hello"]}\n',
            {},
            [],
            ["line 1: wrong-type: messages, turn 1 is text"],
        ),
        (
            "d.jsonl",
            b'{"messages": [{"role": "user", "content": "x"}, {"role": "boss", "content": "x"}]}\n',
            {},
            [],
            ["line 1: unknown-role: turn 2: 'boss'"],
        ),
        (
            "d.jsonl",
            b'{"messages": [{"role": "assistant", "content": "x"}, {"role": "user", "content": "x"}]}\n',
            {},
            [],
            ["line 1: no-answer: it ends with user"],
        ),
        (
            "d.jsonl",
            (
                b'{"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "x"}]}\n'
                b'{"messages": [{"role": "system", "content": "x"}, {"role": "user", "content": "x"}, {"role": "assistant", "content": "x"}]}\n'
            ),
            {
                "t.jinja": "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system here') }}{% endif %}{{ m.content }}{% endfor %}"
            },
            ["--template=t.jinja"],
            ["line 2: the model's chat template rejects this conversation", "no system here"],
        ),
        (
            "d.jsonl",
            b'{"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "x"}, {"role": "user", "content": "x"}, {"role": "assistant", "content": "x"}]}\n',
            {
                "t.jinja": "{% for m in messages %}{{ m.role[0] + m.content }}{{ '!' if loop.last }}{% endfor %}{% if add_generation_prompt %}a{% endif %}"
            },
            ["--template=t.jinja"],
            ["line 1: the model's chat template rejects this conversation", "answers = 'last'"],
        ),
        (
            "d.jsonl",
            b'{"messages": [{"role": "system", "content": "x"}, {"role": "user", "content": "x"}, {"role": "assistant", "content": "x"}]}\n',
            {},
            ["--template=none"],
            ["line 1 is a conversation, but the model has no chat template"],
        ),
        (
            "d.jsonl",
            (
                b'{"prompt": "a", "completion": "b"}\n'
                b'{"prompt": "a", "completion": "half \\ud800"}\n'
            ),
            {},
            [],
            ["line 2: the model's tokenizer fails on this text: "],
        ),
        (
            "d.jsonl",
            b'{"ask": "a", "reply": "b"}\n{"ask": "a", "reply": ""}\n',
            {},
            ["--columns=prompt=ask,completion=reply"],
            ["d.jsonl line 2: empty-turn: turn 2"],
        ),
        (
            "d.jsonl",
            b'{"ask": "a"}\n',
            {},
            ["--columns=ask"],
            ["'ask' in columns is not of the form NAME=COLUMN"],
        ),
    ],
)
def test_damaged_data_are_refused(file, data, files, argv, words, train, tiny_model, tmp_path):
    plant(tmp_path, {"d.jsonl": ROW, **files, file: data})
    ended = train(f"--model={tiny_model}", f"--data={file}", *argv, code=NO_WEIGHTS)
    assert_refused(ended, words)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (
            "learning_rat = 1",
            ["line 3", "unknown key 'learning_rat'", "did you mean learning_rate?"],
        ),
        ("lora = 1", ["line 3", "unknown key 'lora'"]),
        ("[train]\nrank = 8", ["line 3", "unknown key 'train'"]),
        ("rank = 'x'", ["line 3", "rank is 'x'", "int, for example rank = 16"]),
        ("rank = true", ["line 3", "rank is True"]),
        ("rank = 0", ["rank is 0", "1 or more"]),
        ("learning_rate = nan", ["learning_rate is nan"]),
        ("learning_rate = -1e-3", ["learning_rate is -0.001", "0 or more"]),
        ("dropout = 1", ["dropout is 1\n", "0 or more, and less than 1"]),
        ("method = 'lorra'", ["method is 'lorra'", "one of lora qlora full"]),
        ("packing = 'yes'", ["packing is 'yes'", "bool, for example packing = false"]),
        ("rank = ", ["c.toml line 3: TOMLDecodeError"]),
        ("eval_data = 'x'\neval_share = 0.1", ["one of eval_data and eval_share"]),
        ("eval_share = 0.999", ["eval_share 0.999 leaves no row to learn"]),
        ("max_length = 2", ["no answer within max_length"]),
        ("template = 'no.jinja'", ["no.jinja can't be read: No such file or directory"]),
        ("device = 'xpu'", ["torch sees no xpu"]),
        ("data = 'none.jsonl'", ["none.jsonl can't be read: No such file or directory"]),
    ],
)
def test_a_wrong_line_of_a_configuration_is_refused(config, words, train, tiny_model, tmp_path):
    lines = f"model = {tiny_model!r}\ndata = 'd.jsonl'\n{config}\n"
    plant(tmp_path, {"d.jsonl": ROW, "c.toml": lines})
    assert_refused(train("c.toml", code=NO_WEIGHTS), words)


@pytest.mark.parametrize(
    ("damage", "argv", "words"),
    [
        ({"config.json": {"vocab_size": 50}}, [], ["the model has 50 tokens"]),
        ({"config.json": {"num_hidden_layers": 3}}, [], ["model m lacks model.layers.2."]),
        ({"model.safetensors": 20000}, [], ["model m does not load"]),
        ({}, ["--targets=query_key_value"], ["targets query_key_value"]),
    ],
)
def test_a_damaged_model_is_refused(damage, argv, words, train, tiny_model, tmp_path):
    """A file of the model is cut to so many bytes, or has other values."""
    plant(tmp_path, {"d.jsonl": ROW})
    model = Path(shutil.copytree(tiny_model, tmp_path / "m"))
    for name, change in damage.items():
        if isinstance(change, int):
            os.truncate(model / name, change)
        else:
            config = json.loads((model / name).read_bytes())
            (model / name).write_text(json.dumps({**config, **change}))
    assert_refused(train("--model=m", "--data=d.jsonl", *argv), words)


@pytest.mark.parametrize(
    ("files", "argv", "words"),
    [
        ({}, ["--rank"], ["rank"]),
        ({}, ["--rank="], ["rank"]),
        ({}, ["--rank=4.5"], ["rank"]),
        ({}, ["--packing=yes"], ["packing"]),
        ({}, ["--no-such=1"], ["no-such"]),
        ({}, ["missing.toml"], ["missing.toml"]),
        (
            {},
            ["--seed", "1"],
            ["train: --seed has no value\n  write it as one word: --seed=VALUE\n"],
        ),
        ({}, ["--rank=4"], ["the configuration needs model, data"]),
        (
            {},
            ["--model=./nowhere", "--data=d.jsonl"],
            ["nowhere can't be read: No such file or directory"],
        ),
        ({}, ["--model=nobody/nothing", "--data=d.jsonl"], ["model nobody/nothing does not load"]),
        (
            {"empty": None},
            ["--model=./empty", "--data=d.jsonl"],
            ["empty/config.json can't be read: No such file or directory"],
        ),
        (
            {"no_weights/config.json": "{}"},
            ["--model=no_weights", "--data=d.jsonl"],
            ["model no_weights does not load"],
        ),
        (
            {"bad_json/config.json": "{", "bad_json/model.safetensors": ""},
            ["--model=bad_json", "--data=d.jsonl"],
            ["model bad_json does not load"],
        ),
        (
            {},
            ["--model=x.gguf", "--data=d.jsonl"],
            ["x.gguf can't be read: No such file or directory"],
        ),
    ],
)
def test_wrong_options_are_refused(files, argv, words, train, tmp_path):
    plant(tmp_path, {"d.jsonl": ROW, **files})
    assert_refused(train(*argv, code=NO_WEIGHTS), words)


def test_options_stand_over_the_file(train, tmp_path):
    plant(tmp_path, {"c.toml": "model = 'nowhere'\nrank = 4\n", "d": "x"})
    code = "trainer.Run = lambda c: trainer.say(f'{c.model} {c.rank} {c.packing} {c.learning_rate} {c.data}') or exit(7)"
    words = ("--model=7", "--packing=true", "--learning-rate=1", "--data=d")
    ended = train("c.toml", *words, code=code)
    assert (ended.code, ended.out) == (7, "7 4 True 1.0 d\n")


def test_help_names_the_keys(train):
    ended = train("--help")
    assert (ended.code, ended.err) == (0, "")
    assert "torchrun --nproc-per-node 2 train.py config.toml" in ended.out
    assert "learning_rate" in ended.out
