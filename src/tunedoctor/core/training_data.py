"""The data of a training as the trainer reads them, JSON Lines, each row judged before anything is loaded."""

import atexit
import hashlib
import shlex
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import msgspec

from tunedoctor.core.environment import announce_start
from tunedoctor.core.errors import misuse, refusing
from tunedoctor.core.interaction import SILENT, Interaction
from tunedoctor.data.files import ENDINGS, FORMS, ending, files_in, open_file, split_of
from tunedoctor.data.rows import BadRowError, Good, columns_text, write
from tunedoctor.facts import Target
from tunedoctor.facts.clean import clean_text
from tunedoctor.model.wording import listed, many
from tunedoctor.state.folder import keep
from tunedoctor.system.reading import read_regular
from tunedoctor.system.scratch import scratch as folder_of_run
from tunedoctor.target.train_rows import parse_columns

_PATIENCE = 3.0
"""Seconds in which JSON Lines are judged at first; the trainer judges what is left, before it reads weights."""
_WORD = "name a file or a folder of data"


class Readers:
    """Interpreters that may have pyarrow: doctor's own, and a target, which is announced once before it is started."""

    def __init__(self, place: Target, interaction: Interaction = SILENT) -> None:
        self.place, self._told, self._interaction = place, False, interaction

    def __iter__(self) -> Iterator[str]:
        """Yield them; who takes the second starts it."""
        yield sys.executable
        if self.place.python:
            yield self.started()

    def started(self) -> str:
        """Say that the target is started, unless that was said, and return its interpreter."""
        if not self._told:
            announce_start(self.place, self._interaction)
        self._told = True
        return self.place.python


def handed(
    values: Mapping[str, object],
    words: Sequence[str],
    pythons: Iterable[str],
    interaction: Interaction = SILENT,
) -> list[str]:
    """Return the words of a training, its data as JSON Lines in the folder of the run.

    Raises DoctorError for a bad row.

    `pythons` may read Parquet and Arrow. A try leaves nothing in that folder.
    """
    found = list(words)
    if "--merge" in words:
        return found
    columns = columns_of(str(values.get("columns", "")))
    out = Path(str(values.get("out") or "out"))
    seen: list[Path] = []
    for key, *splits in (("data", "train"), ("eval_data", "valid", "test")):
        if name := str(values.get(key) or ""):
            files = _of_split(paths_of(name, but=out), splits, interaction)
            if len(files) > 1 and files == seen:
                what = f"{name} has no files to evaluate on other than those of data"
                misuse(what, "leave eval_data out, or name a file")
            seen, place = files, scratch() if "--dry-run" in words else out / "data"
            path = as_lines(
                name, files, place / f"{splits[0]}.jsonl", columns, pythons, interaction
            )
            found += [f"--{key}={path}"] * (str(path) != name)
    return [*found, "--columns="] if columns else found


def columns_of(text: str) -> dict[str, str]:
    """Return what --columns names. Raises DoctorError if it is not written that way."""
    with refusing(ValueError, "doctor data FILE shows the columns"):
        return parse_columns(text)


def lacking(name: str, columns: Mapping[str, str]) -> tuple[str, str]:
    """Say that data have no such columns, and the way out."""
    what = f"none of the first rows of {name} has all of {', '.join(columns.values())}"
    return f"--columns: {what}", f"doctor data {shlex.quote(name)} shows the columns"


def paths_of(name: str, *, but: Path | None = None) -> list[Path]:
    """Return the data files that a name stands for: itself, or the files of a folder without the output of runs in it.

    Exits with 2 if there are none.
    """
    try:
        path = Path(name).expanduser()
        inside = files_in(path) if path.is_dir() else [path]
        if but and path.resolve() in but.resolve().parents:
            own = path / but.resolve().relative_to(path.resolve())
            inside = [one for one in inside if own not in one.parents]
        if not inside:
            misuse(
                f"{name} contains no file of {FORMS}",
                "name the files; doctor explain data reads texts",
            )
        if not path.exists():
            misuse(f"{name} does not exist", _WORD)
        if not (path.is_dir() or path.is_file()):
            misuse(f"{name} is not a file that can be read twice", "write it to a file first")
    except (OSError, ValueError, RuntimeError) as error:
        misuse(f"{name!r} can't be read: {error}", _WORD)
    return inside


