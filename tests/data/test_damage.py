"""Damaged files, whose faults are named by line and whose other rows are read; forms of rows, repeats, leaks."""

import gzip
import json
import random
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.data import survey as surveys
from tunedoctor.data.examine import RowOptions, Tally, row
from tunedoctor.data.repeats import Sketches, sketch
from tunedoctor.data.report import DataFault
from tunedoctor.data.rows import Good
from tunedoctor.data.survey import DataSource, Survey
from tunedoctor.tables.secrets import kinds
from tunedoctor.target.train_rows import faults_of as row_faults


def survey(*files: tuple[Path, str]) -> Survey:
    return Survey([DataSource(*one) for one in files], surveys.SurveyOptions())


def faults_of(path: Path, data: bytes) -> tuple[Survey, dict[str, DataFault]]:
    path.write_bytes(data)
    found = survey((path, "train"))
    return found, {one.kind: one for one in found.faults()}


TALK = [(f"What is {i} and {i}?", f"It is {2 * i}, as you know.") for i in range(9)]
ROWS = [{"prompt": asked, "completion": answer} for asked, answer in TALK]
LINES = [json.dumps(row).encode() for row in ROWS]


@pytest.mark.parametrize(
    ("line", "kind", "words"),
    [
        ('{"prompt": "a", "completion": "b', "no-json", "cut off"),
        ('{"prompt": "a", "completion":', "no-json", "cut off"),
        ("{'prompt': 'a', 'completion': 'b'}", "no-json", "single quotes"),
        ('{"prompt": "a", "completion": None}', "no-json", "Python's None"),
        ('{"prompt": "a", "completion": NaN}', "no-json", "NaN"),
        ('{"prompt": "a", "completion": "b",}', "no-json", ""),
        ('{"prompt": "a" "completion": "b"}', "no-json", "',' delimiter"),
        (
            '{"prompt": "a", "completion": "b"}{"prompt": "c", "completion": "d"}',
            "no-json",
            "two values",
        ),
        ('{"prompt": "a\tb", "completion": "c"}', "no-json", "control character"),
        ('{"prompt": "a", "completion": "\\x41"}', "no-json", "escape"),
        ("<html>504 Gateway Time-out</html>", "no-json", ""),
        ("[1, 2]", "no-object", "a list"),
        ('"text"', "no-object", "text"),
        ("null", "no-object", "null"),
        ('{"prompt": "café", "completion": "It is closed."}', "not-utf8", "0xe9"),
        ('{"foo": "a"}', "unknown-form", "foo"),
        ("{}", "unknown-form", "no column"),
        ('{"prompt": "a", "completion": ""}', "empty-turn", "turn 2"),
        ('{"prompt": "a", "completion": null}', "wrong-type", "null"),
        ('{"prompt": "a", "completion": 5}', "wrong-type", "a number"),
        ('{"messages": "hello"}', "wrong-type", "text"),
        ('{"messages": []}', "no-answer", ""),
        ('{"messages": [{"role": "user", "content": "a"}]}', "no-answer", "no turn is assistant"),
        ('{"messages": [{"role": "boss", "content": "a"}]}', "unknown-role", "boss"),
        ('{"messages": [{"role": "assistant", "content": "a"}]}', "role-order", "begins"),
        ('{"chosen": "a", "rejected": "a"}', "same-pair", ""),
        ('{"prompt": "a", "completion": "b\\u0000c"}', "control", ""),
        ('{"prompt": "a", "completion": "cafÃ\x83Â©"}', "damaged-text", ""),
    ],
)
def test_a_damaged_line_is_named_and_the_others_are_read(tmp_path, line, kind, words):
    data = b"\n".join([*LINES[:4], line.encode("latin-1"), *LINES[4:]])
    found, faults = faults_of(tmp_path / "a.jsonl", data)
    assert kind in faults
    assert [(one.line, words in one.detail) for one in faults[kind].places] == [(5, True)]
    (file,) = found.files
    assert file.lines == 10
    assert file.rows + file.unreadable == 10
    assert file.forms["prompt-completion"] >= 9
    assert 5 not in [one.line for one in found.shown] or faults[kind].severity == "warning"


