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
TEXT_KEYS = ("text", "content")
PAIRS = (("prompt", "completion"), ("instruction", "output"), ("question", "answer"))


def read_samples(asked: Any, data: Dict[str, Any]) -> List[Dict[str, Any]]:
    """Read up to 64 samples.

    Raises:
        Wrong: the data hold nothing that can be read; the message names line and cure.
    """
    try:
        found = list(itertools.islice(samples(asked.data), MOST_ROWS))
        for one in found:
            plain(one, None)
    except (OSError, ValueError, csv.Error) as error:
        raise wrong(data, "data-unreadable", str(error)) from None
    if not found:
        raise wrong(data, "data-unreadable", "{} holds no sample".format(asked.data))
    data["samples"] = len(found)
    return found


def of_user(lab: Lab, asked: Any, found: List[Dict[str, Any]]) -> Tuple[Any, List[Batch]]:
    """Load the model in the 16-bit type of the device (float32 on the CPU), and make a batch of each sample."""
    parts = lab.transformers
    reader = parts.AutoTokenizer.from_pretrained(asked.model, local_files_only=True)
    dtype = lab.torch.float32 if lab.kind == "cpu" else lab.half
    model = parts.AutoModelForCausalLM.from_pretrained(
        asked.model, torch_dtype=dtype, local_files_only=True
    ).to(lab.device)
    model.config.use_cache = False
    rows = [list(reader(plain(one, reader))["input_ids"])[: asked.length] for one in found]
    long = [row for row in rows if len(row) > 1]
    if not long:
        msg = "no sample of {} has two tokens".format(asked.data)
        raise ValueError(msg)
    pad = reader.pad_token_id if reader.pad_token_id is not None else reader.eos_token_id or 0
    return model, [of_rows(lab, [row], pad) for row in long[: asked.steps or STEPS]]


def samples(path: str) -> Iterator[Dict[str, Any]]:
    """Read JSON Lines, CSV, or plain text in paragraphs."""
    ending = os.path.splitext(path)[1].lower()
    with open(path, encoding="utf-8", newline="") as file:
        if ending in (".jsonl", ".json", ".ndjson"):
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield _json(path, number, line)
        elif ending == ".csv":
            yield from csv.DictReader(file)
        else:
            for paragraph in file.read(1 << 20).split("\n\n"):
                if paragraph.strip():
                    yield {"text": paragraph.strip()}


def _json(path: str, number: int, line: str) -> Dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError as error:
        msg = "{}, line {}: no JSON: {}".format(path, number, error)
        raise ValueError(msg) from None
    if not isinstance(found, dict):
        msg = "{}, line {}: {}, where an object is wanted".format(
            path, number, type(found).__name__
        )
        raise ValueError(msg)  # noqa: TRY004  of the file, not of a caller
    return found


def plain(sample: Dict[str, Any], reader: Any) -> str:
    """Return the text of a sample; by the model's template where `reader` has one.

    Raises:
        ValueError: it has none of the keys that are read.
    """
    messages = sample.get("messages") or sample.get("conversations")
    if isinstance(messages, list):
        if getattr(reader, "chat_template", None):
            return str(reader.apply_chat_template(messages, tokenize=False))
        return "\n".join(str(m.get("content", m.get("value", ""))) for m in messages)
    for key in TEXT_KEYS:
        if sample.get(key):
            return str(sample[key])
    for first, second in PAIRS:
        if sample.get(first) and sample.get(second):
            return "{}\n{}".format(sample[first], sample[second])
    msg = "a sample has the keys {}; text, messages, or prompt and completion are read".format(
        ", ".join(map(str, sample))
    )
    raise ValueError(msg)
