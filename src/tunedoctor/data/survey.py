"""All files, part by part, into one report."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from tunedoctor.data import examine, lengths
from tunedoctor.data.faults import KINDS
from tunedoctor.data.parquet import NoPyarrowError
from tunedoctor.data.reading import Parquet, Workers, open_file, parts
from tunedoctor.data.repeats import Digests, Sketches
from tunedoctor.data.report import Bar, DataFault, DataFile, Leak, Lengths, Spot
from tunedoctor.data.spool import Spool
from tunedoctor.data.tally import Mark, Tally

_ORDER = {"error": 0, "warning": 1, "note": 2}


class Source(NamedTuple):
    """A file to read."""

    path: Path
    split: str


class Reader(NamedTuple):
    """What reading needs from outside: workers for lines, and what reads Parquet."""

    workers: Workers
    parquet: Parquet
    watch: Callable[[list[str]], None]
    """Takes the name of the file that is being read."""


def here(blocks: Iterable[tuple[bytes, int]], asked: examine.Asked) -> Iterator[Tally]:
    """Examine blocks in this process."""
    for data, first in blocks:
        yield examine.block(data, first, asked)


class Survey:
    """What all files hold. Memory stays bounded: counts, tables of repeats, and a spool of samples."""

    def __init__(self, sources: list[Source], asked: examine.Asked, spool: Spool | None) -> None:
        self.sources = sources
        self.asked = asked
        self.spool = spool
        self.files: list[DataFile] = []
        self.tallies: list[Tally] = []
        self.leaks: Counter[tuple[str, str, str]] = Counter()
        self._rows = Digests()
        self._prompts = Digests()
        self._sketches = Sketches()
        self._several = len({one.split for one in sources}) > 1

    def read(self, reader: Reader) -> None:
        """Read every file; one that can't be read is a fault, and the others go on."""
        for number, source in enumerate(self.sources):
            reader.watch([source.path.name])
            self._file(number, source, reader)

    def _file(self, number: int, source: Source, reader: Reader) -> None:
        """Read one file."""
        whole = Tally()
        kind, name, size = "unknown", "unknown", 0
        try:
            size = source.path.stat().st_size
            opened = open_file(source.path)
            kind, name = opened.kind, opened.encoding.name
            if opened.encoding.name != "utf-8":
                whole.fault("not-utf8-file", 0, name)
            elif opened.encoding.mark:
                whole.fault("byte-order-mark", 0)
            with opened.file:
                for part in parts(source.path, opened, self.asked, reader.workers, reader.parquet):
                    self._compare(number, part)
                    if self.spool is not None:
                        self.spool.add(number, part.samples)
                    whole.merge(part)
        except NoPyarrowError as error:
            whole.fault("no-pyarrow", 0, str(error))
        except OSError as error:
            whole.fault("unreadable-file", 0, error.strerror or str(error))
        else:
            if not whole.rows and not whole.unreadable:
                whole.fault("no-rows", 0, "the file is empty" if not size else "")
        self.files.append(_file(source, whole, kind, name, size))
        self.tallies.append(whole)

    def _compare(self, file: int, part: Tally) -> None:
        """Compare rows with all before them."""
        for mark in part.marks:
            before = self._rows.first(mark.digest, file, mark.line)
            if before is not None:
                kind, leak = "duplicate", "leak"
            elif (
                mark.sketch
                and (before := self._sketches.like(mark.sketch, file, mark.line)) is not None
            ):
                kind, leak = "near-duplicate", "near-leak"
            else:
                if self._several and mark.prompt:
                    self._same_prompt(file, mark, part)
                continue
            where = f"{self.sources[before.file].path.name} " if before.file != file else ""
            mine, other = self.sources[file].split, self.sources[before.file].split
            if mine != other:
                part.fault(leak, mark.line, f"as {where}line {before.line} of {other}")
                self.leaks["same row" if leak == "leak" else "much alike", other, mine] += 1
            else:
                part.fault(kind, mark.line, f"as {where}line {before.line}")

    def _same_prompt(self, file: int, mark: Mark, part: Tally) -> None:
        before = self._prompts.first(mark.prompt, file, mark.line)
        if before is not None:
            mine, other = self.sources[file].split, self.sources[before.file].split
            if mine != other:
                name = self.sources[before.file].path.name
                part.fault("leaked-prompt", mark.line, f"as {name} line {before.line} of {other}")
                self.leaks["same prompt", other, mine] += 1

    def faults(self) -> tuple[DataFault, ...]:
        """Return all faults, errors first, each with its places."""
        self._mixed()
        found: dict[str, tuple[int, list[Spot]]] = {}
        for source, tally in zip(self.sources, self.tallies, strict=True):
            for kind, places in tally.seen.items():
                count, spots = found.get(kind, (0, []))
                spots += [Spot(str(source.path), n, text) for n, text in sorted(places.lines)]
                found[kind] = (count + places.count, spots)
            if tally.blank:
                count, spots = found.get("blank", (0, []))
                found["blank"] = (count + tally.blank, spots)
        return tuple(
            DataFault(
                kind, KINDS[kind].severity, KINDS[kind].what, count, KINDS[kind].cure, tuple(spots)
            )
            for kind, (count, spots) in sorted(
                found.items(), key=lambda item: (_ORDER[KINDS[item[0]].severity], -item[1][0])
            )
        )

    def _mixed(self) -> None:
        forms = self.total("forms")
        forms.pop("unknown", None)
        if len(forms) > 1 and self.tallies and "mixed-forms" not in self.tallies[0].seen:
            names = ", ".join(f"{name} {n}" for name, n in forms.most_common(6))
            self.tallies[0].fault("mixed-forms", 0, names)

    def total(self, name: str) -> "Counter[str]":
        """Return a count over all files: forms, columns or orders."""
        found: Counter[str] = Counter()
        for tally in self.tallies:
            found.update(getattr(tally, name))
        return found

    def count(self, kind: str) -> int:
        """Return how often a kind of fault was seen."""
        return sum(tally.seen[kind].count for tally in self.tallies if kind in tally.seen)

    def leak_rows(self) -> tuple[Leak, ...]:
        """Return leaks by kind and splits."""
        return tuple(
            Leak(kind, (first, second), n)  # type: ignore[arg-type]  # the three kinds above
            for (kind, first, second), n in self.leaks.most_common()
        )

    def bounded(self) -> tuple[str, ...]:
        """Return what the bounds of memory left out."""
        notes: list[str] = []
        if self._rows.full or self._prompts.full:
            notes.append(
                f"repeats are looked for among the first {self._rows.held:,} different rows"
            )
        if self._sketches.rows > len(self._sketches):
            notes.append(f"near repeats are looked for among the last {len(self._sketches):,} rows")
        return tuple(notes)