LONG, READ = '{"text": "%s"}', '{"text": "It is read."}'
ASKS = ["prompt,completion", *(f"What is {i}?,It is {i}." for i in range(8))]
HURT: dict[str, tuple[Callable[[], str], str, int, int]] = {
    "long.json": (lambda: f"[{LONG % ('word ' * 8_000_000)},{READ}]", "no-json", 1, 1),
    "long.jsonl": (lambda: f"{LONG % ('word ' * 8_000_000)}\n{READ}", "too-long", 1, 1),
    "long.csv": (lambda: f"text\n{'x' * (200 << 20)}\nIt is read.\n", "too-long", 2, 1),
    "cut.json": (lambda: json.dumps(ROWS, indent=1)[:-30], "ends-early", 34, 8),
    "quote.csv": (lambda: "\n".join([*ASKS[:4], 'What is "3?,"It is 3.', *ASKS[5:]]), "broken-quote", 5, 7),
}  # fmt: skip


@pytest.mark.parametrize("name", HURT)
def test_behind_damage_all_rows_are_read(tmp_path, name):
    text, kind, line, rows = HURT[name]
    found, faults = faults_of(tmp_path / name, text().encode())
    assert (found.files[0].rows, found.files[0].unreadable) == (rows, 1)
    assert line in {one.line for one in faults[kind].places}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"])
@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_encodings(tmp_path, encoding, name):
    text = json.dumps(ROWS) if name == "a.json" else "\n".join(map(json.dumps, ROWS))
    found, faults = faults_of(tmp_path / name, text.encode(encoding))
    assert found.files[0].rows == 9
    assert set(faults) == ({"byte-order-mark"} if encoding == "utf-8-sig" else {"not-utf8-file"})


def test_compressed_data_that_break_off(tmp_path):
    lines = [json.dumps({"text": f"{i * 7919} is a number."}).encode() for i in range(20_000)]
    whole = gzip.compress(b"\n".join(lines))
    found, faults = faults_of(tmp_path / "a.jsonl.gz", whole[: len(whole) // 2])
    assert "ends-early" in faults
    assert found.files[0].rows > 5000
    found, faults = faults_of(tmp_path / "a.jsonl.gz", whole)
    assert found.files[0].rows == 20_000
    assert not faults


KEYS = "messages role content prompt completion text chosen rejected conversations from value instruction output x"
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(KEYS.split()), inner, max_size=4)
    ),
    max_leaves=12,
)
PIECES = st.sampled_from(
    [b'{"prompt": "a", "completion": "b"}', b'{"text": "x"}', b"[", b"]", b"{", b"}", b",", b'"', b"\n", b"\r\n", b"\x00",
     b"\xff", b"\xef\xbb\xbf", b"\xff\xfe", b"a,b\n", b'"a""b",c\n', b"\\", b"\x1f\x8b", b"PAR1", b" "]
)  # fmt: skip


@given(st.binary(max_size=300) | st.lists(PIECES, max_size=24).map(b"".join))
@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.tsv", "a.txt"])
def test_any_bytes_give_a_report_whose_counts_add_up(name, data):
    with tempfile.TemporaryDirectory() as folder:
        found, faults = faults_of(Path(folder) / name, data)
    (file,) = found.files
    assert file.lines == file.blank + file.unreadable + file.rows
    assert file.rows == sum(file.forms.values())
    assert file.faulty <= file.rows
    assert all(one.count >= len(one.places) and one.count > 0 for one in faults.values())
    if file.unreadable:
        assert any(one.severity == "error" for one in faults.values())


@given(JSON)
def test_any_row_is_examined(value):
    found = Tally()
    row(found, 1, value, kinds("data"), RowOptions(sampled=True))
    assert found.rows + found.unreadable == 1
    assert sum(found.lengths.values()) == len(found.marks) == len(found.samples)
    assert found.learned <= found.tokens


