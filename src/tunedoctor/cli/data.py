"""doctor data, and what a model makes of the rows: lengths by its own tokenizer, steps, time and memory."""

import math
import os
import shlex
import time
from collections import Counter
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

import msgspec

from tunedoctor.cli.command_options import DataOptions
from tunedoctor.cli.options import TERMINAL, aim, look
from tunedoctor.cli.output import screen, write
from tunedoctor.cli.progress import spinner
from tunedoctor.core.errors import misuse, refusing
from tunedoctor.core.files import require_writable, write_file
from tunedoctor.core.fit import named_card
from tunedoctor.core.models import check_folder, config_file, here, model_of
from tunedoctor.core.training_data import Readers, columns_of, lacking, paths_of
from tunedoctor.data import examine, survey
from tunedoctor.data.files import split_of
from tunedoctor.data.repeats import Spool
from tunedoctor.data.report import Costs, Lengths, Report, RowShown, Written, described, rounded
from tunedoctor.data.rows import BadRowError, OneSideError, divide
from tunedoctor.diagnosis.redaction import public, this_identity
from tunedoctor.facts.clean import clean_text
from tunedoctor.memory.answer import answer
from tunedoctor.memory.host import speed
from tunedoctor.memory.run import Run
from tunedoctor.memory.shape import MemoryModelError
from tunedoctor.probes.resources import child_limit
from tunedoctor.probes.targeting import NO_TARGET
from tunedoctor.render import data as screens
from tunedoctor.render.html import BEGIN
from tunedoctor.render.screen import NextStep, as_json
from tunedoctor.system import child
from tunedoctor.system.scratch import scratch

SCRIPT = Path(__file__).parent.parent / "target" / "start.py"
_TIMEOUT = 900.0
_LOAD_SECONDS, _ROW_SECONDS = 300.0, 90.0
"""Seconds until the tokenizer is loaded, and from one word of the counting to the next."""
_MEMORY = 4 << 30
"""Bytes that a tokenizer and a chat template may take."""
_COUNTING = {"HF_HUB_OFFLINE": "1", "OPENBLAS_NUM_THREADS": "1"}
"""Threads of numpy would take memory of their own on a large machine."""
_LONG = 240
"""Characters of a text that are shown."""
_STEP = 64
"""Tokens to whose multiple a longest row is rounded up."""


def run_data(given: DataOptions) -> int:
    """Look at training data; returns the exit code: 0 clean, 1 there are errors."""
    check_combinations(given)
    began, columns = time.perf_counter(), columns_of(given.columns)
    if given.model:
        check_folder(given.model)
    if not (given.files or given.valid or given.test):
        misuse("doctor data wants a file or a folder", "doctor data --help lists the options")
    sources = _sources(given)
    begins = {"json": '{\n  "schema": "doctor.data/', "html": BEGIN}
    require_writable(given.output, begins.get(given.format, "\0"))
    _writable(given, sources)
    readers = _startable(given)
    spool = Spool() if given.model else None
    size = sum(one.path.stat().st_size for one in sources)
    jobs = given.jobs or (min(os.cpu_count() or 1, 8) if size >= survey.ALONE else 1)
    with spinner("reading") as one:
        if all(source.path.suffix == ".jsonl" for source in sources):
            one.total = size  # as long as what is read of them
        rows = examine.Asked(given.near, bool(given.model), columns)
        how = survey.Asked(rows, jobs, readers, one.watch, one.came)
        found = survey.Survey(sources, how, spool)
        if columns and all(file.read_as != columns for file in found.files):
            misuse(*lacking(sources[0].path.name, columns))
        one.watch(["rows by the tokenizer"] if given.model else ["what was counted"])
        written = _convert(given, found) if given.convert else ()
        report = _report(given, found, readers.place.python, written, began)
        report = public(report, this_identity())
    if given.format == "terminal":
        text = screens.render(report, screen(), _next(given, report))
    else:
        text = as_json(report) if given.format == "json" else screens.page(report)
    if given.output:
        write_file(given.output, text, "name another file with -o", said="", interaction=TERMINAL)
    else:
        write(text)
    return 1 if report.verdict == "faults" else 0


def _sources(given: DataOptions) -> list[survey.Source]:
    found: dict[str, survey.Source] = {}
    for names, split in ((given.files, ""), (given.valid, "valid"), (given.test, "test")):
        for name in names:
            for path in paths_of(name):
                found[str(path)] = survey.Source(path, split_of(path, split))
    return list(found.values())


def _outs(given: DataOptions) -> list[Path]:
    """Return the files that --convert and --split write."""
    with refusing(RuntimeError, "write it in full"):
        place = Path(given.convert).expanduser()
    return [place, *([place.with_name(f"{place.stem}.eval{place.suffix}")] if given.split else [])]