def estimated(tallies: Iterable[Tally], seq: int | None) -> Lengths | None:
    """Return the lengths by estimate; None where no row has any."""
    counts: Counter[int] = Counter()
    tokens = learned = 0
    for tally in tallies:
        counts.update(tally.lengths)
        tokens += tally.tokens
        learned += tally.learned
    return described(counts, tokens, learned, seq) if counts else None


def described(counts: "Counter[int]", tokens: int, learned: int, seq: int | None) -> Lengths:
    """Return a histogram as a report has it."""
    cut_rows, cut_tokens = lengths.cut_by(counts, seq) if seq else (0, 0)
    return Lengths(
        by="estimate",
        counted=sum(counts.values()),
        tokens=tokens,
        learned=learned,
        masked_share=1 - learned / tokens if tokens else 0.0,
        shortest=min(counts),
        median=lengths.quantile(counts, 0.5),
        p90=lengths.quantile(counts, 0.9),
        p99=lengths.quantile(counts, 0.99),
        longest=max(counts),
        seq=seq,
        cut_rows=cut_rows,
        cut_tokens=cut_tokens,
        nothing_left=None,
        bars=tuple(Bar(*one) for one in lengths.bins(counts)),
    )


def _file(source: Source, tally: Tally, kind: str, encoding: str, size: int) -> DataFile:
    return DataFile(
        name=str(source.path),
        split=source.split,
        format=kind,
        encoding=encoding,
        size=size,
        lines=tally.lines,
        blank=tally.blank,
        unreadable=tally.unreadable,
        rows=tally.rows,
        faulty=tally.faulty,
        forms=dict(tally.forms.most_common()),
        columns=dict(tally.columns.most_common(50)),
    )
