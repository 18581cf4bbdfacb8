"""No text makes a reader or a check raise; benchmarks/fuzz.py looks for longer."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from readers.rows import FILES, rows, text_of

from tunedoctor.diagnosis.engine import diagnose
from tunedoctor.diagnosis.registry import all_checks
from tunedoctor.readers.paste import Paste
from tunedoctor.readers.read import Reader, read_report

CHECKS = all_checks()
LINES = sorted(
    {line for file in FILES for row in rows(file) for line in (text_of(row) or "").split("\n")}
)
WHOLE = """\
Traceback (most recent call last):
  File "/a/b.py", line 1, in f
PyTorch version: 2.9.1+cu130
torch 2.1 requires numpy<2, but you have numpy 2.0 which is incompatible.
NVRM: Xid (PCI:0000:01:00): 79,
Name: gfx1100
"""
BROKEN = (
    *("RuntimeError: CUDA error: ", "[pip3] torch==", "(from versions: ", "none)"),
    *("| 0  NVIDIA A100 |", "\x1b[31m", "libcudart.so.12: cannot open shared object file"),
    *("$ pip install ", ">>> ", "+---", "- `x` version: ", "[rank0]: ", "1.2.3", "===", "\r"),
    *("\u3000", "\x00", "\ufeff", "\ud800", "  "),
)
PIECES = (*WHOLE.splitlines(keepends=True), *BROKEN, *"\n()\\\"'{}<>%|\t", "0x")


def _raised(text: str) -> list[str]:
    raised: list[str] = []

    def note(reader: Reader, error: Exception) -> None:
        raised.append(f"{reader.__module__}: {error!r}")

    snapshot = read_report(text, failed=note)
    unknown = diagnose(snapshot, CHECKS).unknown
    return raised + [
        f"{id_}: {why}" for id_, why in unknown.items() if "check itself failed" in why
    ]


@settings(max_examples=300)
@given(
    st.text()
    | st.lists(st.sampled_from(PIECES) | st.text(max_size=12), max_size=60).map("".join)
    | st.lists(st.sampled_from(LINES) | st.text(max_size=40), max_size=60).map("\n".join)
)
def test_no_text_makes_a_reader_or_a_check_raise(text: str) -> None:
    assert _raised(text) == []


def test_who_raises_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    from tunedoctor.readers import read as module

    def broken(paste: Paste) -> list[object]:
        raise ZeroDivisionError(len(paste.lines))

    monkeypatch.setattr(module, "_READERS", (broken, *module._READERS))
    assert any("ZeroDivisionError" in one for one in _raised("PyTorch version: 2.9.1\n"))