def _writable(given: DataOptions, sources: list[survey.Source]) -> None:
    """Exit with 2 where --convert would write over a file, or can't write."""
    for place in _outs(given) if given.convert else ():
        if place.suffix not in (".jsonl", ".ndjson"):
            misuse(
                f"--convert {place} must end in .jsonl", "it writes JSON Lines, as in train.jsonl"
            )
        if place.exists() and any(place.samefile(one.path) for one in sources):
            misuse(f"{place} is one of the files that are read", "name another file")
        if place.exists() and not (given.force and place.is_file()):
            misuse(f"{place} is there", "name another file, or --force")
        require_writable(str(place), "\0", force=True)


def _convert(given: DataOptions, found: survey.Survey) -> tuple[Written, ...]:
    """Write the rows of the train split, or of all where there is none, as JSON Lines."""
    files = [one.path for one in found.sources if one.split == "train"]
    files, outs = files or [one.path for one in found.sources], _outs(given)
    try:
        columns, readers = found.asked.rows.columns, found.asked.pythons
        counts = divide(outs, files, columns, readers, given.split)
    except BadRowError as error:
        found.notes.append(f"{outs[0]} is not written: {error}")
        return ()
    except OneSideError as error:
        misuse(f"--split: {error}", "leave it out, or add rows")
    except OSError as error:
        misuse(f"{outs[0]} can't be written: {error.strerror or error}", "name another file")
    if len(files) < len(found.sources):
        found.notes.append(f"{outs[0]} has the rows of the train split alone")
    return tuple(Written(str(out), count) for out, count in zip(outs, counts, strict=True))


def _next(given: DataOptions, report: Report) -> tuple[NextStep, ...]:
    """Return what comes next."""
    if report.verdict == "faults":
        found, one = {one.kind for one in report.faults if one.severity == "error"}, report.files[0]
        if found == {"unknown-form"} and len(report.files) == 1 and len(one.columns) == 2:
            said = shlex.quote("prompt={},completion={}".format(*one.columns))
            command = f"doctor data {shlex.quote(one.name)} --columns={said}"
            return ((command, "read it with these columns"),)
        return (("", "fix what is marked ✗, then run the same command again"),)
    names = [one.name for one in report.written[:1]] or [*given.files]
    more = f" --columns={shlex.quote(given.columns)}" * bool(given.columns and not report.written)
    held = [one.name for one in report.written[1:]] or given.valid[: len(given.valid) == 1]
    if len(names) != 1:
        files = shlex.join(names)
        way = (f"doctor data {files}{more} --convert train.jsonl", "join them into one file")
        return (way,) * bool(names)
    data = shlex.quote(names[0])
    held_out = f" --eval-data={shlex.quote(held[0])}" if held else ""
    if given.model and report.costs:
        command = f"doctor train --model={shlex.quote(given.model)}"
        return ((f"{command} --data={data}{held_out}{more}", "train"),)
    return ((f"doctor init --data={data}{held_out}{more}", "write a training configuration"),)


def _startable(given: DataOptions) -> Readers:
    """Return the interpreters that may be started.

    That is one that the user named, or the active one where --model asks for its tokenizer. What only stands in the
    folder is never started here.
    """
    place = aim(given.target, own=given.own)
    if place.problem and place.chosen_by == "--target":
        misuse(place.problem.rstrip("."), "--target names an interpreter or an environment")
    active = given.model and place.chosen_by in ("VIRTUAL_ENV", "CONDA_PREFIX")
    if not (active or place.chosen_by in ("--target", "--self")):
        return Readers(NO_TARGET)
    readers = Readers(place, TERMINAL)
    if given.model:
        readers.started()
    return readers


def _report(
    given: DataOptions,
    found: survey.Survey,
    python: str,
    written: tuple[Written, ...],
    began: float,
) -> Report:
    lengths, cost, counted = found.lengths(given.seq), None, None
    if lengths is not None and found.spool is not None:
        counted = _counted(given, found, found.spool, python)
        lengths = _by_tokenizer(given, found.spool, counted, lengths) if counted else lengths
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
        rows_shown=_rows_shown(found, counted),
        written=written,
        notes=(*found.bounded(), *found.notes),
        seconds=time.perf_counter() - began,
    )


