"""The user's own model and a slice of their data, in place of the tiny ones."""

import csv
import itertools
import json
import os
from typing import Any, Dict, Iterator, List, Tuple

from .lab import Lab
from .recipe import Batch, of_rows
from .tell import wrong

MOST_ROWS = 64
STEPS = 5
OURS = {"local_files_only": True, "trust_remote_code": False}
TEXT_KEYS = ("text", "content")
PAIRS = (("prompt", "completion"), ("instruction", "output"), ("question", "answer"))


def read_samples(asked: Any, data: Dict[str, Any]) -> List[Dict[str, Any]]:
    """Read up to 64 samples.

    Raises:
        Wrong: the data hold nothing that can be read; the message names line and cure.
    """
    try:
        found = list(itertools.islice(samples(asked.data), MOST_ROWS))
    except (OSError, ValueError) as error:
        raise wrong(data, "data-unreadable", str(error)) from None
    if not found:
        raise wrong(data, "data-unreadable", "{} holds no sample".format(asked.data))
    data["samples"] = len(found)
    return found


def tokens_of(
    lab: Lab, asked: Any, found: List[Dict[str, Any]], data: Dict[str, Any]
) -> Tuple[List[List[int]], int]:
    """Return the samples as the model's own tokenizer and template write them, and the padding.

    Raises:
        Wrong: they refuse a sample, or there are no two tokens; the message names the sample.
    """
    reader = lab.transformers.AutoTokenizer.from_pretrained(asked.model, **OURS)
    rows = []
    for number, one in enumerate(found, 1):
        try:
            row = list(reader(plain(one, reader))["input_ids"])[: asked.length]
        except Exception as error:
            text = (
                "{}, sample {}: the model's tokenizer or chat template refuses it: {}: {}".format(
                    asked.data, number, type(error).__name__, error
                )
            )
            raise wrong(data, "data-unreadable", text) from None
        if len(row) > 1:
            rows.append(row)
    if not rows:
        text = "no sample of {} has two tokens".format(asked.data)
        raise wrong(data, "data-unreadable", text)
    pad = reader.pad_token_id if reader.pad_token_id is not None else reader.eos_token_id or 0
    return rows, pad


def of_user(lab: Lab, asked: Any, rows: List[List[int]], pad: int) -> Tuple[Any, List[Batch]]:
    """Load the model in the 16-bit type of the device (float32 on the CPU), and make a batch of each row."""
    dtype = lab.torch.float32 if lab.kind == "cpu" else lab.half
    model = lab.transformers.AutoModelForCausalLM.from_pretrained(
        asked.model, torch_dtype=dtype, **OURS
    ).to(lab.device)
    model.config.use_cache = False
    return model, [of_rows(lab, [row], pad) for row in rows[: asked.steps or STEPS]]


def samples(path: str) -> Iterator[Dict[str, Any]]:
    """Read JSON Lines, CSV, or plain text in paragraphs.

    Raises:
        ValueError: there is no sample where one is wanted; the message names the line.
    """
    line = 0

    def lines() -> Iterator[str]:
        nonlocal line
        with open(path, "rb") as file:
            for line, raw in enumerate(file, 1):  # noqa: B007  nonlocal
                yield raw.decode("utf-8-sig")

    ending = os.path.splitext(path)[1].lower()
    csv.field_size_limit(2**31 - 1)
    try:
        if ending in (".jsonl", ".json", ".ndjson"):
            rows: Iterator[Any] = map(json.loads, filter(None, map(str.strip, lines())))
        elif ending == ".csv":
            rows = iter(csv.DictReader(lines(), strict=True))
        else:
            rows = _paragraphs(path)
        for row in rows:
            plain(row, None)
            yield row
    except UnicodeDecodeError as error:
        raise _at(path, line, "not UTF-8: {}".format(error)) from None
    except json.JSONDecodeError as error:
        raise _at(path, line, "no JSON: {}".format(error.msg)) from None
    except RecursionError:
        raise _at(path, line, "no JSON: brackets too deep") from None
    except (ValueError, csv.Error) as error:
        raise _at(path, line, str(error)) from None


def _at(path: str, line: int, what: str) -> ValueError:
    return ValueError("{}{}: {}".format(path, ", line {}".format(line) if line else "", what))


def _paragraphs(path: str) -> Iterator[Dict[str, Any]]:
    with open(path, encoding="utf-8-sig") as file:
        for paragraph in file.read(1 << 20).split("\n\n"):
            if paragraph.strip():
                yield {"text": paragraph.strip()}


def plain(sample: Any, reader: Any) -> str:
    """Return the text of a sample; by the model's template where `reader` has one.

    Raises:
        ValueError: it is no object, or has no text under the keys that are read.
    """
    if not isinstance(sample, dict):
        msg = "{}, where an object is wanted".format(type(sample).__name__)
        raise ValueError(msg)  # noqa: TRY004  of the file, not of a caller
    messages = sample.get("messages") or sample.get("conversations")
    if isinstance(messages, list):
        if not all(isinstance(m, dict) for m in messages):
            msg = "messages that are no objects with role and content"
            raise ValueError(msg)
        if getattr(reader, "chat_template", None):
            return str(reader.apply_chat_template(messages, tokenize=False))
        return "\n".join(str(m.get("content", m.get("value", ""))) for m in messages)
    texts = {key: text for key, text in sample.items() if isinstance(text, str) and text}
    for key in TEXT_KEYS:
        if key in texts:
            return texts[key]
    for first, second in PAIRS:
        if first in texts and second in texts:
            return "{}\n{}".format(texts[first], texts[second])
    msg = "a sample has the keys {}; texts under text, messages, or prompt and completion are read"
    raise ValueError(msg.format(", ".join(map(str, sample))))
