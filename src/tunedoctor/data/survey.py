"""All files, part by part, into one report."""

import multiprocessing
import multiprocessing.pool
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tunedoctor.data import examine
from tunedoctor.data.examine import SHOWN, Mark, Tally, rules_for
from tunedoctor.data.repeats import Digests, RowPlace, Sketches, Spool
from tunedoctor.data.report import DataFault, DataFile, Leak, LeakKind, Lengths, Spot, described
from tunedoctor.data.rows import KINDS, Rows, unread
from tunedoctor.system import workers

_ORDER = {"error": 0, "warning": 1, "note": 2}
_MANY_PAIRS, _BIASED, _TIMES_LONGER = 100, 0.8, 1.3
"""A length bias: of at least this many pairs, in this share one side is longer, by this factor overall."""
_REPEATS: dict[LeakKind, tuple[str, str]] = {
    "same row": ("duplicate", "leak"),
    "much alike": ("near-duplicate", "near-leak"),
    "same prompt": ("", "leaked-prompt"),
}
"""The faults that a repeat is: within a split, and of another one's row."""
ALONE = 16 << 20
"""Bytes below which starting processes costs more than it saves."""
PART = 1000
"""Rows of a part, where rows are not lines."""


class DataSource(NamedTuple):
    """A file to read."""

    path: Path
    split: str


class SurveyOptions(NamedTuple):
    """Options for reading data: what to look for in rows, and with how many processes."""

    rows: examine.RowOptions = examine.RowOptions()
    jobs: int = 1
    """Processes that examine JSON Lines."""
    pythons: Iterable[str] = ()
    watch: Callable[[list[str]], None] = lambda _: None
    """Takes the name of the file that is being read."""
    came: Callable[[int], None] = lambda _: None
    """Takes the size in bytes of each block of lines that was read."""


class SoundRow(NamedTuple):
    """A sound row: number of its file, line, form and turns."""

    file: int
    line: int
    form: str
    turns: list[tuple[str, str]]


