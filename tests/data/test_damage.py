"""Damaged files of every kind: each line's fault is named with its number, and the other rows are read."""

import gzip
import json
from pathlib import Path

import pytest
from data.survey_of import faults_of

ROWS = [
    {"prompt": f"What is {i} and {i}?", "completion": f"It is {2 * i}, as you know."}
    for i in range(9)
]
LINES = [json.dumps(row).encode() for row in ROWS]


def lines_with(number: int, line: bytes) -> bytes:
    """Nine good lines, and `line` as the one with this number."""
    return b"\n".join([*LINES[: number - 1], line, *LINES[number - 1 :]]) + b"\n"


DAMAGED: dict[bytes, tuple[str, str]] = {
    b'{"prompt": "a", "completion": "b': ("no-json", "cut off"),
    b'{"prompt": "a", "completion":': ("no-json", "cut off"),
    b"{'prompt': 'a', 'completion': 'b'}": ("no-json", "single quotes"),
    b'{"prompt": "a", "completion": None}': ("no-json", "Python's None"),
    b'{"prompt": "a", "completion": NaN}': ("no-json", "NaN"),
    b'{"prompt": "a", "completion": "b",}': ("no-json", ""),
    b'{"prompt": "a" "completion": "b"}': ("no-json", "',' delimiter"),
    b'{"prompt": "a", "completion": "b"}{"prompt": "c", "completion": "d"}': ("no-json", "two values"),
    b'{"prompt": "a\tb", "completion": "c"}': ("no-json", "control character"),
    b'{"prompt": "a", "completion": "\\x41"}': ("no-json", "escape"),
    b"<html>504 Gateway Time-out</html>": ("no-json", ""),
    b"[" * 100_000: ("no-json", "nested too deep"),
    b"[1, 2]": ("no-object", "a list"),
    b'"text"': ("no-object", "text"),
    b"null": ("no-object", "null"),
    b'{"prompt": "caf\xe9", "completion": "It is closed."}': ("not-utf8", "0xe9"),
    b'{"foo": "a"}': ("unknown-form", "foo"),
    b"{}": ("unknown-form", "no column"),
    b'{"prompt": "a", "completion": ""}': ("empty-turn", "turn 2"),
    b'{"prompt": "a", "completion": null}': ("wrong-type", "null"),
    b'{"prompt": "a", "completion": 5}': ("wrong-type", "a number"),
    b'{"messages": "hello"}': ("wrong-type", "text"),
    b'{"messages": []}': ("no-answer", ""),
    b'{"messages": [{"role": "user", "content": "a"}]}': ("no-answer", "no turn is assistant"),
    b'{"messages": [{"role": "boss", "content": "a"}]}': ("unknown-role", "boss"),
    b'{"messages": [{"role": "assistant", "content": "a"}]}': ("role-order", "begins"),
    b'{"chosen": "a", "rejected": "a"}': ("same-pair", ""),
    b'{"prompt": "a", "completion": "b\\u0000c"}': ("control", ""),
    b'{"prompt": "a", "completion": "caf\xc3\x83\xc2\xa9"}': ("damaged-text", ""),
}  # fmt: skip


@pytest.mark.parametrize("number", [1, 5, 10])
@pytest.mark.parametrize("line", DAMAGED, ids=lambda line: line[:30].decode("latin-1"))
def test_a_damaged_line_is_named_and_the_others_are_read(
    tmp_path: Path, line: bytes, number: int
) -> None:
    kind, words = DAMAGED[line]
    found, faults = faults_of(tmp_path / "a.jsonl", lines_with(number, line))
    assert kind in faults
    assert [(one.line, words in one.detail) for one in faults[kind].places] == [(number, True)]
    (file,) = found.files
    assert file.lines == 10
    assert file.rows + file.unreadable == 10
    assert file.forms["prompt-completion"] >= 9


