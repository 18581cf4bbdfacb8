# mypy: ignore-errors
"""Parts of `doctor data` that run in the target: read Parquet and Arrow, and count tokens with transformers."""

import datetime as dt
import json
import os
import sys
import time
from functools import partial
from itertools import takewhile

from .train_rows import Bounded, RewrittenError, TemplateLimitError, pieces, template_file

MEMORY = 4 << 30
EVERY = 0.5
"""Seconds between two lines of progress."""


def table(path, start, room, to):
    """Write rows of Parquet or Arrow as JSON Lines, from row `start` on until about `room` bytes are written.

    The last line of standard error is {"next": row, "ended": bool}.
    """
    try:  # limit memory: a small file can unpack to any size
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    except (ImportError, OSError, ValueError):  # Windows
        pass
    row, size = int(start), 0
    with open(to, "w", encoding="ascii", newline="\n") as file:
        for first_row, batch in batches(path, row):
            for row_object in batch.slice(max(0, int(start) - first_row)).to_pylist():
                size += file.write(line(row_object) + "\n")
            row = first_row + batch.num_rows
            if size > int(room):
                break
        else:
            size = -1
    sys.stderr.write("\n" + json.dumps({"next": row, "ended": size < 0}) + "\n")


def line(row):
    """Return a row as JSON; NaN and infinity become null, and empty fields of a turn are left out."""
    row = {key: whole(value) for key, value in row.items()}
    try:
        return json.dumps(row, default=plain, allow_nan=False)
    except ValueError:
        text = json.dumps(row, default=plain)
        return json.dumps(json.loads(text, parse_constant=lambda _: None))


def whole(value):
    """Return a list whose objects lack the null fields that Arrow adds because other objects have them."""
    if not isinstance(value, list):
        return value
    return [
        {k: v for k, v in item.items() if v is not None} if isinstance(item, dict) else item
        for item in value
    ]


def plain(value):
    """Return a value that JSON has no type for as text."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value.isoformat() if isinstance(value, (dt.date, dt.time)) else str(value)


def batches(path, start):
    """Yield batches of up to 256 rows, each with the number of its first row; those before row `start` are skipped."""
    first_row = 0
    for rows, parts in groups(path):
        if first_row + rows <= start:
            first_row += rows
            continue
        for batch in parts():
            for at in range(0, batch.num_rows, 256):
                part = batch.slice(at, 256)
                if first_row + part.num_rows > start:
                    yield first_row, part
                first_row += part.num_rows


def groups(path):
    """Yield the number of rows of each row group, and a function that reads it."""
    with open(path, "rb") as file:
        head = file.read(6)
    if head.startswith(b"PAR1"):
        from pyarrow.parquet import ParquetFile

        table = ParquetFile(path)
        for group in range(table.num_row_groups):
            rows = table.metadata.row_group(group).num_rows
            yield rows, partial(table.iter_batches, batch_size=256, row_groups=[group])
        return
    import pyarrow as pa

    source = pa.memory_map(path)
    if head == b"ARROW1":
        file = pa.ipc.open_file(source)
        record_batches = map(file.get_batch, range(file.num_record_batches))
    else:
        record_batches = pa.ipc.open_stream(source)
    for batch in record_batches:
        yield batch.num_rows, lambda batch=batch: [batch]


def tokens(model, path, shown):
    """Count tokens with the model's tokenizer and chat template; nothing is downloaded.

    The file holds [line, form, [[role, text], ...]] as JSON Lines. Progress is printed as the number of the current
    row, counted from 0. The last line is {"rows": [[tokens, learned, first], ...], "refused": {index: why},
    "template": bool, "shown": [[[text, is learned], ...], ...]}: `first` is the position of the first learned token,
    and "shown" has the first few rows. With a chat template answers are learned if the template writes a turn the
    same whatever follows it.
    """
    os.environ.update(HF_HUB_OFFLINE="1", USE_TORCH="0")
    os.environ.update(TRANSFORMERS_VERBOSITY="error", TOKENIZERS_PARALLELISM="false")
    from transformers import AutoTokenizer

    reader = AutoTokenizer.from_pretrained(model, local_files_only=True, trust_remote_code=False)
    has = bool(getattr(reader, "chat_template", None))

    render = Bounded(partial(reader.apply_chat_template, tokenize=False), template_file(model))
    rows, refused, shown_rows, stopped, last_report = [], {}, [], "", 0.0
    with open(path, encoding="utf-8") as file:
        for number, text in enumerate(file):
            _, form, turns = json.loads(text)
            parts = []
            if time.monotonic() > last_report + EVERY:
                last_report = time.monotonic()
                print(number, flush=True)
            try:
                parts = [part for part in parts_of(form, turns, render if has else None) if part[0]]
                rows.append(count_tokens(reader, parts, form == "text" or not has))
            except TemplateLimitError as error:
                stopped = str(error)
                break
            except Exception as error:
                refused[number] = (str(error).strip() or type(error).__name__).splitlines()[0][:160]
                rows.append([0, 0, 0])
            if number < int(shown):
                shown_rows.append(parts if has and number not in refused else [])
    result = {
        "rows": rows,
        "refused": refused,
        "template": has,
        "shown": shown_rows,
        "stopped": stopped,
    }
    print(json.dumps(result))


def parts_of(form, turns, render):
    """Return the texts of a row, each with whether it is learned."""
    if form == "text":
        return [("".join(text for _, text in turns), True)]
    if render is None:
        return [(text, role == "assistant") for role, text in turns]
    talk = [{"role": role, "content": text} for role, text in turns]
    for last in (False, True):
        try:
            with render:
                return pieces(talk, render, last=last)
        except RewrittenError:  # then only the last answer can be learned, if any
            pass
    return [(render(talk), False)]


def count_tokens(reader, parts, special):
    """Return the number of tokens of a row, of learned ones, and the position of the first learned one."""
    texts = [text for text, _ in parts]
    token_ids = reader(texts, add_special_tokens=special)["input_ids"] if texts else []
    sizes = [(len(ids), part[1]) for ids, part in zip(token_ids, parts)]
    unlearned = takewhile(lambda pair: not pair[1], sizes)
    learned = sum(size for size, is_learned in sizes if is_learned)
    return [sum(size for size, _ in sizes), learned, sum(size for size, _ in unlearned)]
