"""Lengths by the model's own tokenizer and chat template, which a child counts in the target."""

import os
import tempfile
from collections import Counter
from pathlib import Path

import msgspec

from tunedoctor import child
from tunedoctor.data import lengths
from tunedoctor.data.report import Lengths
from tunedoctor.data.spool import Spool
from tunedoctor.data.survey import described

SCRIPT = Path(__file__).parent.parent / "target" / "count_tokens.py"
_TIMEOUT = 900.0


class Counted(msgspec.Struct, frozen=True):
    """What the script prints."""

    rows: list[tuple[int, int, int]]
    """Tokens, learned tokens, and the place of the first learned one."""
    refused: dict[str, str]
    template: bool
    transformers: str


def count(python: str, model: str, spool: Spool) -> Counted | str:
    """Count the rows of a spool with an interpreter; why it can't, where it can't."""
    with tempfile.TemporaryDirectory(prefix="doctor-", ignore_cleanup_errors=True) as scratch:
        place = Path(scratch) / "rows.jsonl"
        with place.open("wb") as file:
            file.writelines(data + b"\n" for _, _, data in spool.rows)
        ended = child.run(
            [python, "-I", "-B", str(SCRIPT), model, str(place)],
            timeout=_TIMEOUT,
            env={**os.environ, "HF_HUB_OFFLINE": "1"},
        )
    if not ended.ok:
        return (ended.err.strip().splitlines()[-1:] or [ended.death])[0][:200]
    try:
        found = msgspec.json.decode(ended.out.strip().splitlines()[-1], type=Counted)
    except (msgspec.MsgspecError, IndexError):
        return "its answer is no count"
    return found if len(found.rows) == len(spool.rows) else "it counted other rows"


def described_by(found: Counted, estimate: Lengths, seq: int | None, *, whole: bool) -> Lengths:
    """Return the lengths as counted; of a sample, tokens of all rows in the sample's proportion."""
    rows = [one for i, one in enumerate(found.rows) if str(i) not in found.refused]
    if not rows:
        return estimate
    counts = Counter(lengths.rounded(one[0]) for one in rows)
    tokens, learned = sum(one[0] for one in rows), sum(one[1] for one in rows)
    one = described(counts, tokens, learned, seq)
    lost = sum(first >= seq or not some for _, some, first in rows) if seq else 0
    times = 1.0 if whole else estimate.counted / len(rows)
    return msgspec.structs.replace(
        one,
        by="tokenizer" if whole else "tokenizer, of a sample",
        tokens=round(tokens * times),
        learned=round(learned * times),
        cut_rows=round(one.cut_rows * times),
        cut_tokens=round(one.cut_tokens * times),
        nothing_left=round(lost * times) if seq else None,
    )