FILLER = json.dumps({"text": "word " * 2000}).encode()
ELEMENTS = [json.dumps(row, indent=1) for row in ROWS]
WHOLE = "[\n" + ",\n".join(ELEMENTS) + "\n]\n"
ONE_LINE = [f'{{"prompt":"q{i}","completion":"an answer, {i}."}}' for i in range(20_000)]
BROKEN = [one.replace('","', ',"', 1) if i % 100 == 0 else one for i, one in enumerate(ONE_LINE)]
RECORDS = [
    "prompt,completion",
    *(f"What is {i}?,It is {i}." for i in range(3)),
    'What is "3?,"It is 3.',
    "What is 4?,It is 4.",
]
NUMBERS = gzip.compress(
    b"\n".join(b'{"text": "%d is a number."}' % (i * 7919) for i in range(20_000))
)
MB = "word " * 8_000_000
CASES: dict[str, tuple[str, bytes, int, dict[str, list[int]]]] = {
    "numbers over blocks": ("a.jsonl", b"\n".join(([FILLER] * 700 + [b"{broken"]) * 2), 1400, {"no-json": [701, 1402], "duplicate": []}),
    "an element": ("a.json", WHOLE.replace(ELEMENTS[3], ELEMENTS[3].replace('",', '"')).encode(), 8, {"no-json": [14]}),
    "every hundredth": ("a.json", f"[{','.join(BROKEN)}]".encode(), 19_800, {"no-json": [1] * 200}),
    "too long an element": ("a.json", f'[{{"text": "{MB}"}},{{"text": "It is read."}}]'.encode(), 1, {"no-json": [1]}),
    "too long a line": ("a.jsonl", f'{{"text": "{MB}"}}\n{{"text": "It is read."}}'.encode(), 1, {"too-long": [1]}),
    "ends early": ("a.json", WHOLE[:-30].encode(), 8, {"ends-early": []}),
    "a quote is open": ("a.csv", "\n".join(RECORDS).encode(), 4, {"broken-quote": [5]}),
    "other cells": ("a.csv", b'prompt,completion\na,b\n"c\nc",d\ne\nf,g,h\ni,j\n', 3, {"wrong-columns": [5, 6]}),
    "gzip": ("a.jsonl.gz", NUMBERS, 20_000, {}),
    "list": ("a.json", json.dumps(ROWS).encode(), 9, {}),
    "list of lines": ("a.json", json.dumps(ROWS, indent=2).encode(), 9, {}),
    "a list that is held": ("a.json", json.dumps({"version": "1.0", "data": ROWS}).encode(), 9, {}),
    "more behind it": ("a.json", json.dumps({"data": ROWS, "more": {"a": [1]}}, indent=2).encode(), 9, {}),
    "objects": ("a.json", "\n".join(json.dumps(row, indent=2) for row in ROWS).encode(), 9, {}),
    "lines": ("a.json", b"\n".join(LINES), 9, {}),
    **{f"nothing {one!r}": ("a.json", one, 0, {"no-rows": [0]}) for one in (b"", b"\n\n", b"[]", b"\xef\xbb\xbf")},
    **{f"{code} {name}": (name, text.encode(code), 9, {"byte-order-mark" if code == "utf-8-sig" else "not-utf8-file": [0]})
       for code in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig")
       for name, text in (("a.json", WHOLE), ("a.jsonl", "\n".join(map(json.dumps, ROWS))))},
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_is_read_and_what_is_told_with_its_line(tmp_path: Path, case: str) -> None:
    name, data, rows, wanted = CASES[case]
    found, faults = faults_of(tmp_path / name, data)
    assert found.files[0].rows == rows
    assert faults.keys() - {"blank", "byte-order-mark"} == wanted.keys() - {"byte-order-mark"}
    for kind, lines in wanted.items():
        assert not lines or [one.line for one in faults[kind].places] == lines


def test_compressed_data_that_break_off(tmp_path: Path) -> None:
    found, faults = faults_of(tmp_path / "a.jsonl.gz", NUMBERS[: len(NUMBERS) // 2])
    assert "ends-early" in faults
    assert found.files[0].rows > 5000