def _counted(
    given: DataOptions, found: survey.Survey, spool: Spool, python: str
) -> "Counted | None":
    """Count with the model's tokenizer, and note what its template refuses; None where that can't be, with a note."""
    why = "name the environment with --target"
    counted = count(python, given.model, spool, found.shown) if python else why
    if isinstance(counted, str):
        lacks = "the target's tokenizer could not count, so lengths are an estimate"
        found.notes.append(f"{lacks}: {counted}")
        return None
    for index, why in counted.refused.items():
        _, file, row = spool.rows[int(index)]
        found.tallies[file].fault("template", msgspec.json.decode(row)[0], why)
    if counted.stopped:
        _, file, row = spool.rows[len(counted.rows)]
        found.tallies[file].fault("template", msgspec.json.decode(row)[0], counted.stopped)
        lacks = "lengths are an estimate, as that template was not asked for more rows"
        found.notes.append(f"{lacks}; download the model anew, or repair the file")
        return None
    if not counted.template:
        found.notes.append("the model has no chat template: turns are counted one after the other")
    return counted


def _by_tokenizer(
    given: DataOptions, spool: Spool, counted: "Counted", estimate: Lengths
) -> Lengths:
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
    shown: list[list[tuple[str, bool]]]
    """Rows as the template writes them: texts, and whether they are learned; [] where it writes none."""
    stopped: str = ""
    """Why the template was not asked for the rows that are left."""


def count(
    python: str, model: str, spool: Spool, shown: Sequence[survey.Shown] = ()
) -> Counted | str:
    """Count the rows of a spool with an interpreter, and have rows shown; why it can't, where it can't."""
    first = [msgspec.json.encode((one.line, one.form, one.turns)) for one in shown]
    with scratch() as folder:
        place = Path(folder) / "rows.jsonl"
        place.write_bytes(b"\n".join([*first, *(data for _, _, data in spool.rows)]))
        argv = [python, "-I", "-B", str(SCRIPT), "tokens", model, str(place), str(len(first))]
        said: list[str] = []

        def read_line(line: str) -> float:
            said[:] = [line]
            return _ROW_SECONDS

        ended = child.run_lines(
            argv,
            heard=read_line,
            silence=_LOAD_SECONDS,
            timeout=_TIMEOUT,
            env={**os.environ, **_COUNTING},
            limit=child.FLOOD,
            memory=child_limit(_MEMORY),
        )
    if ended.how in ("hung", "grown"):
        at = int(said[0]) - len(first) if said and said[0].isdigit() else -1
        where = f", at about line {msgspec.json.decode(spool.rows[at][2])[0]}" if at >= 0 else ""
        return f"the tokenizer of {model} was ended: {ended.death}{where}; download it anew"
    if not ended.ok:
        return (ended.err.strip().splitlines()[-1:] or [ended.death])[0][:200]
    try:
        found = msgspec.json.decode(said[0], type=Counted)
    except (msgspec.MsgspecError, IndexError):
        return "its answer is no count"
    if not found.stopped and len(found.rows) != len(first) + len(spool.rows):
        return "it counted other rows"
    refused = ((int(key) - len(first), why) for key, why in found.refused.items())
    theirs = {str(key): why for key, why in refused if key >= 0}
    rows = found.rows[len(first) :]
    return Counted(rows, theirs, found.template, found.shown, found.stopped)


def _rows_shown(found: survey.Survey, counted: Counted | None) -> tuple[RowShown, ...]:
    written = counted.shown if counted else []
    shown: list[RowShown] = []
    for one, parts in zip_longest(found.shown, written, fillvalue=None):
        if one is not None:
            told = [("", text, is_learned) for text, is_learned in parts or ()]
            told = told or [(role, text, role in ("assistant", "text")) for role, text in one.turns]
            told = [(role, clipped(text), is_learned) for role, text, is_learned in told]
            shown.append(RowShown(str(found.sources[one.file].path), one.line, tuple(told)))
    return tuple(shown)


def clipped(text: str) -> str:
    """Return a text in one line, its middle left out where it is long."""
    text = clean_text(text[:_LONG] + text[_LONG:][-_LONG:]).replace("\n", "\\n")
    return text if len(text) <= _LONG else f"{text[: _LONG * 2 // 3]} … {text[-_LONG // 3 :]}"


def _costs(given: DataOptions, found: survey.Survey, lengths: Lengths) -> Costs | None:
    place, why = config_file(given.model), "the model has no config.json"
    if given.model != "-" and (place is None or place.is_file()):
        try:
            return _reckoned(given, found, lengths)
        except MemoryModelError as error:
            why = str(error)
    found.notes.append(f"steps, time and memory are not reckoned: {why}")
    return None


def _reckoned(given: DataOptions, found: survey.Survey, lengths: Lengths) -> Costs:
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


def check_combinations(options: DataOptions) -> None:
    """Exit with 2 if options contradict each other or one lacks another."""
    if (options.split or options.force) and not options.convert:
        misuse("--split and --force are for --convert", "name it, as in --convert train.jsonl")
