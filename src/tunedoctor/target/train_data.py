"""Rows of a file as tokens, in the order in which they are learned: the part of the trainer between words and torch."""

from __future__ import annotations

import bisect
import functools
import hashlib
import json
import random
from pathlib import Path
from typing import Any, Iterator, NamedTuple

from train_input import Config, or_stop, say, stop  # type: ignore[import-not-found]
from train_rows import SOURCE, faults_of, named, pieces, read, renamed, sample_of, talk_of  # type: ignore[import-not-found]

FORMS = """a line is {"prompt": "..", "completion": ".."} or {"text": ".."} or {"messages": [{"role":
  "user", "content": ".."}, {"role": "assistant", "content": ".."}]}; doctor data FILE names all faults,
  and with --convert OUT.jsonl makes such lines of CSV, JSON, Parquet and others"""


class Row(NamedTuple):
    """One or several samples: where they are from, tokens, labels (-100: not learned), positions."""

    lines: list[str]
    ids: list[int]
    labels: list[int]
    places: Any


def encode(row: Any, where: str, tokenizer: Any, config: Config) -> Iterator[Row]:
    """Check a row of the file, and yield it as tokens; a long text gives several."""
    if not isinstance(row, dict):
        stop(f"{where}: no row to learn from: {json.dumps(row)[:80]}", FORMS)
    sample = sample_of(row)
    for kind, detail in faults_of(sample, lenient=True):
        stop(f"{where}: {kind}: {detail}: {json.dumps(row)[:80]}", FORMS)
    turns = sample.turns
    plain = functools.partial(tokenizer, add_special_tokens=False)
    end = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
    first, remedy = tokenizer(turns[0][1])["input_ids"], "set template to a Jinja file"
    first = first[:-1] if end and first[-1:] == end else first
    parts: list[tuple[list[int], bool]] = []  # tokens, and whether they are learned
    if sample.form == "text":
        parts = [(first + end, True)]
    elif config.template != "none" and tokenizer.chat_template:
        with or_stop(f"{where}: the chat template refuses it", f"{remedy}, or answers = 'last'"):
            render = functools.partial(tokenizer.apply_chat_template, tokenize=False)
            cut = pieces(talk_of(row, sample), render, last=config.answers == "last")
        parts = [(plain(piece)["input_ids"], is_learned) for piece, is_learned in cut if piece]
    elif [role for role, _ in turns] == ["user", "assistant"]:
        parts = [(first, False), (plain(turns[1][1])["input_ids"] + end, True)]
    elif [role for role, _ in turns] == ["assistant"]:
        parts = [(first + end, True)]
    else:
        stop(f"{where}: a conversation, and the model has no chat template", remedy)
    ids = [token for part, _ in parts for token in part]
    labels = [token if is_learned else -100 for part, is_learned in parts for token in part]
    for i in range(0, len(ids) if sample.form == "text" else 1, config.max_length):
        some = ids[i : i + config.max_length]  # nothing foretells the first token
        yield Row([where], some, [-100, *labels[i + 1 : i + len(some)]], range(len(some)))


def rows_in(path: str, config: Config) -> Iterator[tuple[str, Any]]:
    """Yield where each row stands, in the user's own file, and the row. Raises OSError, ValueError."""
    columns = named(config.columns)
    for number, value in read(path):
        where, row = f"{path} line {number}", renamed(value, columns)
        if isinstance(row, dict):
            where = str(row.pop(SOURCE, where))[:300]
        yield where, row


def read_data(path: str, tokenizer: Any, size: int, config: Config) -> tuple[list[Row], str]:
    """Read, check and encode a file for a model that knows `size` tokens; returns its sha256 too."""
    try:
        found = list(rows_in(path, config))
    except (OSError, ValueError) as error:
        stop(f"{path} {error}", FORMS)
    rows: list[Row] = []
    for where, row in found:
        with or_stop(f"{where}: the model's tokenizer refuses this text", "take the line out"):
            rows += encode(row, where, tokenizer, config)
    full = sum(len(row.ids) == config.max_length for row in rows)
    dull = len(rows) - len(rows := [row for row in rows if learned([row])])
    if full:
        say(f"{path}: {full} samples fill max_length; {dull} are left out, with nothing to learn")
    if not rows:
        stop(f"{path}: no row, or no answer within max_length", f"set a larger max_length; {FORMS}")
    if (most := max(max(row.ids) for row in rows)) >= size:
        stop(f"the tokenizer gives {most}, the model knows {size} tokens", "take the model's own")
    return rows, hashlib.sha256(Path(path).read_bytes()).hexdigest()


def pack(samples: list[Row], length: int) -> list[Row]:
    """Put whole samples together in rows of `length` tokens: longest first, where it fits best."""
    rows: list[tuple[int, int, Row]] = []  # sorted: room that is left, a number, the row
    for number, one in enumerate(sorted(samples, key=lambda one: -len(one.ids))):
        at = bisect.bisect(rows, (len(one.ids),))
        room, n, row = rows.pop(at) if at < len(rows) else (length, number, Row([], [], [], []))
        bisect.insort(rows, (room - len(one.ids), n, Row(*([*a, *b] for a, b in zip(row, one)))))
    return [row for _, _, row in rows]


@functools.lru_cache(maxsize=4)
def order(count: int, seed: int, epoch: int) -> list[int]:
    """Return the order of the rows in an epoch."""
    return random.Random(f"{seed}/{epoch}").sample(range(count), count)  # noqa: S311


def rows_of(step: int, rows: list[Row], config: Config) -> list[Row]:
    """Return the rows of a step, longest first; epochs follow each other without a gap."""
    places = (divmod(step * config.batch + i, len(rows)) for i in range(config.batch))
    picked = [rows[order(len(rows), config.seed, epoch)[at]] for epoch, at in places]
    return sorted(picked, key=lambda row: -len(row.ids))


def learned(rows: list[Row]) -> int:
    """Count the tokens that are learned."""
    return sum(label != -100 for row in rows for label in row.labels)
