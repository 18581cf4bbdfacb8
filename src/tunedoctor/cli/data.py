"""doctor data."""

import os
import sys
import time
from argparse import Namespace
from pathlib import Path
from typing import NamedTuple

import msgspec

from tunedoctor.cli.files import write_or_exit
from tunedoctor.cli.options import misuse
from tunedoctor.cli.output import write
from tunedoctor.cli.progress import spinner
from tunedoctor.data import examine, survey
from tunedoctor.data.files import files_in, split_of
from tunedoctor.data.lengths import estimated
from tunedoctor.data.model import costs, count, described_by
from tunedoctor.data.repeats import Spool
from tunedoctor.data.report import Costs, Lengths, Report
from tunedoctor.memory.fits import Device
from tunedoctor.memory.run import Run
from tunedoctor.memory.shape import MemoryModelError
from tunedoctor.redaction import public, this_identity

_HELP = "doctor data --help lists the options"


class Asked(NamedTuple):
    """What the command line says."""

    files: tuple[str, ...]
    valid: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    model: str = ""
    seq: int = 0
    method: str = "lora"
    batch: int = 16
    epochs: float = 1.0
    gpu: str = ""
    near: bool = True
    jobs: int = 0
    target: str | None = None
    own: bool = False


def command(given: Namespace) -> int:
    """Look at training data; returns the exit code: 0 clean, 1 there are errors."""
    began = time.perf_counter()
    asked = Asked(*(getattr(given, name) for name in Asked._fields))
    _check(asked)
    sources = _sources(asked)
    asked = _startable(asked, sources)
    sampled = 0 if asked.model else -1
    spool = Spool() if asked.model else None
    size = sum(one.path.stat().st_size for one in sources)
    jobs = asked.jobs or (min(os.cpu_count() or 1, 8) if size >= survey.ALONE else 1)
    pythons = tuple(filter(None, (sys.executable, asked.target)))
    with spinner() as one:
        how = survey.Asked(examine.Asked(asked.near, sampled), jobs, pythons, one.watch)
        found = survey.Survey(sources, how, spool)
        one.watch(["the tokenizer"] if asked.model else ["the report"])
        report = _report(asked, found, spool, began)
    _show(report, given.format, given.output)
    return 1 if report.verdict == "faults" else 0


def _check(asked: Asked) -> None:
    if not 0 < asked.epochs <= 10_000:
        misuse(f"--epochs is {asked.epochs}", "choose a number above 0")
    if asked.model:
        from tunedoctor.cli.models import check_folder  # noqa: PLC0415

        check_folder(asked.model)
    if not (asked.files or asked.valid or asked.test):
        misuse("doctor data wants a file or a folder", _HELP)


def _sources(asked: Asked) -> list[survey.Source]:
    found: dict[str, survey.Source] = {}
    for names, split in ((asked.files, ""), (asked.valid, "valid"), (asked.test, "test")):
        for name in names:
            for path in _paths(name):
                found[str(path)] = survey.Source(path, split_of(path, split))
    return list(found.values())


def _paths(name: str) -> list[Path]:
    try:
        path = Path(name).expanduser()
        if path.is_dir():
            inside = files_in(path)
            if not inside:
                misuse(
                    f"{name} holds no .jsonl, .json, .csv, .tsv or .parquet file",
                    "name the files",
                )
            return inside
        if not path.exists():
            misuse(f"{name} is not there", "name a file or a folder of data")
        if not path.is_file():
            misuse(f"{name} is no file that can be read twice", "write it to a file first")
    except (OSError, ValueError, RuntimeError) as error:
        misuse(f"{name!r} can't be read: {error}", "name a file or a folder of data")
    return [path]


def _startable(asked: Asked, sources: list[survey.Source]) -> Asked:
    """Put in the place of --target the interpreter that may be started; None where there is none.

    That is one that the user named, or the active one where --model asks for its tokenizer. What only stands in the
    folder is never started here.
    """
    from tunedoctor.cli.target import aim, starting  # noqa: PLC0415

    place = aim(asked.target, own=asked.own)
    if place.problem and place.chosen_by == "--target":
        misuse(place.problem.rstrip("."), "--target names an interpreter or an environment")
    active = asked.model and place.chosen_by in ("VIRTUAL_ENV", "CONDA_PREFIX")
    if not (active or place.chosen_by in ("--target", "--self")):
        return asked._replace(target=None)
    if asked.model or any(one.path.suffix == ".parquet" for one in sources):
        starting(place)
    return asked._replace(target=place.python or None)


