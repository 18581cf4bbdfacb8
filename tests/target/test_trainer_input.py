"""What the trainer says of bad input, before it loads any weight."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from rows import rows
from trainers import Train

NO_WEIGHTS = "trainer.load_model = lambda *_: print('WEIGHTS')"
GOOD = b'{"prompt": "a", "completion": "b"}\n'


def chat(*roles: str) -> str:
    return json.dumps({"messages": [{"role": r, "content": "x"} for r in roles]}) + "\n"


@pytest.mark.parametrize("row", rows("target/refused.jsonl"), ids=lambda row: row["says"][0][:40])
def test_what_is_refused(
    row: dict[str, Any], train: Train, tiny_model: str, tmp_path: Path
) -> None:
    """A row is a file of damaged data, lines of a configuration, or words; each is told with a way out."""
    (tmp_path / "d.jsonl").write_bytes(GOOD)
    words = row.get("argv", [])
    if "bytes" in row:
        (tmp_path / row["file"]).write_bytes(row["bytes"].encode("latin-1"))
        words = [f"--model={tiny_model}", f"--data={row['file']}"]
    elif "config" in row:
        head = f"model = {tiny_model!r}\ndata = 'd.jsonl'\n"
        (tmp_path / "c.toml").write_text(f"{head}{row['config']}\n")
        words = ["c.toml"]
    ended = train(*words, code=NO_WEIGHTS)
    assert (ended.code, "WEIGHTS" in ended.out) == (2, False)
    assert not [word for word in row["says"] if word not in ended.err], ended.err
    assert ended.err.startswith("train: ")
    assert len(ended.err.splitlines()) >= 2, "a remedy"


def test_options_stand_over_the_file(train: Train, tiny_model: str, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("model = 'nowhere'\nrank = 4\n")
    (tmp_path / "d").touch()
    code = "trainer.Run = lambda c: print(c.model, c.rank, c.packing, c.learning_rate, c.data) or exit(7)"
    ended = train(
        "c.toml", "--model=7", "--packing=true", "--learning-rate=1", "--data=d", code=code
    )
    assert (ended.code, ended.out) == (7, "7 4 True 1.0 d\n")


def test_help_names_the_keys(train: Train) -> None:
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
    ended = train(f"--model={model}", "--data=d.jsonl", code=NO_WEIGHTS)
    assert says in ended.err
    assert (ended.code, ended.out) == (2, "")


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
    train: Train,
    tiny_model: str,
    tmp_path: Path,
    rows: str,
    template: str,
    code: str,
    says: list[str],
) -> None:
    (tmp_path / "d.jsonl").write_text(rows)
    (tmp_path / "t.jinja").write_text(template)
    chosen = template if template == "none" else "t.jinja" if template else "model"
    words = (f"--model={tiny_model}", "--data=d.jsonl", f"--template={chosen}")
    ended = train(*words, code=NO_WEIGHTS + code)
    assert not [word for word in says if word not in ended.err], ended.err
    assert ended.code == 2
