"""The user's own model and a slice of their data, in place of the tiny ones."""

from __future__ import annotations

import itertools
import os
from typing import Any, Iterator

from .. import train_rows
from ..telling import Wrong
from .lab import Lab  # noqa: TC001
from .tiny import Batch, of_rows

MOST_ROWS, LONGEST = 64, 512
"""Samples, and tokens of one."""
STEPS = 5
OURS = {"local_files_only": True, "trust_remote_code": False}
ROWS = (".jsonl", ".json", ".ndjson", ".csv", ".tsv", ".gz")


def read_samples(asked: Any, data: dict[str, Any]) -> list[dict[str, Any]]:
    """Read up to 64 samples.

    Raises:
        Wrong: the data hold nothing that can be read; the message names line and cure.
    """
    try:
        found = list(itertools.islice(samples(asked.data), MOST_ROWS))
    except OSError as error:
        raise Wrong("data-unreadable", str(error)) from None
    except ValueError as error:
        raise Wrong("data-unreadable", f"{asked.data}, {error}") from None
    if not found:
        raise Wrong("data-unreadable", f"{asked.data} holds no sample")
    data["samples"] = len(found)
    return found


def samples(path: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file, or the paragraphs of a plain text.

    Raises:
        ValueError: there is no sample where one is wanted; the message names the line.
    """
    if os.path.splitext(path)[1].lower() not in ROWS:
        with open(path, encoding="utf-8-sig") as file:
            paragraphs = file.read(1 << 20).split("\n\n")
        yield from ({"text": one.strip()} for one in paragraphs if one.strip())
        return
    for line, row in train_rows.read(path):
        if not isinstance(row, dict):
            raise ValueError(f"line {line}: {type(row).__name__}, where an object is wanted")  # noqa: TRY004
        for kind, detail in train_rows.sample_of(row).faults:
            raise ValueError(f"line {line}: {kind}: {detail}")
        yield row


def tokens_of(lab: Lab, asked: Any, found: list[dict[str, Any]]) -> tuple[list[list[int]], int]:
    """Return the samples as the model's own tokenizer and template write them, and the padding.

    Raises:
        Wrong: they refuse a sample, or there are no two tokens; the message names the sample.
    """
    reader = lab.transformers.AutoTokenizer.from_pretrained(asked.model, **OURS)
    rows = []
    for number, one in enumerate(found, 1):
        sample = train_rows.sample_of(one)
        try:
            text = "\n".join(text for _, text in sample.turns)
            if sample.form in ("messages", "conversations") and getattr(
                reader, "chat_template", None
            ):
                talk = train_rows.talk_of(one, sample)
                text = reader.apply_chat_template(talk, tokenize=False)
            row = list(reader(text)["input_ids"])[:LONGEST]
        except Exception as error:
            where = (
                f"{asked.data}, sample {number}: the model's tokenizer or chat template refuses it"
            )
            raise Wrong("data-unreadable", f"{where}: {type(error).__name__}: {error}") from None
        if len(row) > 1:
            rows.append(row)
    if not rows:
        raise Wrong("data-unreadable", f"no sample of {asked.data} has two tokens")
    pad = reader.pad_token_id if reader.pad_token_id is not None else reader.eos_token_id or 0
    return rows, pad


def of_user(lab: Lab, asked: Any, rows: list[list[int]], pad: int) -> tuple[Any, list[Batch]]:
    """Load the model in the 16-bit type of the device (float32 on the CPU), and make a batch of each row."""
    dtype = lab.torch.float32 if lab.kind == "cpu" else lab.half
    load = lab.transformers.AutoModelForCausalLM.from_pretrained
    model = load(asked.model, torch_dtype=dtype, **OURS).to(lab.device)
    model.config.use_cache = False
    return model, [of_rows(lab, [row], pad) for row in rows[: asked.steps or STEPS]]
