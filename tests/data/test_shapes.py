"""Which form a row has and its turns; repeats, leaks and secrets."""

import gzip
import json
import random
from pathlib import Path

import pytest
from data.test_damage import faults_of as faults_in
from data.test_damage import survey
from rows import rows

from tunedoctor.data.repeats import Sketches, sketch
from tunedoctor.data.rows import Good
from tunedoctor.target.train_rows import faults_of


@pytest.mark.parametrize("row", rows("data/shapes.jsonl"), ids=lambda row: row["name"])
def test_what_data_passes_train_takes(tmp_path, row):
    name, data = row["name"], row["bytes"].encode("latin-1")
    survey, faults = faults_in(tmp_path / name, gzip.compress(data) if name.endswith("gz") else data)
    assert [one.kind for one in faults.values() if one.severity == "error"] == []
    rows = [sample for _, _, sample in Good(tmp_path / name, {}, ())]
    assert [faults_of(sample) for sample in rows] == [[]] * 2
    assert survey.files[0].rows == len(rows)


DRAW = random.Random(5)  # noqa: S311
WORDS = ["".join(DRAW.choices("abcdefghij", k=5)) for _ in range(3000)]


def write(path: Path, rows: list[tuple[str, str]]) -> Path:
    path.write_text("".join(json.dumps({"prompt": p, "completion": c}) + "\n" for p, c in rows))
    return path


def text(count: int = 100) -> str:
    return " ".join(DRAW.choices(WORDS, k=count)) + "."


def changed(words: str, count: int) -> str:
    parts = words.split()
    for i in DRAW.sample(range(len(parts)), count):
        parts[i] = "other"
    return " ".join(parts)


def test_near_repeats_are_found_and_strangers_are_not():
    table = Sketches()
    originals = [text() for _ in range(300)]
    for i, one in enumerate(originals):
        assert table.like(sketch(one.encode()), 0, i) is None
    found = [table.like(sketch(changed(one, 2).encode()), 0, 999) for one in originals]
    right = sum(place is not None and place.line == i for i, place in enumerate(found))
    assert right >= 270
    assert all(place is None or place.line in (i, 999) for i, place in enumerate(found))


def test_repeats_within_a_file_and_leaks_between_splits(tmp_path):
    rows = [(f"Question {i}: {text(30)}?", text(60)) for i in range(20)]
    train = write(tmp_path / "train.jsonl", [*rows, rows[4]])
    near = (rows[7][0], changed(rows[7][1], 1))
    test = write(tmp_path / "test.jsonl", [("New?", text()), rows[3], near, (rows[9][0], text())])
    found = survey((train, "train"), (test, "test"))
    faults = {one.kind: [(p.line, p.detail) for p in one.places] for one in found.faults()}
    assert faults["duplicate"] == [(21, "as line 5")]
    assert faults["leak"] == [(2, "as train.jsonl line 4 of train")]
    assert faults["near-leak"] == [(3, "as train.jsonl line 8 of train")]
    assert faults["leaked-prompt"] == [(4, "as train.jsonl line 10 of train")]
    assert {(one.kind, one.rows) for one in found.leak_rows()} == {
        ("same row", 1), ("much alike", 1), ("same prompt", 1),
    }  # fmt: skip
