"""What `doctor smoke --model --data` says of data that it can't read: file, line and what is wrong."""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import tunedoctor

TARGET = Path(tunedoctor.__file__).parent / "target"
GOOD = '{"prompt": "a", "completion": "b"}\n'


@pytest.fixture(scope="module")
def mine() -> Any:
    """The module of the scripts, as the target makes its package."""
    spec = importlib.util.spec_from_file_location(
        "doctor_target", TARGET / "__init__.py", submodule_search_locations=[str(TARGET)]
    )
    assert spec
    sys.modules.setdefault("doctor_target", importlib.util.module_from_spec(spec))
    return importlib.import_module("doctor_target.smoke.mine")


@pytest.mark.parametrize(("name", "content", "says"), [
    ("d.jsonl", b"", " holds no sample"),
    ("d.csv", b"prompt,completion\n", " holds no sample"),
    ("d.jsonl", GOOD.encode() + b'{"text": "cut\n', ", line 2: no JSON: Unterminated string"),
    ("d.jsonl", GOOD.encode() + b'{"text": "caf\xe9"}\n', ", line 2: not UTF-8: "),
    ("d.jsonl", GOOD.encode("utf-16"), ", line 1: not UTF-8: "),
    ("d.jsonl", GOOD.encode() + b'["x"]\n', ", line 2: list, where an object is wanted"),
    ("d.jsonl", b"[" * 100_000, ", line 1: no JSON: maximum recursion"),
    ("d.jsonl", GOOD.encode() + b'{"why": "x"}\n', ", line 2: unknown-form: why"),
    ("d.jsonl", b'{"prompt": 7, "completion": "b"}\n', ", line 1: wrong-type: prompt is a number"),
    ("d.jsonl", b'{"messages": ["hello"]}\n', ", line 1: wrong-type: messages, turn 1 is text"),
    ("d.csv", b'prompt,completion\na,b\n"a,b\n', ", line 3: unexpected end of data"),
    ("d.csv", b"why;what\na;b\n", ", line 2: unknown-form: what, why"),
    ("d.csv", "prompt,completion\na,b\n".encode("utf-16"), ", line 1: not UTF-8: "),
    ("d.parquet", b"PAR1\xf3\xf3", ", 'utf-8' codec can't"),
])  # fmt: skip
def test_what_is_wrong_stands_with_its_line(
    mine: Any, tmp_path: Path, name: str, content: bytes, says: str
) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(Exception) as raised:
        mine.read_samples(SimpleNamespace(data=str(file)), {})
    assert str(raised.value).startswith(f"{file}{says}")
    assert raised.value.reason == "data-unreadable"  # type: ignore[attr-defined]


@pytest.mark.parametrize(("name", "content"), [
    ("d.jsonl", b"\xef\xbb\xbf" + GOOD.encode() + b"\n"),
    ("d.csv", b"prompt,completion\n" + b"a" * 300_000 + b",b\n"),
    ("d.txt", b"one\n\n\n\n"),
    ("d.jsonl", b'{"messages": [{"role": "user", "content": "x"}]}\n'),
])  # fmt: skip
def test_what_can_be_read_is(mine: Any, tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    asked = SimpleNamespace(data=str(tmp_path / name))
    assert len(mine.read_samples(asked, {})) == 1
