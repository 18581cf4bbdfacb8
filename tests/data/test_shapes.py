"""Which form a row has and its turns; repeats, leaks and secrets."""

import gzip
import json
import random
from pathlib import Path
from typing import Any

import pytest
from data.test_damage import faults_of as faults_in
from data.test_damage import survey

from tunedoctor.data.examine import cut_answers
from tunedoctor.data.repeats import Sketches, sketch
from tunedoctor.data.secrets import rules_for, secrets_in
from tunedoctor.tables.secrets import kinds
from tunedoctor.target.train_rows import faults_of, order_faults, read, sample_of

USER, ANSWER = {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}
TURNS = [("user", "q"), ("assistant", "a")]
FORMS: list[tuple[str, dict[str, Any], list[tuple[str, str]]]] = [
    ("prompt-completion", {"prompt": "q", "completion": "a"}, TURNS),
    ("prompt-completion", {"question": "q", "answer": "a", "id": 1}, TURNS),
    ("prompt-completion", {"prompt": [USER], "completion": [ANSWER]}, TURNS),
    ("instruction", {"instruction": "q", "output": "a", "input": ""}, TURNS),
    ("instruction", {"instruction": "q", "output": "a"}, TURNS),
    ("instruction", {"instruction": "q", "input": "x", "output": "a"}, [("user", "q\nx"), TURNS[1]]),
    ("messages", {"messages": [USER, ANSWER]}, TURNS),
    ("messages", {"messages": [{"role": "user", "content": [{"type": "text", "text": "q"}]}, ANSWER]}, TURNS),
    ("messages", {"messages": [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "q"}]}, ANSWER]}, TURNS),
    ("conversations", {"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]}, TURNS),
    ("conversations", {"system": "s", "conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]},
     [("system", "s"), *TURNS]),
    ("text", {"text": "q"}, [("text", "q")]),
    ("preference", {"prompt": "q", "chosen": "a", "rejected": "b"}, TURNS),
    ("preference", {"chosen": [USER, ANSWER], "rejected": [USER, {**ANSWER, "content": "b"}]}, TURNS),
    ("preference", {"prompt": "q", "chosen": [USER, ANSWER], "rejected": [USER, {**ANSWER, "content": "b"}]}, TURNS),
]  # fmt: skip


@pytest.mark.parametrize(("form", "row", "turns"), FORMS)
def test_forms(form: str, row: dict[str, Any], turns: list[tuple[str, str]]) -> None:
    found = sample_of(row)
    assert (found.form, found.turns, found.faults) == (form, turns, [])
    assert faults_of(found) + cut_answers(found) == []


ORDERS = {
    "uu": "turns 1 and 2 are both user",
    "uaa": "turns 2 and 3 are both assistant",
    "us": "turn 2 is system",
    "a": "begins with assistant",
    "sa": "begins with assistant",
    "ut": "turn 2 is tool",
    "uau": "ends with user",
    "su": "no turn is assistant",
}
ROLE = {"u": "user", "a": "assistant", "s": "system", "t": "tool"}


@pytest.mark.parametrize("roles", ORDERS)
def test_orders_that_templates_refuse(roles: str) -> None:
    found = sample_of({"messages": [{"role": ROLE[one], "content": "x"} for one in roles]})
    assert any(ORDERS[roles] in detail for _, detail in order_faults(found))


FILES = {
    "a.jsonl": b'\xef\xbb\xbf{"prompt": "a", "completion": "b"}\r\n\n{"messages": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]}',
    "b.jsonl": b'{"instruction": "q", "input": "x", "output": "a", "system": "s"}\n{"question": "q", "answer": "a", "id": 1}\n',
    "c.json": b'[{"text": "x"},\n {"chosen": "a", "rejected": "b"}]',
    "d.json": b'{"version": "1", "data": [{"text": "x"}, {"text": "y"}]}',
    "e.json": b'{\n "text": "x"\n}\n{\n "text": "y"\n}\n',
    "f.json": b'{"text": "x"}\n{"text": "y"}\n',
    "g.csv": b'prompt;completion\na;b\n\n"c\nc";d\n',
    "h.csv": b"\n text , id \nabc,1\nabd,2\n",
    "i.tsv": b"question\tanswer\na\tb\nc\td\n",
    "j.jsonl.gz": gzip.compress(b'{"text": "x"}\n{"text": "y"}\n'),
    "k.jsonl": json.dumps({"messages": [{"role": "user", "content": [{"type": "text", "text": "q"}]}, ANSWER]}).encode() + b'\n{"prompt": [{"role": "user", "content": "q"}], "completion": [{"role": "assistant", "content": "a"}]}',
    "l.jsonl": b'{"prompt": "q", "chosen": "a", "rejected": "b"}\n{"conversation": [{"role": "prompter", "content": "q"}, {"role": "ai", "content": "a"}]}',
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_what_data_passes_train_takes(tmp_path: Path, name: str) -> None:
    survey, faults = faults_in(tmp_path / name, FILES[name])
    assert [one.kind for one in faults.values() if one.severity == "error"] == []
    rows = [row for _, row in read(str(tmp_path / name))]
    assert [faults_of(sample_of(row)) for row in rows] == [[]] * 2
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


def test_near_repeats_are_found_and_strangers_are_not() -> None:
    table = Sketches()
    originals = [text() for _ in range(300)]
    for i, one in enumerate(originals):
        assert table.like(sketch(one.encode()), 0, i) is None
    found = [table.like(sketch(changed(one, 2).encode()), 0, 999) for one in originals]
    right = sum(place is not None and place.line == i for i, place in enumerate(found))
    assert right >= 270
    assert all(place is None or place.line in (i, 999) for i, place in enumerate(found))


def test_repeats_within_a_file_and_leaks_between_splits(tmp_path: Path) -> None:
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


RANDOM = "".join(
    random.Random(3).choices(  # noqa: S311
        "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789", k=80
    )
)
HELD = {
    "hub token": f"hf_{RANDOM[:34]}",
    "GitHub token": f"ghp_{RANDOM[:36]}",
    "GitLab token": f"glpat-{RANDOM[:20]}",
    "AWS key": "AKIA" + "Q7R2T5W8Z3X6C9V1",
    "Google key": f"AIza{RANDOM[:35]}",
    "API key": f"sk-proj-{RANDOM[:48]}",
    "Slack token": f"xoxb-{RANDOM[:30]}",
    "signed token": f"eyJ{RANDOM[:20]}.eyJ{RANDOM[20:50]}.{RANDOM[50:]}",
    "private key": "-----BEGIN RSA PRIVATE KEY-----",
    "password in an address": "postgres://admin:k3tchUp77@db.firm.net/x",
    "assigned secret": 'db_password = "k3tchUp-77x"',
    "e-mail address": "jane.roe+x@mail.firm.co.uk",
    "card number": "4539 1488 0343 6467",
    "social security number": "536-22-8145",
    "phone number": "+44 20 7946 0958",
    "bank account": "DE89 3704 0044 0532 0130 00",
}  # fmt: skip
PLAIN = [
    "4539 1488 0343 6468", "1234567890123456", "0000 0000 0000 0000", "3.14159265358979323846", "000-12-3456",
    "user@example.com", "you@test", "sk-learn-and-other-libraries-of-python", 'password = "changeme"', "https://host:8080/a@b",
    "DE89 3704 0044 0532 0130 01", "hf_short", "2024-01-01 12:00:00", "1 + 2 = 3", "GB12345678", 'password="<password>"',
    "9789295055025", "192.168.100.200", "password = get_password2(user)", "api_key=os.environ['KEY1']", "PASSWORD=changeme",
    "max_new_tokens: 1234567890", "secret: see the chapter 12abcdef", "token = tokens2ids.lookup", "415-555-01234",
    "1-415-555-0132-77", "ISBN 978-0-306-40615-7", "secret_name=projects/p1/secrets/db-1",
]  # fmt: skip


@pytest.mark.parametrize("name", HELD)
@pytest.mark.parametrize(
    "around", ["{}", "It is {}, he said.", "a\n{}\nb", "word " * 200 + "{} " + "word " * 200]
)
def test_held(name: str, around: str) -> None:
    text = around.format(HELD[name])
    found = secrets_in(text, rules_for(text.encode()))
    assert [said.partition(",")[0] for _, said in found] == [name]
    assert HELD[name] not in str(found)


@pytest.mark.parametrize("text", PLAIN)
def test_plain(text: str) -> None:
    assert secrets_in(f"It is {text} there.", kinds("data")) == []
