"""The same rows in every form of file, with every kind of columns: what doctor data passes, doctor train takes."""

import csv
import gzip
import io
import json
import os
import random
import shutil
import sys
import venv
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from tunedoctor import target
from tunedoctor.data import records
from tunedoctor.data.rows import KINDS
from tunedoctor.system import child
from tunedoctor.target.train_rows import read, sample_of

WHY_NOT = "the extra `test` brings pyarrow and backports.zstd, which write these files"
Rows = list[dict[str, Any]]
ASKED = [
    (f'What is {i} and {i}, and\nwhy; "so"?', f"It is {2 * i}, é, as you know.") for i in range(12)
]


def talk(asks: str, answer: str, *keys: str) -> list[dict[str, str]]:
    role, text, user, assistant = keys
    return [{role: user, text: asks}, {role: assistant, text: answer}]


COLUMNS: dict[str, tuple[Callable[[str, str], dict[str, Any]], str]] = {
    "prompt": (lambda q, a: {"prompt": q, "completion": a}, ""),
    "messages": (lambda q, a: {"messages": talk(q, a, "role", "content", "user", "assistant")}, ""),
    "alpaca": (lambda q, a: {"instruction": q, "input": "", "output": a}, ""),
    "sharegpt": (lambda q, a: {"conversations": talk(q, a, "from", "value", "human", "gpt")}, ""),
    "question": (lambda q, a: {"question": q, "answer": a}, ""),
    "foreign": (lambda q, a: {"Frage": q, "Antwort": a}, "prompt=Frage,completion=Antwort"),
    "guessed": (lambda q, a: {"inputs": q, "targets": a}, ""),
    "guessed talk": (lambda q, a: {"chat": talk(q, a, "from", "value", "human", "gpt")}, ""),
}  # fmt: skip
"""A row of each, and what --columns then says."""


def lines(rows: Rows) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def table(rows: Rows, delimiter: str = ",") -> bytes:
    file = io.StringIO()
    writer = csv.writer(file, delimiter=delimiter)
    writer.writerow(rows[0])
    for row in rows:
        writer.writerow([v if isinstance(v, str) else json.dumps(v) for v in row.values()])
    return file.getvalue().encode()


def zst(data: bytes) -> bytes:
    return bytes(pytest.importorskip("backports.zstd", reason=WHY_NOT).compress(data))


def arrow(place: Path, rows: Rows) -> None:
    """Write a folder as `save_to_disk` of datasets 5.2 leaves it, and a cache beside the data."""
    pa = pytest.importorskip("pyarrow", reason=WHY_NOT)
    place.mkdir()
    for name, some in (("data-00000-of-00001", rows), ("cache-1f", rows[:2])):
        made = pa.Table.from_pylist(some)
        with (
            pa.OSFile(f"{place}/{name}.arrow", "wb") as file,
            pa.ipc.new_stream(file, made.schema) as to,
        ):
            to.write_table(made)
    state = {"_data_files": [{"filename": "data-00000-of-00001.arrow"}], "_split": "train"}
    (place / "state.json").write_text(json.dumps(state))
    (place / "dataset_info.json").write_text("{}")


