# mypy: ignore-errors
"""What doctor data asks of the target: the rows of a Parquet or Arrow file, by pyarrow, and tokens, by transformers."""

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
"""Seconds between two lines that tell how far the counting is."""


def table(path, start, room, to):
    """Write rows of Parquet or Arrow from number `start` on as JSON Lines, and stop behind about `room` bytes.

    The last line of standard error is {"next": row, "ended": bool}.
    """
    try:  # a small file can unpack to any size
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    except (ImportError, OSError, ValueError):  # Windows
        pass
    row, size = int(start), 0
    with open(to, "w", encoding="ascii", newline="\n") as file:
        for before, batch in batches(path, row):
            for one in batch.slice(max(0, int(start) - before)).to_pylist():
                size += file.write(line(one) + "\n")
            row = before + batch.num_rows
            if size > int(room):
                break
        else:
            size = -1
    sys.stderr.write("\n" + json.dumps({"next": row, "ended": size < 0}) + "\n")


def line(row):
    """Return a row as JSON; numbers that JSON lacks become null, and fields that a turn lacks are left out."""
    row = {key: whole(value) for key, value in row.items()}
    try:
        return json.dumps(row, default=plain, allow_nan=False)
    except ValueError:
        text = json.dumps(row, default=plain)
        return json.dumps(json.loads(text, parse_constant=lambda _: None))


def whole(value):
    """Return a list without what its objects hold only because others of the table do."""
    if not isinstance(value, list):
        return value
    return [
        {k: v for k, v in one.items() if v is not None} if isinstance(one, dict) else one
        for one in value
    ]


def plain(value):
    """Return what JSON has no type for as text."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value.isoformat() if isinstance(value, (dt.date, dt.time)) else str(value)


def batches(path, start):
    """Yield batches of up to 256 rows that reach past row `start`, each with the number of its first row."""
    before = 0
    for rows, parts in groups(path):
        if before + rows <= start:
            before += rows
            continue
        for batch in parts():
            for at in range(0, batch.num_rows, 256):
                part = batch.slice(at, 256)
                if before + part.num_rows > start:
                    yield before, part
                before += part.num_rows


def groups(path):
    """Yield the size of each group of rows, and what reads it."""
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
        found = map(file.get_batch, range(file.num_record_batches))
    else:
        found = pa.ipc.open_stream(source)
    for batch in found:
        yield batch.num_rows, lambda batch=batch: [batch]


def tokens(model, path, shown):
    """Count tokens as a model sees them; nothing is downloaded.

    The file holds [line, form, [[role, text], ...]] as JSON Lines. Prints the number of a row, counted from 0, now and
    then before it is read, and at last {"rows": [[tokens, learned, first], ...],
    "refused": {index: why}, "template": bool, "shown": [[[text, is learned], ...], ...]}; `first` is the place of the
    first learned token, and the first few rows are shown. With a chat template answers are learned, as far as the
    template writes a conversation the same whatever follows.
    """
    os.environ.update(HF_HUB_OFFLINE="1", USE_TORCH="0")
    os.environ.update(TRANSFORMERS_VERBOSITY="error", TOKENIZERS_PARALLELISM="false")
    from transformers import AutoTokenizer

    reader = AutoTokenizer.from_pretrained(model, local_files_only=True, trust_remote_code=False)
    has = bool(getattr(reader, "chat_template", None))

    render = Bounded(partial(reader.apply_chat_template, tokenize=False), template_file(model))
    rows, refused, told, stopped, said = [], {}, [], "", 0.0
    with open(path, encoding="utf-8") as file:
        for number, text in enumerate(file):
            _, form, turns = json.loads(text)
            parts = []
            if time.monotonic() > said + EVERY:
                said = time.monotonic()
                print(number, flush=True)
            try:
                parts = [one for one in parts_of(form, turns, render if has else None) if one[0]]
                rows.append(counted(reader, parts, form == "text" or not has))
            except TemplateLimitError as error:
                stopped = str(error)
                break
            except Exception as error:
                refused[number] = (str(error).strip() or type(error).__name__).splitlines()[0][:160]
                rows.append([0, 0, 0])
            if number < int(shown):
                told.append(parts if has and number not in refused else [])
    found = {"rows": rows, "refused": refused, "template": has, "shown": told, "stopped": stopped}
    print(json.dumps(found))


def parts_of(form, turns, render):
    """Cut a row into texts, and whether they are learned."""
    if form == "text":
        return [("".join(text for _, text in turns), True)]
    if render is None:
        return [(text, role == "assistant") for role, text in turns]
    talk = [{"role": role, "content": text} for role, text in turns]
    for last in (False, True):
        try:
            with render:
                return pieces(talk, render, last=last)
        except RewrittenError:  # the last answer alone is learned, if at all
            pass
    return [(render(talk), False)]


def counted(reader, parts, special):
    """Return the tokens of a row, those that are learned, and the place of the first of these."""
    texts = [text for text, _ in parts]
    found = reader(texts, add_special_tokens=special)["input_ids"] if texts else []
    sizes = [(len(ids), part[1]) for ids, part in zip(found, parts)]
    before = takewhile(lambda one: not one[1], sizes)
    learned = sum(size for size, is_learned in sizes if is_learned)
    return [sum(size for size, _ in sizes), learned, sum(size for size, _ in before)]
