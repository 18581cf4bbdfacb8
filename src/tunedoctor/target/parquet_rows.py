# mypy: ignore-errors
"""Print rows of a Parquet file as JSON Lines: `python parquet_rows.py FILE ROW BYTES`.

Begins at row ROW and stops behind about BYTES of output; the last line of standard error is {"next": ROW, "rows": ALL}.
Needs pyarrow; Python 3.8 and newer.
"""

import datetime as dt
import json
import sys

MEMORY = 4 << 30


def plain(value):
    """Return what JSON has no type for as text."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value.isoformat() if isinstance(value, (dt.date, dt.time)) else str(value)


def rows_from(file, start):
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


def main(path, start, room):
    """Print rows from `start`; exit status 3: no pyarrow, 4: the file can't be read."""
    try:  # a small file can unpack to any size
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    except (ImportError, OSError, ValueError):  # Windows
        pass
    try:
        from pyarrow import parquet
    except ImportError as error:
        print(error, file=sys.stderr)
        return 3
    try:
        file = parquet.ParquetFile(path)
        row, total, size = start, file.metadata.num_rows, 0
        for before, batch in rows_from(file, start):
            for one in batch.to_pylist()[max(0, start - before) :]:
                size += sys.stdout.write(json.dumps(one, default=plain) + "\n")
            row = before + batch.num_rows
            if size > room:
                break
        sys.stderr.write("\n" + json.dumps({"next": row, "rows": total}) + "\n")
    except Exception as error:
        print(f"{type(error).__name__}: {str(error).splitlines()[0]}", file=sys.stderr)
        return 4
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