def saved(place: Path, rows: Rows) -> None:
    place.mkdir()
    arrow(place / "train", rows)
    arrow(place / "test", rows[:1])
    (place / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')


def folder(place: Path, rows: Rows) -> None:
    (place / "b").mkdir(parents=True)
    (place / "a.jsonl.gz").write_bytes(gzip.compress(lines(rows[:5])))
    (place / "b/c.csv").write_bytes(table(rows[5:]))
    (place / ".hidden.jsonl").write_text("no data")
    (place / "loop").symlink_to(place)
    os.mkfifo(place / "wait.jsonl")


def parquet(place: Path, rows: Rows) -> None:
    pq: Any = pytest.importorskip("pyarrow.parquet", reason=WHY_NOT)
    pa: Any = pytest.importorskip("pyarrow", reason=WHY_NOT)
    pq.write_table(pa.Table.from_pylist(rows), place)


def written(write: Callable[[Rows], bytes]) -> Callable[[Path, Rows], object]:
    return lambda place, rows: place.write_bytes(write(rows))


FORMS: dict[str, tuple[Callable[[Path, Rows], object], str]] = {
    "d.jsonl": (written(lines), "d.jsonl line 6"),
    "d.json": (written(lambda rows: json.dumps(rows, indent=0).encode()), "d.json line 22"),
    "one.json": (written(lambda rows: json.dumps({"data": rows}).encode()), "one.json line 1"),
    "utf16.jsonl": (written(lambda rows: lines(rows).decode().encode("utf-16")), "utf16.jsonl line 6"),
    "d.csv": (written(table), "d.csv line 12"),
    "d.tsv": (written(lambda rows: table(rows, "\t")), "d.tsv line 12"),
    "d.jsonl.gz": (written(lambda rows: gzip.compress(lines(rows))), "d.jsonl.gz line 6"),
    "d.csv.zst": (written(lambda rows: zst(table(rows))), "d.csv.zst line 12"),
    "d.parquet": (parquet, "d.parquet line 6"),
    "folder": (folder, "folder/b/c.csv line 2"),
    "arrow": (arrow, "arrow/data-00000-of-00001.arrow line 6"),
    "saved": (saved, "saved/train/data-00000-of-00001.arrow line 6"),
}  # fmt: skip
"""What writes a form, and where the sixth row then is, of two columns of text."""


PAIRS = [
    (form, columns)
    for form, columns in product(FORMS, COLUMNS)
    if form in ("d.jsonl", "d.csv", "d.parquet") or columns in ("messages", "foreign")
]
"""All columns in forms of lines, of cells and of typed columns; in each other form one that is nested, one named."""


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """A target without torch: what is told of the data is told before anything is imported."""
    place = tmp_path_factory.mktemp("bare") / "env"
    venv.create(place, with_pip=False, symlinks=True)
    return str(place)


@pytest.fixture
def trained(inside, bare, tmp_path_factory):
    """doctor train on data: what it says, which is at last that the target has no torch, if the data are sound."""
    model = tmp_path_factory.mktemp("model")
    for name, text in (("config.json", "{}"), ("model.safetensors", ""), ("tokenizer.json", "{}")):
        (model / name).write_text(text)

    def train(*words):
        ended = inside("train", f"--model={model}", "--target", bare, *words)
        assert ended.returncode == 2
        return ended.stderr

    return train


@pytest.mark.parametrize(("form", "columns"), PAIRS)
def test_what_data_passes_train_hands_over(form, columns, inside, trained, tmp_path):
    row, asked = COLUMNS[columns]
    FORMS[form][0](tmp_path / form, [row(*one) for one in ASKED])
    more = ["--columns", asked] if asked else []
    ended = inside("data", form, "--format", "json", *more)
    assert ended.returncode == 0 or "leak" in ended.stdout, ended.stdout
    report = json.loads(ended.stdout)
    files = [one for one in report["files"] if one["split"] == "train"]
    assert sum(one["rows"] for one in files) == len(ASKED)
    assert all(one["guessed"] == columns.startswith("guessed") for one in files)
    said = trained(f"--data={form}", *more)
    assert "lacks torch" in said, said
    made = tmp_path / "out/data/train.jsonl"
    assert made.exists() == (form != "d.jsonl" or bool(asked) or columns.startswith("guessed"))
    handed = [value for _, value in read(str(made if made.exists() else tmp_path / form))]
    assert [sample_of(one).turns for one in handed] == [
        [("user", q), ("assistant", a)] for q, a in ASKED
    ]
    assert handed[0].keys() <= {*row("", ""), "__source__", "prompt", "completion", "messages"}


@pytest.mark.parametrize("form", FORMS)
def test_a_bad_row_is_told_with_its_line_by_data_and_by_train(form, inside, trained, tmp_path):
    rows = [{"question": q, "answer": a} for q, a in ASKED]
    rows[5]["answer"] = " "
    FORMS[form][0](tmp_path / form, rows)
    place = FORMS[form][1]
    ended = inside("data", form, "--format", "json")
    (fault,) = (one for one in json.loads(ended.stdout)["faults"] if one["kind"] == "empty-turn")
    assert [f"{one['file']} line {one['line']}" for one in fault["places"]] == [place]
    said = trained(f"--data={form}")
    assert f"doctor: {place}: an empty turn: turn 2 (assistant); " in said, said
    assert "lacks torch" not in said
    assert "doctor: starts " not in said
    assert not (tmp_path / "out/data/train.jsonl").exists()


@pytest.mark.parametrize("form", ["d.parquet", "arrow"])
def test_a_table_comes_in_parts_and_none_twice(form, inside, tmp_path, monkeypatch):
    monkeypatch.setattr(records, "AT_ONCE", 8)  # less than a row
    FORMS[form][0](tmp_path / form, [{"text": f"This is {i}."} for i in range(30)])
    assert "has 30 rows" in inside("data", form, "--convert=o.jsonl").stdout
    rows = [row["text"] for _, row in read(str(tmp_path / "o.jsonl"))]
    assert rows == [f"This is {i}." for i in range(30)]


def cut(data: bytes) -> bytes:
    return data[: len(data) * 3 // 4]


GOOD = [{"question": f"{i} {q}", "answer": a} for i in range(40) for q, a in ASKED]
DAMAGED: dict[str, tuple[Callable[[], bytes], str]] = {
    "a.jsonl": (lambda: lines(GOOD[:3]) + b"{'question': 'a'}\n", "a.jsonl line 4: no JSON: single quotes"),
    "b.jsonl": (lambda: lines(GOOD[:3]) + b"[" * 100_000, "b.jsonl line 4: no JSON: nested too deep"),
    "c.json": (lambda: b'{"data": [' + b'{"question": "a", "answer": ' + b"[" * 100_000, "c.json line 1: no JSON"),
    "half.json": (lambda: b'[{"question": "a", "answer": "\\ud800"}]', "half.json line 1: no JSON: an escape of half"),
    "cut.json": (lambda: cut(json.dumps(GOOD).encode()), "cut.json line 1: it ends early"),
    "d.csv": (lambda: b"question,answer\na,b\na,b,c\n", "d.csv line 3: the number of cells differs from the header: 3 cells, the header has 2"),
    "e.csv": (lambda: b'question,answer\na,b\n"a,b\n', "e.csv line 3: its quotes do not match"),
    "huge.csv": (lambda: b'question,answer\na,"' + b"x" * (9 << 20), "huge.csv line 2: a line longer than doctor reads at once"),
    "many.csv": (lambda: b'question,answer\na,"' + (b"x" * 99 + b"\n") * 90_000, "many.csv line 2: its quotes do not match: a quote is not closed within 8 MiB"),
    "f.csv": (lambda: b"this,that\na,b\n", "f.csv line 2: no columns that a trainer recognises: that, this; say which columns to use: --columns"),
    "g.jsonl.gz": (lambda: cut(gzip.compress(lines(GOOD))), "g.jsonl.gz: it ends early"),
    "h.jsonl.zst": (lambda: cut(zst(lines(GOOD))), "h.jsonl.zst: it ends early"),
    "bomb.jsonl.zst": (lambda: zst(bytes(64 << 20)), "bomb.jsonl.zst"),
    "i.parquet": (lambda: b"PAR1" + bytes(80) + b"PAR1", "i.parquet: it can't be read: pyarrow can't read it"),
    "j.arrow": (lambda: b"\xff\xff\xff\xff" + bytes([1]) * 80, "j.arrow: it can't be read: pyarrow can't read it"),
    "empty.csv": (lambda: b"question,answer\n", "empty.csv: it has no rows"),
    "latin.csv": (lambda: b"question,answer\na,caf\xe9\n", "latin.csv line 2: no UTF-8: byte 0xe9"),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_is_told_alike(name, inside, trained, tmp_path):
    pytest.importorskip("pyarrow", reason=WHY_NOT)
    (tmp_path / name).write_bytes(DAMAGED[name][0]())
    ended = inside("data", name, "--format", "json")
    faults = json.loads(ended.stdout)["faults"]
    kinds = [one["kind"] for one in faults if one["severity"] == "error"]
    assert ended.returncode == 1
    said = trained(f"--data={name}")
    assert DAMAGED[name][1] in said, said
    assert any(f": {KINDS[kind].one}" in said for kind in kinds), (kinds, said)


def test_a_library_that_is_not_there_is_named_with_the_way(
    inside, trained, bare, tmp_path, monkeypatch
):
    (tmp_path / "a.jsonl.zst").write_bytes(zst(lines(GOOD[:2])))
    for name in ("compression", "backports"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
    for said in (inside("data", "a.jsonl.zst").stdout, trained("--data=a.jsonl.zst")):
        assert "-m pip install backports.zstd" in " ".join(said.split())
    parquet(tmp_path / "a.parquet", GOOD[:2])
    monkeypatch.setattr("sys.executable", f"{bare}/bin/python")
    said = trained("--data=a.parquet")
    assert (said.count("doctor: starts "), said.count("no library here reads Parquet")) == (1, 1), (
        said
    )


def test_what_was_made_is_kept_and_nothing_else_is_written_over(trained, tmp_path):
    data, made = tmp_path / "d.csv", tmp_path / "out/data/train.jsonl"
    data.write_bytes(table(GOOD[:4]))
    trained("--data=d.csv", "--dry-run")
    assert not made.exists()
    assert "out/data/train.jsonl has 4 rows of d.csv" in trained("--data=d.csv")
    first = made.stat()
    assert "has 4 rows" not in trained("--data=d.csv")
    assert made.stat().st_ino == first.st_ino
    data.write_bytes(table(GOOD[:5]))
    assert "has 5 rows" in trained("--data=d.csv")
    shutil.copy(tmp_path / "d.csv", made)
    said = trained("--data=d.csv")
    assert "out/data/train.jsonl was changed since doctor wrote it; move it away" in said
    assert made.read_bytes() == data.read_bytes()


def test_of_a_folder_each_key_takes_its_split(trained, tmp_path):
    for number, name in enumerate(("train-0.csv", "train-1.csv", "test.csv")):
        (tmp_path / "d").mkdir(exist_ok=True)
        (tmp_path / "d" / name).write_bytes(table(GOOD[: number + 1]))
    said = trained("--data=d", "--eval-data=d")
    assert "doctor: left out, because they belong to another split: d/test.csv" in said
    made = [list(read(f"{tmp_path}/out/data/{name}.jsonl")) for name in ("train", "valid")]
    assert len(made[0]) == 3
    assert [row["__source__"] for _, row in made[1]] == [f"d/test.csv line {i}" for i in (2, 4, 6)]
    (tmp_path / "d/test.csv").unlink()
    assert "d has no files to evaluate on other than those of data; " in trained(
        "--data=d", "--eval-data=d"
    )
    assert "lacks torch" in trained("--data=."), "what a run wrote is no data of it"
    assert len(list(read(f"{tmp_path}/out/data/train.jsonl"))) == 3


def test_some_rows_are_held_out_and_stay_so(inside, tmp_path):
    draw = random.Random(3)  # noqa: S311
    asks = [[f"w{draw.randrange(900)}" for _ in range(100)] for _ in range(40)]
    near = [" ".join([*ask[:50], "other", *ask[51:]]) for ask in asks]
    rows = [{"q": f"Number {i}?", "a": f"It is {i}."} for i in range(400)]
    rows += [{"q": f"number {i} ?", "a": "The same, asked otherwise."} for i in range(50)]
    rows += [{"q": ask, "a": "Yes."} for ask in (*map(" ".join, asks), *near)]

    def held(some, *more):
        (tmp_path / "in.jsonl").write_bytes(lines(some))
        words = ("--convert", "x.jsonl", "--split", "0.1", "--columns", "prompt=q,completion=a")
        ended = inside("data", "in.jsonl", *words, *more)
        assert "  doctor init --data=x.jsonl" in ended.stdout, ended.stdout
        train, out = ([v for _, v in read(str(tmp_path / n))] for n in ("x.jsonl", "x.eval.jsonl"))
        assert len(train) + len(out) == len(some)
        return {one["prompt"] for one in out}

    first = held(rows[:300])
    assert 15 <= len(first) <= 45
    ended = inside("data", "in.jsonl", "--convert", "x.jsonl", "--columns", "prompt=q,completion=a")
    assert ended.stderr == "doctor: x.jsonl already exists; name another file, or add --force\n"
    after = held(rows, "--force")
    assert first == after & {one["q"] for one in rows[:300]}
    assert all((f"Number {i}?" in after) == (f"number {i} ?" in after) for i in range(50))
    assert [" ".join(ask) in after for ask in asks] == [one in after for one in near]
    assert any(one in after for one in near)
    assert (
        "is one of the input files"
        in inside("data", "x.jsonl", "--convert", "x.jsonl", "--force").stderr
    )
    said = inside("data", "x.jsonl", "--convert", "~no-such-user/y.jsonl").stderr
    assert said.startswith("doctor: Could not determine home directory")
    other = tmp_path / f".y.jsonl.{os.getpid()}.part"
    other.write_text("mine")
    assert "can't be written: File exists" in inside("data", "x.jsonl", "--convert=y.jsonl").stderr
    assert other.read_text() == "mine"


def test_columns_that_no_row_has_are_refused(inside, trained, tmp_path):
    (tmp_path / "d.csv").write_bytes(table(GOOD[:2]))
    columns = "--columns=prompt=no,completion=answer"
    for said in (inside("data", "d.csv", columns).stderr, trained("--data=d.csv", columns)):
        assert "--columns: none of the first rows of d.csv has all of no, answer; " in said
    (tmp_path / "e.csv").write_bytes(b"no,answer\na,b\n")
    ended = inside("data", "d.csv", "e.csv", columns, "--format=json")
    one, two = json.loads(ended.stdout)["files"]
    assert (one["read_as"], two["read_as"]) == ({}, {"prompt": "no", "completion": "answer"})
    assert columns in inside("data", "d.csv", "e.csv", columns).stdout


def test_rows_are_shown_with_what_is_learned_marked(inside, tmp_path):
    rows = [{"question": "Who?" + " x" * 400, "answer": "He.\nAnd she."}, *GOOD[:9]]
    rows.insert(0, {"question": "My mail?", "answer": "jane.roe@firm.co.uk"})
    (tmp_path / "d.jsonl").write_bytes(lines(rows))
    out = inside("data", "d.jsonl").stdout
    assert "d.jsonl line 2\n    user       Who? x x" in out
    assert "    assistant  [[He.\\nAnd she.]]\n" in out
    assert "jane.roe" not in out
    shown = json.loads(inside("data", "d.jsonl", "--format", "json").stdout)["rows_shown"]
    assert [one["line"] for one in shown] == [2, 3, 4]
    assert shown[0]["parts"][1] == ["assistant", "He.\\nAnd she.", True]
    assert len(shown[0]["parts"][0][1]) < 250


def test_where_a_row_is_from_is_text_whatever_it_holds(tmp_path):
    rows = [{"text": "a", "__source__": {"a": ["b"]}}, {"text": "b"}]
    (tmp_path / "d.jsonl").write_bytes(lines(rows))
    code = "import train_data as t; print({where for where, _ in t.rows_in('d.jsonl', t.Config())})"
    parts = str(Path(target.__file__).parent)
    ended = child.run(
        [sys.executable, "-c", code], timeout=600.0, cwd=str(tmp_path), env={"PYTHONPATH": parts}
    )
    assert "'d.jsonl line 2'" in ended.out, ended.err
    assert "['b']" in ended.out
