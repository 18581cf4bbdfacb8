# mypy: ignore-errors
"""What doctor data asks of the target: the rows of a Parquet file, by pyarrow, and tokens, by transformers."""

import datetime as dt
import json
import os
import sys
from itertools import takewhile

from .train_rows import RewrittenError, pieces

MEMORY = 4 << 30


def parquet(path, start, room):
    """Print rows from number `start` on as JSON Lines, and stop behind about `room` bytes.

    The last line of standard error is {"next": row, "rows": all}.
    """
    try:  # a small file can unpack to any size
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    except (ImportError, OSError, ValueError):  # Windows
        pass
    from pyarrow.parquet import ParquetFile

    file = ParquetFile(path)
    row, size = int(start), 0
    for before, batch in batches(file, row):
        for one in batch.to_pylist()[max(0, int(start) - before) :]:
            size += sys.stdout.write(json.dumps(one, default=plain) + "\n")
        row = before + batch.num_rows
        if size > int(room):
            break
    sys.stderr.write("\n" + json.dumps({"next": row, "rows": file.metadata.num_rows}) + "\n")


def plain(value):
    """Return what JSON has no type for as text."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value.isoformat() if isinstance(value, (dt.date, dt.time)) else str(value)


def batches(file, start):
    """Yield batches that reach past row `start`, each with the number of its first row."""
    before = 0
    for group in range(file.num_row_groups):
        rows = file.metadata.row_group(group).num_rows
        if before + rows > start:
            for batch in file.iter_batches(batch_size=256, row_groups=[group]):
                if before + batch.num_rows > start:
                    yield before, batch
                before += batch.num_rows
        else:
            before += rows


def tokens(model, path):
    """Count tokens as a model sees them; nothing is downloaded.

    The file holds [line, form, [[role, text], ...]] as JSON Lines. Prints {"rows": [[tokens, learned, first], ...],
    "refused": {index: why}, "template": bool}; `first` is the place of the first learned token. With a chat template
    answers are learned, as far as the template writes a conversation the same whatever follows.
    """
    os.environ.update(HF_HUB_OFFLINE="1", USE_TORCH="0")
    os.environ.update(TRANSFORMERS_VERBOSITY="error", TOKENIZERS_PARALLELISM="false")
    from transformers import AutoTokenizer

    reader = AutoTokenizer.from_pretrained(model, local_files_only=True, trust_remote_code=False)
    has = bool(getattr(reader, "chat_template", None))

    def render(talk, **more):
        return reader.apply_chat_template(talk, tokenize=False, **more)

    rows, refused = [], {}
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file):
            _, form, turns = json.loads(line)
            try:
                rows.append(counted(reader, form, turns, render if has else None))
            except Exception as error:
                refused[number] = (str(error).strip() or type(error).__name__).splitlines()[0][:160]
                rows.append([0, 0, 0])
    print(json.dumps({"rows": rows, "refused": refused, "template": has}))


def parts_of(form, turns, render):
    """Cut a row into texts, and whether they are learned."""
    if form == "text":
        return [("".join(text for _, text in turns), True)]
    if render is None:
        return [(text, role == "assistant") for role, text in turns]
    talk = [{"role": role, "content": text} for role, text in turns]
    for last in (False, True):
        try:
            return pieces(talk, render, last=last)
        except RewrittenError:  # the last answer alone is learned, if at all
            pass
    return [(render(talk), False)]


def counted(reader, form, turns, render):
    """Return the tokens of a row, those that are learned, and the place of the first of these."""
    parts = [one for one in parts_of(form, turns, render) if one[0]]
    texts, special = [text for text, _ in parts], form == "text" or render is None
    found = reader(texts, add_special_tokens=special)["input_ids"] if texts else []
    sizes = [(len(ids), part[1]) for ids, part in zip(found, parts)]
    before = takewhile(lambda one: not one[1], sizes)
    learned = sum(size for size, is_learned in sizes if is_learned)
    return [sum(size for size, _ in sizes), learned, sum(size for size, _ in before)]
