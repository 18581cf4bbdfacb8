"""What the trainer says of bad input, before it loads any weight."""

import json
import shutil
from pathlib import Path

import pytest

from .conftest import Train

NO_WEIGHTS = "trainer.load_model = lambda *_: print('WEIGHTS')"
GOOD = b'{"prompt": "a", "completion": "b"}\n'


def refused(train: Train, *words: str, says: list[str], code: str = "") -> None:
    """It ends with 2 before any weight is loaded, says what is wrong and a remedy."""
    ended = train(*words, code=NO_WEIGHTS + code)
    assert not [word for word in says if word not in ended.err], ended.err
    assert ended.code == 2
    assert ended.err.startswith("train: ")
    assert len(ended.err.splitlines()) >= 2
    assert "WEIGHTS" not in ended.out


def chat(*roles: str) -> str:
    return json.dumps({"messages": [{"role": r, "content": "x"} for r in roles]}) + "\n"


DAMAGED = [
    ("d.jsonl", b"\n\n", "no row, or no answer"),
    ("d.jsonl", GOOD * 2 + b'{"prompt": "a", "comp', "line 3: no JSON: Unterminated string"),
    ("d.jsonl", GOOD + b'"text"\n', 'line 2: no row to learn from: "text"'),
    ("d.json", b'[\n{"text": "a"},\n{"text": "a]\n', "line 3: no JSON: "),
    ("d.jsonl", GOOD + b'{"why": "a", "then": "b"}\n', "line 2: unknown-form: then, why: {"),
    ("d.jsonl", GOOD + b'{"text": "caf\xe9"}\n', "line 2: not UTF-8: 'utf-8' codec can't decode byte 0xe9"),
    ("d.jsonl", b"\x1f\x8b\x08\x00\x00", "line 1: Compressed file ended"),
    ("d.jsonl", b'{"prompt": "a", "completion": ""}\n', "line 1: empty-turn: turn 2 (assistant)"),
    ("d.jsonl", chat("assistant", "user").encode(), "line 1: no-answer: it ends with user"),
    ("d.csv", b"prompt,completion\na,b\na,b,c\n", "line 3: 3 cells, the header has 2"),
    ("d.csv", b'prompt,completion\na,b\n"a,b\n', "line 3: unexpected end of data"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "content", "says"), DAMAGED)
def test_damaged_data(
    train: Train, tiny_model: str, tmp_path: Path, name: str, content: bytes, says: str
) -> None:
    (tmp_path / name).write_bytes(content)
    refused(train, f"--model={tiny_model}", f"--data={name}", says=[f"train: {name}", says])


@pytest.mark.parametrize(("config", "says"), [
    ("learning_rat = 1", ["line 3", "unknown key 'learning_rat'", "there is: learning_rate"]),
    ("[train]\nrank = 8", ["line 3", "unknown key 'train'"]),
    ("rank = 'x'", ["line 3", "rank is 'x'", "int, as in rank = 16"]),
    ("rank = 0", ["rank is 0", "1 or more"]),
    ("learning_rate = nan", ["learning_rate is nan"]),
    ("dropout = 1", ["dropout is 1\n", "0 or more, and less than 1"]),
    ("method = 'lorra'", ["method is 'lorra'", "one of lora qlora full"]),
    ("packing = 'yes'", ["packing is 'yes'", "bool, as in packing = false"]),
    ("rank = ", ["c.toml line 3: TOMLDecodeError"]),
    ("eval_data = 'x'\neval_share = 0.1", ["one of eval_data and eval_share"]),
    ("eval_share = 0.999", ["eval_share 0.999 leaves no row to learn"]),
    ("max_length = 2", ["no answer within max_length"]),
    ("template = 'no.jinja'", ["no.jinja can't be read: FileNotFoundError"]),
    ("device = 'xpu'", ["torch sees no xpu"]),
    ("data = 'none.jsonl'", ["none.jsonl can't be read: FileNotFoundError"]),
])  # fmt: skip
def test_bad_configuration(
    train: Train, tiny_model: str, tmp_path: Path, config: str, says: list[str]
) -> None:
    (tmp_path / "d.jsonl").write_bytes(GOOD)
    (tmp_path / "c.toml").write_text(f"model = {tiny_model!r}\ndata = 'd.jsonl'\n{config}\n")
    refused(train, "c.toml", says=says)