def _report(asked: Asked, found: survey.Survey, spool: Spool | None, began: float) -> Report:
    seq = asked.seq or None
    notes = list(found.bounded())
    lengths = estimated(found.tallies, seq)
    if lengths is not None and spool is not None:
        lengths = _by_tokenizer(asked, found, spool, lengths, notes)
    cost = _costs(asked, found, lengths, notes) if asked.model and lengths is not None else None
    if lengths is not None and lengths.cut_rows and found.tallies:
        share = lengths.cut_tokens / max(lengths.tokens, 1)
        found.tallies[0].fault("too-long-for-seq", 0, f"{share:.1%} of all tokens are cut off")
        found.tallies[0].seen["too-long-for-seq"].count = lengths.cut_rows
    faults = found.faults()
    return Report(
        verdict="faults" if any(one.severity == "error" for one in faults) else "clean",
        rows=sum(one.rows for one in found.files),
        faulty=sum(one.faulty for one in found.files),
        files=tuple(found.files),
        faults=faults,
        roles=dict(found.total("orders").most_common(20)),
        duplicates=found.count("duplicate"),
        near_duplicates=found.count("near-duplicate") if asked.near else None,
        leaks=found.leak_rows(),
        lengths=lengths,
        costs=cost,
        notes=tuple(notes),
        seconds=time.perf_counter() - began,
    )


def _by_tokenizer(
    asked: Asked, found: survey.Survey, spool: Spool, estimate: Lengths, notes: list[str]
) -> Lengths:
    """Count with the model's tokenizer; where that can't be, keep the estimate and say why."""
    python = asked.target
    counted = count(python, asked.model, spool) if python else "name the environment with --target"
    if isinstance(counted, str):
        notes.append(
            f"the target's tokenizer could not count, so lengths are an estimate: {counted}"
        )
        return estimate
    for index, why in counted.refused.items():
        _, file, row = spool.rows[int(index)]
        found.tallies[file].fault("template", msgspec.json.decode(row)[0], why)
    if not counted.template:
        notes.append("the model has no chat template: turns are counted one after the other")
    return described_by(counted, estimate, asked.seq or None, whole=not spool.mask)


def _costs(asked: Asked, found: survey.Survey, lengths: Lengths, notes: list[str]) -> Costs | None:
    from tunedoctor.cli.models import config_file, model_of  # noqa: PLC0415

    place = config_file(asked.model)
    if asked.model == "-" or (place is not None and not place.is_file()):
        notes.append("steps, time and memory are not reckoned: the model has no config.json")
        return None
    train = sum(one.rows for one in found.files if one.split == "train")
    rows = sum(one.rows for one in found.files)
    micro = min(asked.batch, 4)
    run = Run(method=asked.method, batch=micro, accum=max(1, asked.batch // micro))  # type: ignore[arg-type]
    try:
        shape = model_of(asked.model)
        return costs(shape, run, _devices(asked), lengths, (train, rows), asked.epochs)
    except MemoryModelError as error:
        notes.append(f"steps, time and memory are not reckoned: {error}")
    return None


def _devices(asked: Asked) -> tuple[Device, ...]:
    if asked.gpu:
        from tunedoctor.memory.overview import device_of  # noqa: PLC0415
        from tunedoctor.tables.cards import cards_like  # noqa: PLC0415

        cards = cards_like(asked.gpu)
        if not cards:
            misuse(f"no card of the table is called {asked.gpu!r}", "doctor fit --cards names some")
        return (device_of(min(cards, key=lambda one: (one.memory_gib, one.name))),)
    from tunedoctor.cli.gpus import here  # noqa: PLC0415
    from tunedoctor.live import take  # noqa: PLC0415
    from tunedoctor.targeting import NO_TARGET  # noqa: PLC0415

    return here(take(NO_TARGET))[0][:1]


def _show(report: Report, format_: str, output: str) -> None:
    told = public(report, this_identity())
    if format_ == "json":
        from tunedoctor.render.json import render  # noqa: PLC0415

        text = render(told)
    elif format_ == "html":
        from tunedoctor.render import data_page  # noqa: PLC0415

        text = data_page.render(told)
    else:
        from tunedoctor.render import data as screen  # noqa: PLC0415
        from tunedoctor.render import style  # noqa: PLC0415

        text = screen.render(told, style.style_for(sys.stdout, os.environ))
    if not output:
        write(text)
        return
    write_or_exit(output, text, "name another file with -o")
