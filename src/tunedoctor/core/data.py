"""Check training data, and what a model makes of the rows: lengths by its own tokenizer, steps, time and memory."""

import math
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import zip_longest
from os import PathLike, fspath
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from tunedoctor.core.arguments import Place, options_of, public
from tunedoctor.core.environment import choose_target, take_snapshot
from tunedoctor.core.errors import misuse, refusing
from tunedoctor.core.files import require_writable
from tunedoctor.core.fit import named_card
from tunedoctor.core.interaction import SILENT, Interaction
from tunedoctor.core.models import check_folder, config_file, model_of, own_gpus
from tunedoctor.core.training_data import Readers, columns_of, lacking, paths_of
from tunedoctor.data import examine, survey
from tunedoctor.data.files import split_of
from tunedoctor.data.repeats import Spool
from tunedoctor.data.report import (
    DataReport,
    Lengths,
    RowShown,
    TrainingCosts,
    Written,
    described,
    rounded,
)
from tunedoctor.data.rows import BadRowError, OneSideError, divide
from tunedoctor.diagnosis.redaction import public as redacted
from tunedoctor.diagnosis.redaction import this_identity
from tunedoctor.facts import Target
from tunedoctor.facts.clean import clean_text
from tunedoctor.memory.fit_report import estimate_run
from tunedoctor.memory.host import speed
from tunedoctor.memory.run import Run
from tunedoctor.memory.shape import MemoryModelError
from tunedoctor.probes.resources import child_limit
from tunedoctor.probes.targeting import NO_TARGET
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


class DataOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Files of training data, and options; docs/data.md explains each field."""

    files: tuple[str, ...] = ()
    valid: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    model: str = ""
    seq: Annotated[int, Meta(ge=0, le=1 << 24)] = 0
    method: Literal["lora", "qlora", "full"] = "lora"
    batch: Annotated[int, Meta(ge=1, le=1 << 20)] = 16
    epochs: Annotated[float, Meta(ge=0.001, le=10000)] = 1.0
    gpu: str = ""
    near: bool = True
    columns: str = ""
    convert: str = ""
    split: Annotated[float, Meta(ge=0, le=0.9)] = 0.0
    force: bool = False
    jobs: Annotated[int, Meta(ge=0, le=256)] = 0


@public
def check_data(  # noqa: PLR0913  the options of the command
    files: Sequence[str | PathLike[str]],
    *,
    valid: Sequence[str] = (),
    test: Sequence[str] = (),
    model: str = "",
    seq: int | None = None,
    method: Literal["lora", "qlora", "full"] = "lora",
    batch: int = 16,
    epochs: float = 1.0,
    gpu: str = "",
    near: bool = True,
    columns: str = "",
    convert: Place = None,
    split: float | None = None,
    force: bool = False,
    jobs: int = 0,
    target: Place = None,
    interaction: Interaction = SILENT,
) -> DataReport:
    """Return what is wrong with training data: faulty lines, duplicates, leaks between splits, secrets, lengths.

    `files`, `valid` and `test`: files or folders of each split. `model`: count tokens with its tokenizer, in `target`,
    and estimate steps, time and memory of a training with `method`, `batch`, `epochs` and `gpu`. `seq`: report what
    this length would cut off. `near`: look for near duplicates. `columns`: names such as "prompt=ask,completion=reply".
    `convert`: write all rows to this .jsonl file, a share of `split` to a second one. `jobs`: processes, 0 for as many
    as help.
    """
    options = options_of(
        DataOptions,
        files=tuple(fspath(one) for one in files),
        valid=tuple(valid),
        test=tuple(test),
        model=model,
        seq=seq or 0,
        method=method,
        batch=batch,
        epochs=epochs,
        gpu=gpu,
        near=near,
        columns=columns,
        convert="" if convert is None else fspath(convert),
        split=split or 0.0,
        force=force,
        jobs=jobs,
    )
    return survey_data(options, lambda: choose_target(target), interaction)


def survey_data(
    given: DataOptions, choose: Callable[[], Target], interaction: Interaction = SILENT
) -> DataReport:
    """Return the report of training data, redacted; `choose` returns the target. Raises DoctorError."""
    check_combinations(given)
    began, columns = time.perf_counter(), columns_of(given.columns)
    if given.model:
        check_folder(given.model)
    if not (given.files or given.valid or given.test):
        misuse("doctor data needs a file or a folder", "doctor data --help lists the options")
    sources = _sources(given)
    _writable(given, sources)
    readers = _startable(given, choose(), interaction)
    spool = Spool() if given.model else None
    size = sum(one.path.stat().st_size for one in sources)
    jobs = given.jobs or (min(os.cpu_count() or 1, 8) if size >= survey.ALONE else 1)
    with interaction.progress("reading") as progress:
        if all(source.path.suffix == ".jsonl" for source in sources):
            progress.total = size  # as long as what is read of them
        rows = examine.RowOptions(given.near, bool(given.model), columns)
        how = survey.SurveyOptions(rows, jobs, readers, progress.watch, progress.came)
        found = survey.Survey(sources, how, spool)
        if columns and all(file.read_as != columns for file in found.files):
            misuse(*lacking(sources[0].path.name, columns))
        progress.watch(["rows by the tokenizer"] if given.model else ["what was counted"])
        written = _convert(given, found) if given.convert else ()
        report = _report(given, found, readers.place.python, written, began)
        return redacted(report, this_identity())


def _sources(given: DataOptions) -> list[survey.DataSource]:
    found: dict[str, survey.DataSource] = {}
    for names, split in ((given.files, ""), (given.valid, "valid"), (given.test, "test")):
        for name in names:
            for path in paths_of(name):
                found[str(path)] = survey.DataSource(path, split_of(path, split))
    return list(found.values())


def _outs(given: DataOptions) -> list[Path]:
    """Return the files that --convert and --split write."""
    with refusing(RuntimeError, "write it in full"):
        place = Path(given.convert).expanduser()
    return [place, *([place.with_name(f"{place.stem}.eval{place.suffix}")] if given.split else [])]


def _writable(given: DataOptions, sources: list[survey.DataSource]) -> None:
    """Raise DoctorError if --convert would write over a file, or can't write."""
    for place in _outs(given) if given.convert else ():
        if place.suffix not in (".jsonl", ".ndjson"):
            misuse(
                f"--convert {place} must end in .jsonl",
                "it writes JSON Lines, for example train.jsonl",
            )
        if place.exists() and any(place.samefile(one.path) for one in sources):
            misuse(f"{place} is one of the input files", "name another file")
        if place.exists() and not (given.force and place.is_file()):
            misuse(f"{place} already exists", "name another file, or add --force")
        require_writable(str(place), "\0", force=True)


