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


def bound():
    """Take no more memory than a sane file needs: a small one can unpack to any size."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    except (ImportError, OSError, ValueError):  # Windows
        return


def main(path, start, room):
    """Print rows from `start`; exit status 3: no pyarrow, 4: the file can't be read."""
    bound()
    try:
        from pyarrow import parquet
    except ImportError as error:
        print(error, file=sys.stderr)
        return 3
    try:
        file = parquet.ParquetFile(path)
        total, before, size, row = file.metadata.num_rows, 0, 0, start
        for group in range(file.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            if before + rows <= start:
                before += rows
                continue
            for batch in file.iter_batches(batch_size=256, row_groups=[group]):
                if before + batch.num_rows <= start:
                    before += batch.num_rows
                    continue
                for at, one in enumerate(batch.to_pylist(), before):
                    if at < start:
                        continue
                    line = json.dumps(one, default=plain)
                    sys.stdout.write(line + "\n")
                    size += len(line)
                    row = at + 1
                before += batch.num_rows
                if size > room:
                    sys.stderr.write("\n" + json.dumps({"next": row, "rows": total}) + "\n")
                    return 0
        sys.stderr.write("\n" + json.dumps({"next": total, "rows": total}) + "\n")
    except Exception as error:
        print("{}: {}".format(type(error).__name__, str(error).splitlines()[0]), file=sys.stderr)
        return 4
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
