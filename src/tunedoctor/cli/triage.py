"""doctor triage: one report, or a line for each of many, side by side on the processors, in the order of the files."""

import gc
import os
import sys
import time
from collections import Counter
from collections.abc import Generator, Sequence
from concurrent import futures
from functools import cache, partial
from pathlib import Path

from tunedoctor.cli.command_options import TriageOptions
from tunedoctor.cli.formats import outputs_of, tell
from tunedoctor.cli.options import TERMINAL, Options, aim, look
from tunedoctor.cli.output import write
from tunedoctor.core.check import judge
from tunedoctor.core.criteria import Criteria
from tunedoctor.core.errors import misuse
from tunedoctor.core.files import opened, read_log
from tunedoctor.facts.clean import clean_text
from tunedoctor.model.snapshot import SnapshotError
from tunedoctor.probes.resources import processors
from tunedoctor.readers.digest import from_stream
from tunedoctor.readers.merge import joined
from tunedoctor.readers.read import read_report
from tunedoctor.render.screen import as_line
from tunedoctor.system import workers

CHUNK = 16
"""Files that a process is handed at once: what handing over costs is small beside 16 reports."""
FEW = 8
"""As many files are read here: starting processes would take longer."""
Row = tuple[str, str]
"""What came of one file: ready, findings or unknown, "" where there is no report; and what is printed."""
_checks = cache(Criteria.checks)


def run_triage(given: TriageOptions) -> int:
    """Diagnose pasted reports; returns the exit code."""
    check_combinations(given)
    first, *more = given.files
    outputs = outputs_of("triage", given.output, given.report)
    # a policy is about the machines of the folder, not about those that people report of
    options = Options.of(given)
    criteria = options.criteria.without_policy()._replace(shared=not given.keep_host)
    options = options._replace(criteria=criteria, outputs=outputs)
    began = time.perf_counter()
    if more or Path(first).is_dir():
        if given.here:
            misuse("--here is for one report", "name the one that this machine printed")
        return triage_many(options, given.files)
    log = read_log(first)
    snapshot = read_report(log.text, log.numbers, _unread)
    if given.here:
        snapshot, left_out = joined(snapshot, look(aim(given.target, own=given.own)))
        for why in left_out:
            TERMINAL.say(why)
    return tell(judge(snapshot, criteria, began=began), options, snapshot)


def _unread(_: object, error: Exception, where: str = "") -> None:
    """Say that facts in a text could not be read as they are; failures of readers are not mentioned."""
    if isinstance(error, SnapshotError):
        text = clean_text(f"doctor: the facts that doctor wrote{where} can't be read: {error}")
        sys.stderr.write(f"{' '.join(text.split())}; reading them as ordinary text\n")


def triage_many(options: Options, sources: Sequence[str]) -> int:
    """Print a row for each file. Return 1 if one has findings, else 2 if one could not be decided, else 0."""
    if options.format not in ("terminal", "jsonl") or options.outputs:
        what = "--output" if options.outputs else f"--format {options.format}"
        misuse(f"{what} is for one report", "--format jsonl gives each in one line")
    gc.enable()  # main turns it off for short runs
    files = files_of(sources)
    options.criteria.checks()  # an unknown id is reported here, not once for each process
    began = time.perf_counter()
    count: Counter[str] = Counter()
    for verdict, text in _rows(options, files):
        count[verdict] += 1
        write(text)
    if options.format == "terminal":
        not_read = f", {count['']} not read" if count[""] else ""
        write(
            f"{len(files)} reports: {count['findings']} with findings, {count['ready']} ready, "
            f"{count['unknown']} cannot be told{not_read}   {time.perf_counter() - began:.1f} s\n"
        )
    if count["findings"]:
        return 1
    return 2 if count["unknown"] or count[""] else 0


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
    work = partial(_judged, options)
    if len(files) <= FEW or processors() < 2:
        yield from map(work, files)
        return
    done, count = 0, min(-(-len(files) // CHUNK), processors())
    while done < len(files):
        pool = futures.ProcessPoolExecutor(count, initializer=workers.begin)
        try:
            for row in pool.map(work, files[done:], chunksize=CHUNK):
                done += 1
                yield row
        except futures.BrokenExecutor:  # one process was killed, and its pool is lost
            for file in files[done : done + CHUNK]:
                done += 1
                yield _alone(options, file)
        finally:  # who went away, as head does, waits for no other rows
            pool.shutdown(wait=done == len(files), cancel_futures=True)


def _alone(options: Options, file: str) -> Row:
    try:
        with futures.ProcessPoolExecutor(1, initializer=workers.begin) as pool:
            return pool.submit(_judged, options, file).result()
    except futures.BrokenExecutor:
        return _problem(options, file, "the process that read it was killed")


def _judged(options: Options, path: str) -> Row:
    """Return the row of a file; what goes wrong with it is its row."""
    began, file = time.perf_counter(), clean_text(path)
    try:
        with opened(path) as stream:
            log = from_stream(stream)
        snapshot = read_report(log.text, log.numbers, partial(_unread, where=f" of {file}"))
        report = judge(snapshot, options.criteria, _checks(options.criteria), began=began)
    except OSError as error:
        return _problem(options, file, f"can't be read: {error.strerror or error}")
    except Exception as error:  # noqa: BLE001  one file does not end the others
        why = f"could not be judged: {type(error).__name__}: {error}"[:300]
        return _problem(options, file, why)
    if options.format == "jsonl":
        return report.verdict, as_line(report, file=file)
    first = "".join(f"  {one.id}  {one.title}" for one in report.findings[:1])
    return report.verdict, f"{file}  {report.verdict}{first}\n"


def _problem(options: Options, file: str, problem: str) -> Row:
    as_json = options.format == "jsonl"
    return "", as_line({}, file=file, problem=problem) if as_json else f"{file}  {problem}\n"


def check_combinations(options: TriageOptions) -> None:
    """Exit with 2 if options contradict each other or one lacks another."""
    if (options.target or options.own) and not options.here:
        misuse("--target is an environment of this machine", "add --here to look at it too")
