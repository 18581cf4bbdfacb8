"""The rows of one file of any form, under the names that a row has here; and those that can be trained on."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from pathlib import Path

import msgspec

from tunedoctor.data.columns import LOOKED_AT, guess
from tunedoctor.data.files import NoReaderError, line_blocks, open_file, utf8_blocks
from tunedoctor.data.records import Element, elements, lines_of, records, table_rows
from tunedoctor.model.findings import Severity
from tunedoctor.tables.load import table
from tunedoctor.target.train_rows import Sample, faults_of, kind_of, renamed, sample_of


class Kind(msgspec.Struct, frozen=True):
    """A kind of fault: `what` follows a count of lines or rows, `one` a single place."""

    severity: Severity
    what: str
    cure: str
    one: str = ""


KINDS = msgspec.convert(table("data_faults")["kinds"], dict[str, Kind])


class BadRowError(ValueError):
    """A row that can't be trained on, or a file that can't be read (line 0)."""

    def __init__(self, file: str, line: int, kind: str, detail: str) -> None:
        where = f"{file} line {line}" if line else file
        why = KINDS[kind].one or kind
        super().__init__(f"{where}: {why}" + (f": {detail}" if detail else ""))
        self.cure = KINDS[kind].cure


class Rows:
    """A file that is read once, from its start to its end."""

    blocks: Iterable[tuple[bytes, int]] | None = None
    """Lines of JSON, with the number of the first; None where rows are no lines."""

    def __init__(self, path: Path, columns: Mapping[str, str], pythons: tuple[str, ...]) -> None:
        """Read as much as a guess of the columns needs. Raises OSError."""
        self.broken: list[str] = []
        """Why it ends early."""
        self.opened = open_file(path)
        kind, source = self.opened.kind, utf8_blocks(self.opened, self.broken.append)
        if kind == "jsonl":
            blocks = line_blocks(source)
            head = list(islice(blocks, 1))
            self.blocks = chain(head, blocks)
            looked = list(islice(_lines(head), LOOKED_AT))
        else:
            if kind in ("parquet", "arrow"):
                rows = table_rows(path, pythons)
            else:
                rows = records(source) if kind == "csv" else elements(source, self.broken.append)
            looked = list(islice(rows, LOOKED_AT))
            self._rows = chain(looked, rows)
        self.columns = dict(columns) or guess(one.value for one in looked)
        """Its columns by the names that they have here, where these differ."""

    def __iter__(self) -> Iterator[Element]:
        """Yield rows and damage, columns as they are. Raises OSError."""
        with self.opened.file:
            yield from self._rows if self.blocks is None else _lines(self.blocks)


def _lines(blocks: Iterable[tuple[bytes, int]]) -> Iterator[Element]:
    return (one for data, first in blocks for one in lines_of(data, first))


class Good(Iterable[tuple[int, dict[str, object], Sample]]):
    """The rows of a file that is to be trained on, each judged; with its line, and as it is learned.

    Raises BadRowError at the first that can't be, and where the file can't be read.
    """

    def __init__(self, path: Path, columns: Mapping[str, str], pythons: tuple[str, ...]) -> None:
        """Open the file."""
        self._name = str(path)
        try:
            self.rows = Rows(path, columns, pythons)
        except OSError as error:
            raise self._bad(error) from None

    def _bad(self, error: OSError) -> BadRowError:
        kind = error.fault if isinstance(error, NoReaderError) else "unreadable-file"
        return BadRowError(self._name, 0, kind, error.strerror or str(error))

    def __iter__(self) -> Iterator[tuple[int, dict[str, object], Sample]]:
        """Yield the rows."""
        count = 0
        try:
            for line, value, fault, detail in self.rows:
                if fault == "blank":
                    continue
                if fault and self.rows.broken:  # a row that is cut follows from it
                    break
                if fault:
                    raise BadRowError(self._name, line, fault, detail)
                row = renamed(value, self.rows.columns)
                if not isinstance(row, dict):
                    raise BadRowError(self._name, line, "no-object", kind_of(row))
                sample = sample_of(row)
                for kind, why in faults_of(sample, lenient=True):
                    raise BadRowError(self._name, line, kind, why)
                count += 1
                yield line, row, sample
        except OSError as error:
            raise self._bad(error) from None
        if self.rows.broken:
            raise BadRowError(self._name, 0, "ends-early", self.rows.broken[0])
        if not count:
            raise BadRowError(self._name, 0, "no-rows", "")
