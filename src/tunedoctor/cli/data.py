"""doctor data, and what a model makes of the rows: lengths by its own tokenizer, steps, time and memory."""

import math
import os
import sys
import tempfile
import time
from argparse import Namespace
from collections import Counter
from pathlib import Path

import msgspec

from tunedoctor.cli.fit import named_card
from tunedoctor.cli.models import check_folder, config_file, here, model_of
from tunedoctor.cli.options import aim, look, misuse, starting
from tunedoctor.cli.output import screen, write, write_or_exit
from tunedoctor.cli.progress import spinner
from tunedoctor.data import examine, survey
from tunedoctor.data.files import files_in, split_of
from tunedoctor.data.repeats import Spool
from tunedoctor.data.report import Costs, Lengths, Report, described, rounded
from tunedoctor.diagnosis.redaction import public, this_identity
from tunedoctor.memory.answer import answer
from tunedoctor.memory.run import Run
from tunedoctor.memory.shape import MemoryModelError
from tunedoctor.memory.speed import speed
from tunedoctor.probes.targeting import NO_TARGET
from tunedoctor.render import data as screens
from tunedoctor.render.screen import as_json
from tunedoctor.system import child

SCRIPT = Path(__file__).parent.parent / "target" / "start.py"
_TIMEOUT = 900.0
_STEP = 64
"""Tokens to whose multiple a longest row is rounded up."""


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
    rows = [one for i, one in enumerate(counted.rows) if str(i) not in counted.refused]
    if not rows:
        return estimate
    lost, seq, whole = None, given.seq, not spool.mask
    if seq:
        lost = sum(first >= seq or not some for _, some, first in rows)
    return described(
        Counter(rounded(one[0]) for one in rows),
        sum(one[0] for one in rows),
        sum(one[1] for one in rows),
        seq,
        "tokenizer" if whole else "tokenizer, of a sample",
        lost,
        1.0 if whole else estimate.counted / len(rows),  # of a sample, in its proportion
    )


class Counted(msgspec.Struct, frozen=True):
    """What the script prints."""

    rows: list[tuple[int, int, int]]
    """Tokens, learned tokens, and the place of the first learned one."""
    refused: dict[str, str]
    template: bool


def count(python: str, model: str, spool: Spool) -> Counted | str:
    """Count the rows of a spool with an interpreter; why it can't, where it can't."""
    with tempfile.TemporaryDirectory(prefix="doctor-", ignore_cleanup_errors=True) as scratch:
        place = Path(scratch) / "rows.jsonl"
        place.write_bytes(b"".join(data + b"\n" for _, _, data in spool.rows))
        argv = [python, "-I", "-B", str(SCRIPT), "tokens", model, str(place)]
        ended = child.run(argv, timeout=_TIMEOUT, env={**os.environ, "HF_HUB_OFFLINE": "1"})
    if not ended.ok:
        return (ended.err.strip().splitlines()[-1:] or [ended.death])[0][:200]
    try:
        found = msgspec.json.decode(ended.out.strip().splitlines()[-1], type=Counted)
    except (msgspec.MsgspecError, IndexError):
        return "its answer is no count"
    return found if len(found.rows) == len(spool.rows) else "it counted other rows"


def _costs(given: Namespace, found: survey.Survey, lengths: Lengths) -> Costs | None:
    place, why = config_file(given.model), "the model has no config.json"
    if given.model != "-" and (place is None or place.is_file()):
        try:
            return _reckoned(given, found, lengths)
        except MemoryModelError as error:
            why = str(error)
    found.notes.append(f"steps, time and memory are not reckoned: {why}")
    return None


def _reckoned(given: Namespace, found: survey.Survey, lengths: Lengths) -> Costs:
    """Reckon a run over the rows. Raises MemoryModelError.

    Memory is that of the longest rows, as far as --seq lets them; time is that of all tokens, at the speed of rows of
    the mean length.
    """
    rows = sum(one.rows for one in found.files)
    train = sum(one.rows for one in found.files if one.split == "train")
    micro, shape = min(given.batch, 4), model_of(given.model)
    longest = -(-max(lengths.longest, 1) // _STEP) * _STEP
    seq = min(lengths.seq or longest, longest)
    run = Run(method=given.method, batch=micro, accum=max(1, given.batch // micro), seq=seq)
    devices = (named_card(given.gpu)[0],) if given.gpu else here(look(NO_TARGET))[0][:1]
    one = answer(shape, run, devices)
    mean = (lengths.tokens - lengths.cut_tokens) / max(rows, 1)
    tokens = round(mean * train * given.epochs)
    device, pace = one.devices[0].device if one.devices else None, None
    if device is not None:
        short = msgspec.structs.replace(run, seq=max(1, round(mean)))
        pace = speed(shape, short, device.tflops, device.bandwidth_gb_s)
    return Costs(
        model=one.model,
        method=run.method,
        seq=run.seq,
        batch=run.batch * run.accum,
        epochs=given.epochs,
        rows=train,
        steps=math.ceil(train * given.epochs / (run.batch * run.accum)),
        tokens=tokens,
        peak_gib=one.peak_gib,
        need_gib=one.need_gib,
        verdict=one.verdict,
        device=device.name if device else None,
        hours=tokens / pace.tokens_per_second / 3600 if pace else None,
        hours_low=tokens / max(pace.low, pace.high) / 3600 if pace else None,
        hours_high=tokens / min(pace.low, pace.high) / 3600 if pace else None,
    )