def _convert(given: DataOptions, found: survey.Survey) -> tuple[Written, ...]:
    """Write the rows of the train split as JSON Lines, or all rows if no file has that split."""
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
        found.notes.append(f"{outs[0]} has only the rows of the train split")
    return tuple(Written(str(out), count) for out, count in zip(outs, counts, strict=True))


def _startable(given: DataOptions, place: Target, interaction: Interaction) -> Readers:
    """Return the interpreters that may be started.

    That is one that the user named, or with --model the active one. An environment that is only in the folder is never
    started here.
    """
    if place.problem and place.chosen_by == "--target":
        misuse(place.problem.rstrip("."), "--target names an interpreter or an environment")
    active = given.model and place.chosen_by in ("VIRTUAL_ENV", "CONDA_PREFIX")
    if not (active or place.chosen_by in ("--target", "--self")):
        return Readers(NO_TARGET)
    readers = Readers(place, interaction)
    if given.model:
        readers.started()
    return readers


def _report(
    given: DataOptions,
    found: survey.Survey,
    python: str,
    written: tuple[Written, ...],
    began: float,
) -> DataReport:
    lengths, cost, counted = found.lengths(given.seq), None, None
    if lengths is not None and found.spool is not None:
        counted = _count_tokens(given, found, found.spool, python)
        lengths = _by_tokenizer(given, found.spool, counted, lengths) if counted else lengths
        cost = _costs(given, found, lengths)
    if lengths is not None and lengths.cut_rows and found.tallies:
        share = lengths.cut_tokens / max(lengths.tokens, 1)
        found.tallies[0].fault("too-long-for-seq", 0, f"{share:.1%} of all tokens are cut off")
        found.tallies[0].seen["too-long-for-seq"] = lengths.cut_rows
    faults, seen = found.faults(), found.total("seen")
    return DataReport(
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


def _count_tokens(
    given: DataOptions, found: survey.Survey, spool: Spool, python: str
) -> "TokenCounts | None":
    """Count with the model's tokenizer, and note what its template refuses; None, with a note, if it fails."""
    why = "name the environment with --target"
    counted = count(python, given.model, spool, found.shown) if python else why
    if isinstance(counted, str):
        lacks = "the target's tokenizer could not count tokens, so lengths are estimated"
        found.notes.append(f"{lacks}: {counted}")
        return None
    for index, why in counted.refused.items():
        _, file, row = spool.rows[int(index)]
        found.tallies[file].fault("template", msgspec.json.decode(row)[0], why)
    if counted.stopped:
        _, file, row = spool.rows[len(counted.rows)]
        found.tallies[file].fault("template", msgspec.json.decode(row)[0], counted.stopped)
        lacks = "lengths are an estimate, because that template was not used for more rows"
        found.notes.append(f"{lacks}; download the model again, or repair the file")
        return None
    if not counted.template:
        found.notes.append("the model has no chat template: turns are counted one after the other")
    return counted


def _by_tokenizer(
    given: DataOptions, spool: Spool, counted: "TokenCounts", estimate: Lengths
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


class TokenCounts(msgspec.Struct, frozen=True):
    """The output of the script."""

    rows: list[tuple[int, int, int]]
    """Tokens, learned tokens, and the place of the first learned one."""
    refused: dict[str, str]
    template: bool
    shown: list[list[tuple[str, bool]]]
    """Rows as the template writes them: texts, and whether they are learned; [] where it writes none."""
    stopped: str = ""
    """Why the template was not asked for the rows that are left."""


def count(
    python: str, model: str, spool: Spool, shown: Sequence[survey.SoundRow] = ()
) -> TokenCounts | str:
    """Count the rows of a spool with an interpreter, and format the rows to show; return the reason if it fails."""
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
            on_line=read_line,
            silence=_LOAD_SECONDS,
            timeout=_TIMEOUT,
            env={**os.environ, **_COUNTING},
            limit=child.FLOOD,
            memory=child_limit(_MEMORY),
        )
    if ended.how in ("hung", "grown"):
        at = int(said[0]) - len(first) if said and said[0].isdigit() else -1
        where = f", at about line {msgspec.json.decode(spool.rows[at][2])[0]}" if at >= 0 else ""
        return f"the tokenizer of {model} was ended: {ended.death}{where}; download it again"
    if not ended.ok:
        return (ended.err.strip().splitlines()[-1:] or [ended.death])[0][:200]
    try:
        found = msgspec.json.decode(said[0], type=TokenCounts)
    except (msgspec.MsgspecError, IndexError):
        return "it returned no count"
    if not found.stopped and len(found.rows) != len(first) + len(spool.rows):
        return "it counted another number of rows"
    refused = ((int(key) - len(first), why) for key, why in found.refused.items())
    theirs = {str(key): why for key, why in refused if key >= 0}
    rows = found.rows[len(first) :]
    return TokenCounts(rows, theirs, found.template, found.shown, found.stopped)


def _rows_shown(found: survey.Survey, counted: TokenCounts | None) -> tuple[RowShown, ...]:
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
    """Return a text in one line; leave out the middle if it is long."""
    text = clean_text(text[:_LONG] + text[_LONG:][-_LONG:]).replace("\n", "\\n")
    return text if len(text) <= _LONG else f"{text[: _LONG * 2 // 3]} … {text[-_LONG // 3 :]}"


def _costs(given: DataOptions, found: survey.Survey, lengths: Lengths) -> TrainingCosts | None:
    place, why = config_file(given.model), "the model has no config.json"
    if given.model != "-" and (place is None or place.is_file()):
        try:
            return _reckoned(given, found, lengths)
        except MemoryModelError as error:
            why = str(error)
    found.notes.append(f"steps, time and memory are not estimated: {why}")
    return None


def _reckoned(given: DataOptions, found: survey.Survey, lengths: Lengths) -> TrainingCosts:
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
    devices = (
        (named_card(given.gpu)[0],) if given.gpu else own_gpus(take_snapshot(NO_TARGET))[0][:1]
    )
    one = estimate_run(shape, run, devices)
    mean = (lengths.tokens - lengths.cut_tokens) / max(rows, 1)
    tokens = round(mean * train * given.epochs)
    device, pace = one.devices[0].device if one.devices else None, None
    if device is not None:
        short = msgspec.structs.replace(run, seq=max(1, round(mean)))
        pace = speed(shape, short, device.tflops, device.bandwidth_gb_s)
    return TrainingCosts(
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
    """Raise DoctorError if options contradict each other or one lacks another."""
    if (options.split or options.force) and not options.convert:
        misuse("--split and --force need --convert", "add it, for example --convert train.jsonl")