def _of_split(files: list[Path], splits: Sequence[str], interaction: Interaction) -> list[Path]:
    """Return the files of the first split that exists, or all files if none has a split; say which are left out."""
    each = ([one for one in files if split_of(one) == split] for split in splits)
    mine = next(filter(None, each), files) if len(files) > 1 else files
    if others := sorted(map(str, {*files} - {*mine})):
        interaction.say(
            clean_text(f"left out, because they belong to another split: {listed(others, 3)}")
        )
    return mine


def as_lines(  # noqa: PLR0913  each is of the training
    name: str,
    files: list[Path],
    place: Path,
    columns: dict[str, str],
    pythons: Iterable[str],
    interaction: Interaction = SILENT,
) -> Path:
    """Return the file itself if it is JSON Lines with known columns, else `place`, converted from the files."""
    try:
        _require_columns(name, files, columns, pythons)
        if len(files) == 1:
            rows = Good(files[0], columns, pythons)
            if rows.rows.opened.plain and not rows.columns:
                _judge(rows)
                return files[0]
        return _converted(files, place, columns, pythons, interaction)
    except BadRowError as error:
        misuse(str(error), f"{error.cure}; doctor data {shlex.quote(name)} lists all faults")
    except OSError as error:
        misuse(f"{place} can't be written: {error.strerror or error}", "set out to another folder")


def check_first_rows(name: str, columns: str, pythons: Iterable[str]) -> None:
    """Read the first rows of each file of data. Raises DoctorError if one can't be trained on."""
    files, named_ones = paths_of(name), columns_of(columns)
    with refusing(BadRowError, f"doctor data {shlex.quote(name)} lists all faults"):
        _require_columns(name, files, named_ones, pythons)
        for path in files:
            _judge(Good(path, named_ones, pythons))


def _require_columns(
    name: str, files: list[Path], columns: dict[str, str], pythons: Iterable[str]
) -> None:
    """Exit with 2 if no file has the requested columns."""
    if columns and all(Good(one, columns, pythons).columns != columns for one in files):
        misuse(*lacking(name, columns))


def _judge(rows: Good) -> None:
    """Read the first 1,000 rows, and more as long as that is quick."""
    end = time.monotonic() + _PATIENCE
    for count, _ in enumerate(rows):
        if count % 1000 == 999 and time.monotonic() > end:
            return


def _converted(
    files: list[Path],
    place: Path,
    columns: dict[str, str],
    pythons: Iterable[str],
    interaction: Interaction,
) -> Path:
    """Return a file converted from others; keep an existing one if the sources are unchanged."""
    with interaction.progress("reading") as one:
        one.watch([file.name for file in files])
        now = {"sources": {str(file): _sha256(file) for file in files}, "columns": columns}
        note, before = place.with_suffix(".json"), dict[str, Any]()
        with suppress(OSError, msgspec.MsgspecError):
            before = msgspec.json.decode(read_regular(note, 1 << 24), type=dict[str, Any])
        own = before.pop("sha256", "")
        if place.exists():
            if own != _sha256(place):
                way = "move it away, or set out to another folder"
                misuse(f"{place} was changed since doctor wrote it", way)
            if now == before:
                return place
        place.parent.mkdir(parents=True, exist_ok=True)
        made = write(place, files, columns, pythons)
        data = msgspec.json.encode({**now, "sha256": _sha256(place)})
        keep(note, data, 0o644, alone=False)
    for file in made:
        text = f"{many(file.count, 'row')} of {file.path}"
        if file.columns not in ({}, columns):
            guess = columns_text(file.columns)
            text += f", read as {guess}: this is a guess; --columns NAME=COLUMN,… sets others"
        interaction.say(f"{place} has {clean_text(text)}")
    return place


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def scratch() -> Path:
    """Return an empty folder that lasts as long as this process."""
    stack = ExitStack()
    atexit.register(stack.close)
    return Path(stack.enter_context(folder_of_run()))


def first_as_lines(name: str, most: int, pythons: Iterable[str]) -> str:
    """Return JSON Lines with the first rows of a file; the file itself if it is JSON Lines or plain text."""
    path = Path(name)
    if ending(path) not in ENDINGS and path.suffix not in (".gz", ".zst"):
        return name
    try:
        if open_file(path).plain:
            return name
        place = scratch() / "rows.jsonl"
        write(place, [path], {}, pythons, most)
    except BadRowError as error:
        misuse(str(error), error.cure)
    except OSError as error:
        misuse(f"{name} can't be read: {error.strerror or error}", _WORD)
    return str(place)
