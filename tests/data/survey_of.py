"""Files of bytes through the whole survey."""

from pathlib import Path

from tunedoctor.data.report import DataFault
from tunedoctor.data.survey import Asked, Source, Survey


def survey(*files: tuple[Path, str]) -> Survey:
    return Survey([Source(*one) for one in files], Asked())


def faults_of(path: Path, data: bytes) -> tuple[Survey, dict[str, DataFault]]:
    path.write_bytes(data)
    found = survey((path, "train"))
    return found, {one.kind: one for one in found.faults()}
