"""Diagnose many reports side by side on the processors, in the order of the files."""

import os
import time
from collections.abc import Generator, Sequence
from concurrent import futures
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

from tunedoctor.core.criteria import Criteria
from tunedoctor.core.errors import misuse
from tunedoctor.core.files import opened
from tunedoctor.core.interaction import Interaction
from tunedoctor.core.triage import diagnose_log
from tunedoctor.diagnosis.report import Report
from tunedoctor.facts.clean import clean_text
from tunedoctor.probes.resources import processors
from tunedoctor.readers.digest import from_stream
from tunedoctor.system import workers

CHUNK = 16
"""Files that a process gets at once: handing them over costs little compared with judging 16 reports."""
FEW = 8
"""Up to this many files are judged in this process: starting others would take longer."""


class TriagedFile(NamedTuple):
    """The result for one file."""

    file: str
    report: Report | None = None
    """None if the file could not be read or judged."""
    problem: str = ""
    """Why there is no report."""
    notes: tuple[str, ...] = ()
    """What the user should see, such as that facts in the file can't be read."""


class _Notes(Interaction):
    """Keeps what is said; a worker process has no terminal."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


_checks = cache(Criteria.checks)


def find_files(sources: Sequence[str]) -> list[str]:
    """Return the named files, and those in and below named folders, sorted by name; hidden ones are left out.

    Raises DoctorError if there are none.
    """
    found: list[str] = []
    for source in sources:
        if source == "-" or not Path(source).is_dir():
            found.append(source)
            continue
        for folder, folders, names in os.walk(source):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            inside = (Path(folder, name) for name in sorted(names) if not name.startswith("."))
            found += [str(file) for file in inside if file.is_file()]
    if not found:
        misuse(f"{', '.join(sources)} holds no files", "name a folder of reports")
    return found


def triage_files(files: Sequence[str], criteria: Criteria) -> Generator[TriagedFile]:
    """Yield the result for each file, in order; an error in one file is its result.

    Raises DoctorError for an unknown id in `criteria`. Closing the generator ends the worker processes.
    """
    _checks(criteria)  # an unknown id is reported here, not once for each process
    work = partial(_triage_file, criteria)
    if len(files) <= FEW or processors() < 2:
        yield from map(work, files)
        return
    done, count = 0, min(-(-len(files) // CHUNK), processors())
    while done < len(files):
        pool = futures.ProcessPoolExecutor(count, initializer=workers.begin)
        try:
            for result in pool.map(work, files[done:], chunksize=CHUNK):
                done += 1
                yield result
        except futures.BrokenExecutor:  # one process was killed, and its pool is lost
            for file in files[done : done + CHUNK]:
                done += 1
                yield _alone(criteria, file)
        finally:  # if the caller stops early, as for head, the other files are not waited for
            pool.shutdown(wait=done == len(files), cancel_futures=True)


def _alone(criteria: Criteria, file: str) -> TriagedFile:
    """Judge a file in its own process, which may be killed."""
    try:
        with futures.ProcessPoolExecutor(1, initializer=workers.begin) as pool:
            return pool.submit(_triage_file, criteria, file).result()
    except futures.BrokenExecutor:
        return TriagedFile(clean_text(file), problem="the process that read it was killed")


def _triage_file(criteria: Criteria, path: str) -> TriagedFile:
    began, file, notes = time.perf_counter(), clean_text(path), _Notes()
    problem, report = "", None
    try:
        with opened(path) as stream:
            log = from_stream(stream)
        report = diagnose_log(
            log, criteria, _checks(criteria), file=file, began=began, interaction=notes
        ).report
    except OSError as error:
        problem = f"can't be read: {error.strerror or error}"
    except Exception as error:  # noqa: BLE001  one file does not end the others
        problem = f"could not be judged: {type(error).__name__}: {error}"[:300]
    return TriagedFile(file, report, problem, tuple(notes.said))
