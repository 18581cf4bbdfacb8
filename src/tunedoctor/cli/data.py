"""doctor data."""

import os
import sys
import time
from argparse import Namespace
from pathlib import Path

import msgspec

from tunedoctor.cli.models import check_folder, config_file, model_of
from tunedoctor.cli.options import aim, look, misuse, starting
from tunedoctor.cli.output import screen, write, write_or_exit
from tunedoctor.cli.progress import spinner
from tunedoctor.data import examine, survey
from tunedoctor.data.files import files_in, split_of
from tunedoctor.data.model import costs, count, described_by
from tunedoctor.data.repeats import Spool
from tunedoctor.data.report import Costs, Lengths, Report
from tunedoctor.diagnosis.redaction import public, this_identity
from tunedoctor.memory.fits import Device
from tunedoctor.memory.run import Run
from tunedoctor.memory.shape import MemoryModelError
from tunedoctor.probes.targeting import NO_TARGET
from tunedoctor.render import data as screens
from tunedoctor.render.screen import as_json


def command(given: Namespace) -> int:
    """Look at training data; returns the exit code: 0 clean, 1 there are errors."""
    began = time.perf_counter()
    if given.model:
        check_folder(given.model)
    if not (given.files or given.valid or given.test):
        misuse("doctor data wants a file or a folder", "doctor data --help lists the options")
    sources = _sources(given)
    python = _startable(given, sources)
    spool = Spool() if given.model else None
    size = sum(one.path.stat().st_size for one in sources)
    jobs = given.jobs or (min(os.cpu_count() or 1, 8) if size >= survey.ALONE else 1)
    pythons = (sys.executable, python) if python else (sys.executable,)
    with spinner("reading") as one:
        if all(source.path.suffix == ".jsonl" for source in sources):
            one.total = size  # as long as what is read of them
        rows = examine.Asked(given.near, bool(given.model))
        how = survey.Asked(rows, jobs, pythons, one.watch, one.came)
        found = survey.Survey(sources, how, spool)
        one.watch(["rows by the tokenizer"] if given.model else ["what was counted"])
        report = public(_report(given, found, python, began), this_identity())
    render = {"json": as_json, "html": screens.page}.get(given.format)
    text = render(report) if render else screens.render(report, screen())
    if given.output:
        write_or_exit(given.output, text, "name another file with -o")
    else:
        write(text)
    return 1 if report.verdict == "faults" else 0


def _sources(given: Namespace) -> list[survey.Source]:
    found: dict[str, survey.Source] = {}
    for names, split in ((given.files, ""), (given.valid, "valid"), (given.test, "test")):
        for name in names:
            for path in _paths(name):
                found[str(path)] = survey.Source(path, split_of(path, split))
    return list(found.values())


def _paths(name: str) -> list[Path]:
    try:
        path = Path(name).expanduser()
        inside = files_in(path) if path.is_dir() else [path]
        if not inside:
            misuse(f"{name} holds no .jsonl, .json, .csv, .tsv or .parquet file", "name the files")
        if not path.exists():
            misuse(f"{name} is not there", "name a file or a folder of data")
        if not (path.is_dir() or path.is_file()):
            misuse(f"{name} is no file that can be read twice", "write it to a file first")
    except (OSError, ValueError, RuntimeError) as error:
        misuse(f"{name!r} can't be read: {error}", "name a file or a folder of data")
    return inside


def _startable(given: Namespace, sources: list[survey.Source]) -> str:
    """Return the interpreter that may be started, "" where there is none.

    That is one that the user named, or the active one where --model asks for its tokenizer. What only stands in the
    folder is never started here.
    """
    place = aim(given.target, own=given.own)
    if place.problem and place.chosen_by == "--target":
        misuse(place.problem.rstrip("."), "--target names an interpreter or an environment")
    active = given.model and place.chosen_by in ("VIRTUAL_ENV", "CONDA_PREFIX")
    if not (active or place.chosen_by in ("--target", "--self")):
        return ""
    if given.model or any(one.path.suffix == ".parquet" for one in sources):
        starting(place)
    return place.python


def _report(given: Namespace, found: survey.Survey, python: str, began: float) -> Report:
    lengths, cost = found.lengths(given.seq), None
    if lengths is not None and found.spool is not None:
        lengths = _by_tokenizer(given, found, found.spool, python, lengths)
        cost = _costs(given, found, lengths)
    if lengths is not None and lengths.cut_rows and found.tallies:
        share = lengths.cut_tokens / max(lengths.tokens, 1)
        found.tallies[0].fault("too-long-for-seq", 0, f"{share:.1%} of all tokens are cut off")
        found.tallies[0].seen["too-long-for-seq"] = lengths.cut_rows
    faults, seen = found.faults(), found.total("seen")
    return Report(
        verdict="faults" if any(one.severity == "error" for one in faults) else "clean",
        rows=sum(one.rows for one in found.files),
        faulty=sum(one.faulty for one in found.files),
        files=tuple(found.files),
        faults=faults,
        roles=dict(found.total("orders").most_common(20)),
        duplicates=seen["duplicate"],
        near_duplicates=seen["near-duplicate"] if given.near else None,
        leaks=found.leak_rows(),
        lengths=lengths,
        costs=cost,
        notes=(*found.bounded(), *found.notes),
        seconds=time.perf_counter() - began,
    )


def _by_tokenizer(
    given: Namespace, found: survey.Survey, spool: Spool, python: str, estimate: Lengths
) -> Lengths:
    """Count with the model's tokenizer; where that can't be, keep the estimate and say why."""
    counted = count(python, given.model, spool) if python else "name the environment with --target"
    if isinstance(counted, str):
        lacks = "the target's tokenizer could not count, so lengths are an estimate"
        found.notes.append(f"{lacks}: {counted}")
        return estimate
    for index, why in counted.refused.items():
        _, file, row = spool.rows[int(index)]
        found.tallies[file].fault("template", msgspec.json.decode(row)[0], why)
    if not counted.template:
        found.notes.append("the model has no chat template: turns are counted one after the other")
    return described_by(counted, estimate, given.seq, whole=not spool.mask)


def _costs(given: Namespace, found: survey.Survey, lengths: Lengths) -> Costs | None:
    place, why = config_file(given.model), "the model has no config.json"
    if given.model != "-" and (place is None or place.is_file()):
        rows = sum(one.rows for one in found.files)
        train = sum(one.rows for one in found.files if one.split == "train")
        micro = min(given.batch, 4)
        run = Run(method=given.method, batch=micro, accum=max(1, given.batch // micro))
        try:
            shape = model_of(given.model)
            return costs(shape, run, _devices(given.gpu), lengths, (train, rows), given.epochs)
        except MemoryModelError as error:
            why = str(error)
    found.notes.append(f"steps, time and memory are not reckoned: {why}")
    return None


def _devices(name: str) -> tuple[Device, ...]:
    if name:
        from tunedoctor.cli.fit import named_card  # noqa: PLC0415

        return (named_card(name)[0],)
    from tunedoctor.cli.models import here  # noqa: PLC0415

    return here(look(NO_TARGET))[0][:1]
