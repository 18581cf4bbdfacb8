"""What the trainer says of bad input: nearly all of it before it loads any weight."""

import json
import os
import shutil
from pathlib import Path

import pytest
from planting import plant
from rows import rows

NO_WEIGHTS = "trainer.load_model = lambda *_: print('WEIGHTS')"


@pytest.mark.parametrize("row", rows("target/refused.jsonl"), ids=lambda row: row["says"][0][:40])
def test_what_is_refused(row, train, tiny_model, tmp_path):
    """A row is damaged data, lines of a configuration, a damaged model, or words; each is told with a way out."""
    plant(tmp_path, {"d.jsonl": '{"prompt": "a", "completion": "b"}\n', **row.get("files", {})})
    words, code = row.get("argv", []), NO_WEIGHTS
    if "bytes" in row:
        (tmp_path / row["file"]).write_bytes(row["bytes"].encode("latin-1"))
        words = [f"--model={tiny_model}", f"--data={row['file']}", *words]
    elif "config" in row:
        head = f"model = {tiny_model!r}\ndata = 'd.jsonl'\n"
        (tmp_path / "c.toml").write_text(f"{head}{row['config']}\n")
        words = ["c.toml"]
    elif "damage" in row:
        whole = Path(shutil.copytree(tiny_model, tmp_path / "m"))
        words, code = ["--model=m", "--data=d.jsonl", *words], ""
        for name, change in row["damage"].items():
            if isinstance(change, int):
                os.truncate(whole / name, change)
            else:
                config = json.loads((whole / name).read_bytes())
                (whole / name).write_text(json.dumps({**config, **change}))
    ended = train(*words, code=code)
    assert (ended.code, "WEIGHTS" in ended.out) == (2, False)
    assert not [word for word in row["says"] if word not in ended.err], ended.err
    assert ended.err.startswith("train: ")
    assert len(ended.err.splitlines()) >= 2, "a remedy"


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
