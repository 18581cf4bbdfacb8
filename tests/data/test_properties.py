"""Any bytes give a report, and its counts add up."""

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from data.survey_of import faults_of
from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.data import lengths
from tunedoctor.data.examine import Asked, Tally, block, row
from tunedoctor.tables.secrets import kinds

NAMES = ["messages", "role", "content", "prompt", "completion", "text", "chosen", "rejected", "from", "value", "instruction", "output", "x"]  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)
    ),
    max_leaves=12,
)
PIECES = st.sampled_from(
    [b'{"prompt": "a", "completion": "b"}', b'{"text": "x"}', b"[", b"]", b"{", b"}", b",", b'"', b"\n", b"\r\n", b"\x00",
     b"\xff", b"\xef\xbb\xbf", b"\xff\xfe", b"a,b\n", b'"a""b",c\n', b"\\", b"\x1f\x8b", b"PAR1", b" "]
)  # fmt: skip


@given(st.binary(max_size=300) | st.lists(PIECES, max_size=24).map(b"".join))
@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.tsv", "a.txt"])
def test_any_bytes_give_a_report_whose_counts_add_up(name: str, data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        found, faults = faults_of(Path(folder) / name, data)
    (file,) = found.files
    assert file.lines == file.blank + file.unreadable + file.rows
    assert file.rows == sum(file.forms.values())
    assert file.faulty <= file.rows
    for one in faults.values():
        assert one.count >= len(one.places)
        assert one.count > 0
    if file.unreadable:
        assert any(one.severity == "error" for one in faults.values())


@given(
    st.lists(st.binary(max_size=40).map(lambda b: b.replace(b"\n", b"")), min_size=1, max_size=12)
)
def test_each_line_is_counted_once(lines: list[bytes]) -> None:
    found = block(b"\n".join(lines) + b"\n", 1, Asked())
    assert found.lines == len(lines)
    assert found.lines == found.seen["blank"] + found.unreadable + found.rows
    seen = {line for lines in found.places.values() for line, _ in lines}
    unreadable = {i for i, line in enumerate(lines, 1) if line.strip() and not _object(line)}
    assert unreadable <= seen


def _object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


@given(JSON)
def test_any_row_is_examined(value: Any) -> None:
    found = Tally()
    row(found, 1, value, kinds("data"), Asked(sampled=True))
    assert found.rows + found.unreadable == 1
    assert sum(found.lengths.values()) == len(found.marks) == len(found.samples)
    assert found.learned <= found.tokens


@given(
    st.dictionaries(st.integers(0, 200_000), st.integers(1, 50), min_size=1), st.integers(1, 9000)
)
def test_histograms_add_up(counts: dict[int, int], seq: int) -> None:
    bars = lengths.bins(counts)
    assert sum(bar.rows for bar in bars) == sum(counts.values())
    assert all(bar.low <= bar.high for bar in bars)
    rows, tokens = lengths.cut_by(counts, seq)
    assert rows <= sum(counts.values())
    assert tokens == sum(max(0, length - seq) * n for length, n in counts.items())
    assert min(counts) <= lengths.quantile(counts, 0.5) <= max(counts)
    assert all(x <= lengths.rounded(x) <= x * 1.01 for x in counts)
