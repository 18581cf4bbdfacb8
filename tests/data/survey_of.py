"""Files of bytes through the whole survey."""

from collections.abc import Iterator
from pathlib import Path

from tunedoctor.data import examine
from tunedoctor.data.elements import Element
from tunedoctor.data.report import DataFault
from tunedoctor.data.survey import Reader, Source, Survey, here


def no_parquet(path: Path) -> Iterator[Element]:
    what = f"{path} is not for this test"
    raise OSError(what)


def survey(*files: tuple[Path, str]) -> Survey:
    found = Survey([Source(*one) for one in files], examine.Asked(), None)
    found.read(Reader(here, no_parquet, lambda names: None))
    return found


def faults_of(path: Path, data: bytes) -> tuple[Survey, dict[str, DataFault]]:
    path.write_bytes(data)
    found = survey((path, "train"))
    return found, {one.kind: one for one in found.faults()}
