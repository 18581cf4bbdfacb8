"""Regenerate the shipped wheel table from the indexes, or from a given table.

    python tools/regenerate_tables.py                      # asks PyTorch's wheel index
    python tools/regenerate_tables.py --dry-run            # prints what would change
    python tools/regenerate_tables.py --candidate FILE     # uses FILE, if it drops nothing

Prints each row that changes. A table that lacks a release, variant, Python, platform tag or code list of the
current one is refused with exit 1 and a list of what it lacks. Exit 2: an index or a file can't be read.
"""

import argparse
import json
import os
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from tunedoctor.core.sources import asker
from tunedoctor.installers.sources import own
from tunedoctor.probes.settings import project_file
from tunedoctor.refresh.fetch import FetchError, RefusedError
from tunedoctor.refresh.index import indexes
from tunedoctor.refresh.merge import merged
from tunedoctor.refresh.update import ask
from tunedoctor.tables.updated import UpdatedError, laid_over
from tunedoctor.tables.wheels import Release

TABLE = Path(__file__).parents[1] / "src" / "tunedoctor" / "tables" / "torch_wheels.json"
SOURCE = "index_pages"
KEPT = ("releases.items", "archs.sets", "cuda.variant_native_driver")
"""Parts of the table from which nothing may be dropped at any depth; doubts (`unverified`) may be."""


def main(argv: list[str] | None = None) -> int:
    """Regenerate the table; return the exit code."""
    options = _options().parse_args(argv)
    try:
        old = json.loads(options.table.read_text(encoding="utf-8"))
        if options.candidate:
            new, notes = json.loads(options.candidate.read_text(encoding="utf-8")), []
            for version, row in new["releases"]["items"].items():
                _readable(version, row)
        else:
            new, notes = _asked(old, options.index)
    except (OSError, ValueError, FetchError, RefusedError, UpdatedError) as error:
        sys.stderr.write(f"regenerate_tables: {error}\n")
        return 2
    dropped = lost(old, new)
    for line in (*changes(old, new), *notes):
        sys.stdout.write(f"{line}\n")
    if dropped:
        sys.stderr.write(f"regenerate_tables: refused, {len(dropped)} rows would be dropped:\n")
        sys.stderr.writelines(f"  {one}\n" for one in dropped)
        return 1
    if not options.dry_run:
        part = options.table.with_suffix(".part")
        part.write_text(dumped(new), encoding="utf-8")
        part.replace(options.table)
    return 0


def _readable(version: str, row: Any) -> None:  # noqa: ANN401  what a file holds
    try:
        msgspec.convert({**row, "version": version}, Release)
    except msgspec.ValidationError as error:
        msg = f"release {version} can't be read: {error}"
        raise ValueError(msg) from None


def dumped(table: Any) -> str:  # noqa: ANN401
    """Return a table as JSON, with each list of single values on one line, such as the rows of builds."""
    text = json.dumps(table, indent=1, ensure_ascii=False)
    flat = re.compile(r"\[\n\s+([^\[\]{}]*?)\n\s+\]")
    return flat.sub(lambda found: "[" + re.sub(r",\n\s+", ", ", found[1]) + "]", text) + "\n"


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--table", type=Path, default=TABLE, help="the table to write anew")
    parser.add_argument(
        "--candidate", type=Path, help="a table to take instead of asking the index"
    )
    parser.add_argument("--index", default="", help="a mirror of PyTorch's wheel index")
    parser.add_argument("--dry-run", action="store_true", help="write nothing")
    return parser


def _asked(old: Any, index: str) -> tuple[Any, list[str]]:  # noqa: ANN401  tables
    """Return the table updated from the indexes, and what they did not contain."""
    if ban := own(os.environ, sys.prefix, project_file()).ban:
        raise FetchError(url="", what=f"{ban.who} forbids using the network")
    default, client = asker()
    said = ask(indexes(index, default), old, client)
    today = datetime.now(UTC).date().isoformat()
    result = merged(old, old, said.seen, said.learned, said.files, today)
    new = laid_over(old, result.overlay)
    what = f"pages of the wheel index and metadata of wheels: {', '.join(said.sources)}, read on {today}"
    new = {**new, "sources": {**old["sources"], SOURCE: what}}
    new["releases"] = {**new["releases"], "as_of": today}
    if SOURCE not in new["releases"]["source"]:
        new["releases"]["source"] = [*new["releases"]["source"], SOURCE]
    notes = [f"? left out: {one}" for one in result.left_out]
    notes += [f"? not told: {one}" for one in said.untold]
    notes += [f"? kept, although the index does not list it: {one}" for one in result.kept]
    return new, notes


def lost(old: Any, new: Any) -> list[str]:  # noqa: ANN401  tables
    """Return what the new table lacks, by its path: "archs.sets.T 75"."""
    after = _leaves(new)
    return [
        f"{place} {value}".rstrip() for place, value in _leaves(old) if (place, value) not in after
    ]


def changes(old: Any, new: Any) -> list[str]:  # noqa: ANN401  tables
    """Return a line for each row that differs: "+ path value" and "- path value"."""
    before, after = _leaves(old), _leaves(new)
    lines = [
        f"- {place} {value}".rstrip() for place, value in before if (place, value) not in after
    ]
    return lines + [
        f"+ {place} {value}".rstrip() for place, value in after if (place, value) not in before
    ]


def _leaves(table: Any) -> dict[tuple[str, str], None]:  # noqa: ANN401
    found: dict[tuple[str, str], None] = {}
    for part in KEPT:
        value = table
        for name in part.split("."):
            value = value.get(name, {}) if isinstance(value, dict) else {}
        found.update(dict.fromkeys(_below(part, value)))
    return found


def _below(place: str, value: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401
    """Yield (path, value) of lists, and (path, "") of containers. Single values may change: they identify no row."""
    if isinstance(value, dict):
        yield place, ""
        for name, one in value.items():
            if name != "unverified":
                yield from _below(f"{place}.{name}", one)
    elif isinstance(value, list):
        for one in value:
            if isinstance(one, list):  # a build: what it is, and each Python
                row = f"{place}.{one[1]}.{one[0]}"
                yield from ((row, python) for python in ("", *one[2].split()))
                yield f"{row}.code", one[5].replace("?", "")
            else:
                yield place, str(one)
    else:
        yield place, ""


if __name__ == "__main__":
    sys.exit(main())