def test_options_stand_over_the_file(train: Train, tiny_model: str, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("model = 'nowhere'\nrank = 4\n")
    (tmp_path / "d").touch()
    code = "trainer.Run = lambda c: print(c.model, c.rank, c.packing, c.learning_rate, c.data) or exit(7)"
    ended = train(
        "c.toml", "--model=7", "--packing=true", "--learning-rate=1", "--data=d", code=code
    )
    assert (ended.code, ended.out) == (7, "7 4 True 1.0 d\n")


@pytest.mark.parametrize("option", ["--rank", "--rank=", "--rank=4.5", "--packing=yes", "--no-such=1", "missing.toml"])  # fmt: skip
def test_bad_options(train: Train, option: str) -> None:
    refused(train, option, says=[option.partition("=")[0].lstrip("-")])


def test_what_is_said_of_the_words_alone(train: Train) -> None:
    ended = train("--seed", "1", code=NO_WEIGHTS)
    assert ended.err == "train: --seed has no value\n  write it as one word: --seed=VALUE\n"
    assert ended.code == 2
    ended = train("--rank=4")
    assert (ended.code, "it takes model, data" in ended.err) == (2, True)
    ended = train("--help")
    assert (ended.code, ended.err) == (0, "")
    assert "torchrun --nproc-per-node 2 train.py config.toml" in ended.out
    assert "learning_rate" in ended.out


@pytest.mark.parametrize(("model", "says"), [
    ("./nowhere", "nowhere can't be read: FileNotFoundError"),
    ("nobody/nothing", "model nobody/nothing does not load"),
    ("./empty", "empty/config.json can't be read: FileNotFoundError"),
    ("no_weights", "model no_weights does not load"),
    ("bad_json", "model bad_json does not load"),
    ("x.gguf", "x.gguf can't be read: FileNotFoundError"),
])  # fmt: skip
def test_missing_models(train: Train, tmp_path: Path, model: str, says: str) -> None:
    (tmp_path / "d.jsonl").write_bytes(GOOD)
    for name, files in {"empty": {}, "no_weights": {"config.json": "{}"}, "bad_json": {"config.json": "{", "model.safetensors": ""}}.items():  # fmt: skip
        (tmp_path / name).mkdir()
        for file, text in files.items():
            (tmp_path / name / file).write_text(text)
    refused(train, f"--model={model}", "--data=d.jsonl", says=[says])


def test_models_that_are_cut_lack_a_part_or_are_anothers(
    train: Train, tiny_model: str, tmp_path: Path
) -> None:
    (tmp_path / "d.jsonl").write_bytes(GOOD)
    whole = Path(tiny_model)
    config = json.loads((whole / "config.json").read_text())
    weights = (whole / "model.safetensors").read_bytes()
    for name, file, content, says in (
        ("cut", "model.safetensors", weights[: len(weights) // 2], "model cut does not load"),
        ("lacking", "config.json", {"num_hidden_layers": 3}, "model lacking lacks model.layers.2."),
        ("other", "config.json", {"vocab_size": 50}, "the model knows 50 tokens"),
    ):
        shutil.copytree(whole, tmp_path / name)
        text = json.dumps({**config, **content}).encode() if isinstance(content, dict) else content
        (tmp_path / name / file).write_bytes(text)
        ended = train(f"--model={name}", "--data=d.jsonl")
        assert (ended.code, says in ended.err) == (2, True), ended.err
    ended = train(f"--model={tiny_model}", "--data=d.jsonl", "--targets=query_key_value")
    assert (ended.code, "targets query_key_value" in ended.err) == (2, True)


PICKY = """
load = trainer.load_tokenizer
def picky(config):
    tokenizer, known = load(config)
    class Picky(type(tokenizer)):
        def __call__(self, text, **more):
            if "z" in text: raise ValueError("knows no z")
            return super().__call__(text, **more)
    tokenizer.__class__ = Picky
    return tokenizer, known
trainer.load_tokenizer = picky
"""
STRICT = (
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system here') }}{% endif %}"
    "{{ m.content }}{% endfor %}"
)
REWRITES = (
    "{% for m in messages %}{{ m.role[0] + m.content }}{{ '!' if loop.last }}{% endfor %}"
    "{% if add_generation_prompt %}a{% endif %}"
)
REFUSED = [
    (chat("user", "assistant") + chat("system", "user", "assistant"), STRICT, "", ["line 2: the chat template refuses it", "no system here"]),
    (GOOD.decode() + '{"prompt": "a", "completion": "z"}\n', "", PICKY, ["line 2: the model's tokenizer refuses this text: ", "knows no z"]),
    (chat("user", "assistant", "user", "assistant"), REWRITES, "", ["line 1: the chat template refuses it", "answers = 'last'"]),
    (chat("system", "user", "assistant"), "none", "", ["line 1: a conversation, and the model has no chat template"]),
]  # fmt: skip


@pytest.mark.parametrize(("rows", "template", "code", "says"), REFUSED)
def test_rows_that_tokenizer_or_template_refuse(
    train: Train, tiny_model: str, tmp_path: Path, rows: str, template: str, code: str, says: list[str]
) -> None:  # fmt: skip
    (tmp_path / "d.jsonl").write_text(rows)
    (tmp_path / "t.jinja").write_text(template)
    chosen = template if template == "none" else "t.jinja" if template else "model"
    words = (f"--model={tiny_model}", "--data=d.jsonl", f"--template={chosen}")
    refused(train, *words, says=says, code=code)