@pytest.mark.parametrize(
    ("name", "data"),
    [
        (
            "a.jsonl",
            (
                b'\xef\xbb\xbf{"prompt": "a", "completion": "b"}\r\n'
                b"\n"
                b'{"messages": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]}'
            ),
        ),
        (
            "b.jsonl",
            (
                b'{"instruction": "q", "input": "x", "output": "a", "system": "s"}\n'
                b'{"question": "q", "answer": "a", "id": 1}\n'
            ),
        ),
        ("c.json", b'[{"text": "x"},\n {"chosen": "a", "rejected": "b"}]'),
        ("d.json", b'{"version": "1", "data": [{"text": "x"}, {"text": "y"}]}'),
        ("e.json", b'{\n "text": "x"\n}\n{\n "text": "y"\n}\n'),
        ("f.json", b'{"text": "x"}\n{"text": "y"}\n'),
        ("g.csv", b'\xef\xbb\xbfsep=;\r\nprompt;completion\r\na;b\r\n; \r\n\r\n"c\r\nc";d\r\n'),
        ("o.csv", b"\r\nprompt;completion;;\r\na;b;;\r\nc;d;;\r\n"),
        ("p.csv", b",prompt,completion\r0,a,b\r1,c,d\r"),
        ("h.csv", b"\n text , id \nabc,1\nabd,2\n"),
        ("i.tsv", b"question\tanswer\na\tb\nc\td\n"),
        ("j.jsonl.gz", b'{"text": "x"}\n{"text": "y"}\n'),
        (
            "k.jsonl",
            (
                b'{"messages": [{"role": "user", "content": [{"type": "text", "text": "q"}]}, {"role": "assistant", "content": "a"}]}\n'
                b'{"prompt": [{"role": "user", "content": "q"}], "completion": [{"role": "assistant", "content": "a"}]}'
            ),
        ),
        (
            "m.json",
            (
                b"{\n"
                b'  "data": [\n'
                b"    {\n"
                b'      "text": "x"\n'
                b"    },\n"
                b"    {\n"
                b'      "text": "y"\n'
                b"    }\n"
                b"  ],\n"
                b'  "more": {\n'
                b'    "a": [\n'
                b"      1\n"
                b"    ]\n"
                b"  }\n"
                b"}"
            ),
        ),
        (
            "n.jsonl",
            b'{"text": "a\xe2\x80\xa8b"}\r\n{"prompt": "a\xe2\x80\xa8b\xc2\x85c", "completion": "\xc3\xbc"}\r\n',
        ),
        (
            "l.jsonl",
            (
                b'{"prompt": "q", "chosen": "a", "rejected": "b"}\n'
                b'{"conversation": [{"role": "prompter", "content": "q"}, {"role": "ai", "content": "a"}]}'
            ),
        ),
    ],
)
def test_what_data_passes_train_takes(tmp_path, name, data):
    survey, faults = faults_of(
        tmp_path / name, gzip.compress(data) if name.endswith("gz") else data
    )
    assert [one.kind for one in faults.values() if one.severity == "error"] == []
    rows = [sample for _, _, sample in Good(tmp_path / name, {}, ())]
    assert [row_faults(sample) for sample in rows] == [[]] * 2
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
    DRAW.seed(5)  # whatever was drawn before
    table = Sketches()
    originals = [text() for _ in range(300)]
    for i, one in enumerate(originals):
        assert table.like(sketch(one.encode()), 0, i) is None
    found = [table.like(sketch(changed(one, 2).encode()), 0, 999) for one in originals]
    right = sum(place is not None and place.line == i for i, place in enumerate(found))
    assert right >= 270
    assert all(place is None or place.line in (i, 999) for i, place in enumerate(found))


def test_repeats_within_a_file_and_leaks_between_splits(tmp_path):
    DRAW.seed(5)
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


def test_a_file_of_rows_that_lie_too_deep_is_given_up(tmp_path):
    """Each costs as much as a thousand others, and the next one begins inside of it."""
    _, faults = faults_of(tmp_path / "deep.json", b"{\n" + b'"a":{' * 400_000)
    assert faults["no-json"].count <= 102
    assert "it is not read further" in str(faults["ends-early"])


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv"])
def test_a_row_with_400_000_keys_is_refused_and_the_next_one_read(tmp_path, name):
    """Such a row of 7 MB took 200 MB of memory, one of 32 MB more than 600."""
    keys = [f"key{number}" for number in range(400_000)]
    if name == "a.csv":
        text = f"{','.join(keys)}\n{','.join('x' for _ in keys)}\n"
    else:
        rows = [json.dumps({"prompt": "x", **dict.fromkeys(keys, "x")}), *map(json.dumps, ROWS)]
        text = f"[{','.join(rows)}]" if name == "a.json" else "\n".join(rows)
    found, faults = faults_of(tmp_path / name, text.encode())
    assert "too-many-values" in faults
    assert found.files[0].rows == (0 if name == "a.csv" else len(ROWS))


def test_400_000_rows_with_a_key_each_take_little_memory(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("".join(f'{{"key{n}": "x", "text": "row {n}"}}\n' for n in range(400_000)))
    found, _ = faults_of(path, path.read_bytes())
    assert found.files[0].rows == 400_000
    assert len(found.files[0].columns) <= 50


def test_a_file_that_is_not_utf8_is_not_called_utf8(tmp_path):
    found, faults = faults_of(tmp_path / "a.csv", "text\na café\n".encode("latin-1"))
    assert "not-utf8" in faults
    assert found.files[0].encoding == "not UTF-8"
    advice = next(iter(faults.values())).cure
    assert "Excel" in advice
    # what Excel writes as "CSV UTF-8" is no reason for the next warning
    _, faults = faults_of(tmp_path / "a.csv", "text\na café\n".encode("utf-8-sig"))
    assert not faults