class Survey:
    """The results over all files, in bounded memory: counts, tables of repeats, and a spool of samples."""

    def __init__(
        self, sources: list[DataSource], asked: SurveyOptions, spool: Spool | None = None
    ) -> None:
        self.sources = sources
        self.asked = asked
        self.spool = spool
        self.files: list[DataFile] = []
        self.tallies: list[Tally] = []
        self.notes: list[str] = []
        self.shown: list[SoundRow] = []
        self._leaks: Counter[tuple[LeakKind, str, str]] = Counter()
        self._rows = Digests()
        self._prompts = Digests()
        self._pairs = Digests()
        self._sketches = Sketches()
        splits = {one.split for one in sources}
        self._several = len(splits) > 1
        self._showing = "train" if "train" in splits else min(splits, default="")
        for number, source in enumerate(sources):
            asked.watch([source.path.name])
            self._file(number, source)

    def _file(self, number: int, source: DataSource) -> None:
        whole, columns = Tally(), self.asked.rows.columns
        kind, encoding, size = "unknown", "unknown", 0
        try:
            size = source.path.stat().st_size
            rows = Rows(source.path, columns, self.asked.pythons)
            opened, kind, encoding = rows.opened, rows.opened.kind, rows.opened.encoding
            columns = rows.columns
            if encoding != "utf-8":
                whole.fault("not-utf8-file", 0, encoding)
            elif opened.mark and kind != "csv":  # readers of CSV skip it, and Excel writes it
                whole.fault("byte-order-mark", 0)
            with opened.file:
                for part in _parts(rows, self.asked):
                    self._compare(number, part)
                    room = (SHOWN - len(self.shown)) * (source.split == self._showing)
                    self.shown += [SoundRow(number, *one) for one in part.shown[:room]]
                    if self.spool is not None:
                        self.spool.add(number, part.samples)
                    whole.merge(part)
        except OSError as error:
            fault, why = unread(error)
            whole.fault(fault, 0, why)
        else:
            if not whole.rows and not whole.unreadable:
                whole.fault("no-rows", 0, "the file is empty" if not size else "")
        if whole.seen["not-utf8"]:
            encoding = "not UTF-8"
        counts = ("lines", "unreadable", "rows", "faulty")
        file = DataFile(
            name=str(source.path),
            split=source.split,
            format=kind,
            encoding=encoding,
            size=size,
            blank=whole.seen["blank"],
            forms=dict(whole.forms.most_common()),
            columns=dict(whole.columns.most_common(50)),
            read_as=columns,
            guessed=bool(columns) and columns != self.asked.rows.columns,
            **{one: getattr(whole, one) for one in counts},
        )
        self.files.append(file)
        self.tallies.append(whole)

    def _compare(self, file: int, part: Tally) -> None:
        mine = self.sources[file].split
        for mark in part.marks:
            if mark.pair:
                self._compare_pair(file, part, mark)
            before, kind = self._earlier(file, mark)
            if before is None:
                continue
            source, (fault, leak) = self.sources[before.file], _REPEATS[kind]
            where = f"{source.path.name} " if before.file != file else ""
            if mine != source.split:
                part.fault(leak, mark.line, f"as {where}line {before.line} of {source.split}")
                self._leaks[kind, source.split, mine] += 1
            elif fault:
                part.fault(fault, mark.line, f"as {where}line {before.line}")

    def _compare_pair(self, file: int, part: Tally, mark: Mark) -> None:
        """Report a pair whose answers an earlier one has the other way round."""
        before = self._pairs.get(mark.opposite) if mark.opposite != mark.pair else None
        if before is not None:
            where = f"{self.sources[before.file].path.name} " if before.file != file else ""
            part.fault("opposite-pair", mark.line, f"as {where}line {before.line}")
        self._pairs.first(mark.pair, file, mark.line)

    def _earlier(self, file: int, mark: Mark) -> tuple[RowPlace | None, LeakKind]:
        if before := self._rows.first(mark.digest, file, mark.line):
            return before, "same row"
        if mark.sketch and (before := self._sketches.like(mark.sketch, file, mark.line)):
            return before, "much alike"
        asks = self._several and mark.prompt
        return self._prompts.first(mark.prompt, file, mark.line) if asks else None, "same prompt"

    def faults(self) -> tuple[DataFault, ...]:
        """Return all faults, errors first, each with its places."""
        forms = self.total("forms")
        forms.pop("unknown", None)
        if len(forms) > 1 and "mixed-forms" not in self.tallies[0].seen:
            names = ", ".join(f"{name} {n}" for name, n in forms.most_common(6))
            self.tallies[0].fault("mixed-forms", 0, names)
        if bias := self._length_bias():
            self.tallies[0].fault("length-bias", 0, bias)
        found = [self._fault(*one) for one in self.total("seen").items()]
        return tuple(sorted(found, key=lambda one: (_ORDER[one.severity], -one.count)))

    def _length_bias(self) -> str:
        """Return by how much the answers of one side are longer; "" if there is no bias, or it was reported."""
        names = ("pairs", "longer", "shorter", "chosen", "rejected")
        pairs, longer, shorter, chosen, rejected = (
            sum(getattr(one, name) for one in self.tallies) for name in names
        )
        if pairs < _MANY_PAIRS or "length-bias" in self.tallies[0].seen:
            return ""
        sides = (("chosen", longer, chosen, rejected), ("rejected", shorter, rejected, chosen))
        for side, count, mine, other in sides:
            if count >= _BIASED * pairs and mine >= _TIMES_LONGER * max(1, other):
                share, times = f"{count / pairs:.0%} of {pairs:,} pairs", mine / max(1, other)
                return (
                    f"the {side} answer is longer in {share}, {times:.1f} times as long on average"
                )
        return ""

    def _fault(self, kind: str, count: int) -> DataFault:
        files = zip(self.sources, self.tallies, strict=True)
        held = ((str(source.path), sorted(tally.places.get(kind, ()))) for source, tally in files)
        spots = tuple(Spot(path, *one) for path, lines in held for one in lines)
        one = KINDS[kind]
        return DataFault(kind, one.severity, one.what, count, one.cure, spots)

    def total(self, name: str) -> "Counter[Any]":
        """Return a count over all files: seen, forms, columns, orders or lengths."""
        found: Counter[Any] = Counter()
        for tally in self.tallies:
            found.update(getattr(tally, name))
        return found

    def leak_rows(self) -> tuple[Leak, ...]:
        """Return leaks by kind and splits."""
        return tuple(Leak(kind, (a, b), n) for (kind, a, b), n in self._leaks.most_common())

    def lengths(self, seq: int) -> Lengths | None:
        """Return the estimated lengths; None if no row has any."""
        counts = self.total("lengths")
        tokens, learned = (sum(getattr(t, x) for t in self.tallies) for x in ("tokens", "learned"))
        return described(counts, tokens, learned, seq) if counts else None

    def bounded(self) -> list[str]:
        """Return what the bounds of memory left out."""
        least, last = self._rows.held, len(self._sketches)
        among = "repeats are looked for among the"
        full = self._rows.full or self._prompts.full
        notes = [f"{among} first {least:,} different rows"] * full
        return notes + [f"near {among} last {last:,} rows"] * (self._sketches.rows > last)


def _parts(rows: Rows, asked: SurveyOptions) -> Iterator[Tally]:
    """Yield the results of the parts of a file, in order. Raises OSError."""
    asked = asked._replace(rows=asked.rows._replace(columns=rows.columns))
    if rows.blocks is not None:
        yield from _examined(rows.blocks, asked)
    else:
        elements = iter(rows)
        while part := list(islice(elements, PART)):
            rules = rules_for(_bytes([one.value for one in part if one.value is not None]))
            yield examine.part(part, rules, asked.rows)
    last = Tally()
    for why in rows.broken:
        last.fault("ends-early", 0, why)
    yield last


def _examined(blocks: Iterable[tuple[bytes, int]], asked: SurveyOptions) -> Iterator[Tally]:
    """Examine blocks of lines, in order, in child processes; this process compares the rows."""
    if asked.jobs < 2:
        for data, first in blocks:
            asked.came(len(data))
            yield examine.block(data, first, asked.rows)
        return
    with multiprocessing.get_context("spawn").Pool(asked.jobs, workers.begin) as pool:
        waiting: deque[multiprocessing.pool.AsyncResult[Tally]] = deque()
        for data, first in blocks:
            asked.came(len(data))
            waiting.append(pool.apply_async(examine.block, (data, first, asked.rows)))
            if len(waiting) > 2 * asked.jobs:
                yield waiting.popleft().get()
        while waiting:
            yield waiting.popleft().get()


def _bytes(values: list[object]) -> bytes:
    try:
        return msgspec.json.encode(values)
    except (ValueError, TypeError, RecursionError, UnicodeError):
        return repr(values).encode("utf-8", "replace")
