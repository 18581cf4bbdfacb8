"""doctor triage of many files: side by side on the processors, a line for each in the order of the files."""

import gc
import os
import sys
import time
from collections import Counter, deque
from collections.abc import Generator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tunedoctor.clean import clean_text
from tunedoctor.cli.options import Options, misuse
from tunedoctor.cli.output import report_for, write
from tunedoctor.cli.read import opened
from tunedoctor.findings import Check
from tunedoctor.readers.digest import from_stream
from tunedoctor.readers.read import read_report
from tunedoctor.render.json import line, problem_line

CHUNK = 16
"""Files that a process is handed at once: what handing over costs is small beside 16 reports."""
FEW = 8
"""As many files are read here: starting processes would take longer."""


class Row(NamedTuple):
    """What came of one file."""

    file: str
    verdict: str
    """ready, findings or unknown; "" where there is no report."""
    first: str
    """Id of the first cause, "" without one."""
    title: str
    json: str
    """Its line, where lines of JSON are asked for."""
    problem: str = ""
    """Why there is no report."""


def triage_many(options: Options, sources: Sequence[str]) -> int:
    """Print a row for each file. Returns 1 where one has findings, else 2 where one could not be told, else 0."""
    if options.format == "json":
        misuse("--format json is for one report", "--format jsonl gives each in one line")
    gc.enable()  # main turns it off for short runs
    files = files_of(sources)
    options.checks()  # exits here on an unknown id, not once for each process
    began = time.perf_counter()
    counted: Counter[str] = Counter()
    for row in _rows(options, files):
        counted[row.verdict] += 1
        write(row.json or _brief(row))
    if options.format == "terminal":
        seconds = time.perf_counter() - began
        problems = f", {counted['']} not read" if counted[""] else ""
        write(
            f"{len(files)} reports: {counted['findings']} with findings, {counted['ready']} ready, "
            f"{counted['unknown']} cannot be told{problems}   {seconds:.1f} s\n"
        )
    if counted["findings"]:
        return 1
    return 2 if counted["unknown"] or counted[""] else 0


def files_of(sources: Sequence[str]) -> list[str]:
    """Return the files that are named, and those in named folders and below, by name; hidden ones are left out."""
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


def _rows(options: Options, files: list[str]) -> Generator[Row]:
    chunks = [files[at : at + CHUNK] for at in range(0, len(files), CHUNK)]
    processes = min(len(chunks), _processors())
    if len(files) <= FEW or processes < 2:
        for file in files:
            yield from judged(options, [file])
        return
    from concurrent.futures import Future, ProcessPoolExecutor  # noqa: PLC0415  for many files alone
    from concurrent.futures.process import BrokenProcessPool  # noqa: PLC0415

    work = partial(judged, options)
    waiting: deque[tuple[list[str], Future[list[Row]]]] = deque()
    pool = ProcessPoolExecutor(processes, initializer=_quiet)
    try:
        while chunks or waiting:
            while chunks and len(waiting) < 4 * processes:
                waiting.append((chunks[0], pool.submit(work, chunks.pop(0))))
            chunk, future = waiting.popleft()
            try:
                yield from future.result()
            except BrokenProcessPool:
                # one process was killed, and its pool is lost: what was under way begins again, one by one
                again = [chunk, *(other for other, _ in waiting)]
                waiting.clear()
                pool.shutdown(wait=False, cancel_futures=True)
                pool = ProcessPoolExecutor(processes, initializer=_quiet)
                for file in (file for part in again for file in part):
                    yield _alone(work, file)
        # all is done, so it costs nothing; without waiting the end of Python races with that of the pool
        pool.shutdown()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _alone(work: "partial[list[Row]]", file: str) -> Row:
    """Judge one file in a process of its own."""
    from concurrent.futures import ProcessPoolExecutor  # noqa: PLC0415
    from concurrent.futures.process import BrokenProcessPool  # noqa: PLC0415

    with ProcessPoolExecutor(1, initializer=_quiet) as pool:
        try:
            return pool.submit(work, [file]).result()[0]
        except BrokenProcessPool:
            return _problem(work.args[0], file, "the process that read it was killed")


def judged(options: Options, files: list[str]) -> list[Row]:
    """Return the rows of these files; what goes wrong with one is its row."""
    checks = options.checks()
    return [_judged(options, checks, file) for file in files]


def _judged(options: Options, checks: tuple[Check, ...], path: str) -> Row:
    began, file, as_json = time.perf_counter(), clean_text(path), options.format == "jsonl"
    try:
        with opened(path) as stream:
            log = from_stream(stream)
        snapshot = read_report(log.text, log.numbers)
        report = report_for(snapshot, options, checks, began)
    except OSError as error:
        return _problem(options, file, f"can't be read: {error.strerror or error}")
    except Exception as error:  # noqa: BLE001  one file does not end the others
        why = f"could not be judged: {type(error).__name__}: {error}"[:300]
        return _problem(options, file, why)
    whole = line(report, file) if as_json else ""
    first = report.findings[0] if report.findings else None
    return Row(file, report.verdict, first.id if first else "", first.title if first else "", whole)


def _problem(options: Options, file: str, problem: str) -> Row:
    whole = problem_line(file, problem) if options.format == "jsonl" else ""
    return Row(file, "", "", "", whole, problem)


def _brief(row: Row) -> str:
    if row.problem:
        return f"{row.file}  {row.problem}\n"
    cause = f"  {row.first}  {row.title}" if row.first else ""
    return f"{row.file}  {row.verdict}{cause}\n"


def _processors() -> int:
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quiet() -> None:
    """Leave Ctrl-C to the process that prints, and let a SIGTERM end this one plainly."""
    import signal  # noqa: PLC0415

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
