"""doctor fleet: many machines, asked by an engine that people run or read from files, judged and held together."""

import gc
import os
import shutil
import sys
import time
from argparse import Namespace
from collections.abc import Generator
from contextlib import closing
from functools import cache, partial
from importlib import import_module
from itertools import count
from pathlib import Path

import msgspec

from tunedoctor.cli.acting import act
from tunedoctor.cli.formats import outputs_of
from tunedoctor.cli.options import Options, misuse, refusing
from tunedoctor.cli.output import opened, read_input, report_for, screen, write, write_or_exit
from tunedoctor.cli.progress import spinner
from tunedoctor.diagnosis.gate import ProfileName
from tunedoctor.diagnosis.redaction import public, this_identity
from tunedoctor.diagnosis.report import Report
from tunedoctor.fleet.answer import Fleet, since
from tunedoctor.fleet.judge import Job, Judge
from tunedoctor.fleet.many import fleet_of, judged
from tunedoctor.fleet.reply import IMAGE, How, Reply
from tunedoctor.model.findings import Check
from tunedoctor.model.snapshot import LARGEST, Snapshot
from tunedoctor.render import fleet as shown
from tunedoctor.render.formats.words import why_unknown
from tunedoctor.render.screen import as_json

ENGINES = ("slurm", "ray", "kubernetes", "ssh")
"""Options, and modules of `fleet/` whose `collect` asks the nodes: what is misuse is their ValueError or OSError."""
_LARGEST_LAST = 256 << 20
"""Bytes of a former answer: one of 40,000 nodes has about 20 MB."""


def command(given: Namespace) -> int:
    """Judge many machines; returns the exit code: 1 for findings, else 2 where one is not reached or could not tell."""
    began, options = time.perf_counter(), Options.of(given)
    outputs = outputs_of(given.output, "")
    if wrong := next(
        (name for name, _ in outputs if name not in ("json", "html", "prometheus")), ""
    ):
        misuse(f"--output {wrong} is not for many machines", "take json, html or prometheus")
    last = _last(given.last) if given.last else None
    make = partial(judge_for, options, given.profile or None, by_node=bool(given.files))
    _checks(options, "project")  # exits here on an unknown id, not once for each process
    gc.enable()  # main turns it off for short runs
    with refusing((OSError, ValueError), "doctor explain fleet tells what it takes", "can't ask: "):
        engine, jobs = _jobs(given)
        with closing(jobs), spinner() as one:  # who is still asked ends with it
            rows = judged(jobs, make, _processors(), lambda n: one.step([f"machines, {n:,}"]))
    if not rows:
        misuse("no machines were found", "doctor explain fleet tells what can be named")
    found = fleet_of(rows, engine, _checks(options, given.profile or "project"))
    who = this_identity()
    found = msgspec.structs.replace(
        found,
        odd=tuple(public(one, who) for one in found.odd),
        causes=tuple(public(one, who) for one in found.causes),
        since=since(last, found) if last else None,
        seconds=round(time.perf_counter() - began, 3),
    )
    for name, file in outputs:
        write_or_exit(file, _text(name, found, options), private=True)
    write(_text(options.format, found, options))
    if not act(given, found, options):
        return 2
    if found.counts.get("findings"):
        return 1
    return 2 if found.counts.get("unknown") or found.unreached else 0


def judge_for(options: Options, profile: ProfileName | None, *, by_node: bool) -> Judge:
    """Return who judges by these options."""

    def report(snapshot: Snapshot, name: ProfileName) -> Report:
        held = options._replace(profile=name)
        return report_for(snapshot, held, _checks(options, name), time.perf_counter())

    return Judge(partial(_checks, options), report, why_unknown, profile, by_node=by_node)


@cache
def _checks(options: Options, name: ProfileName) -> tuple[Check, ...]:
    return options._replace(profile=name).checks()


def _text(name: str, found: Fleet, options: Options) -> str:
    if name == "terminal":
        return shown.render(found, screen(), verbose=options.verbose, quiet=options.quiet)
    if name == "json":
        return as_json(found)
    return str(getattr(shown, name)(found))


def _jobs(given: Namespace) -> tuple[str, Generator[Job]]:
    """Return engine and replies, by the one that is named; exits with 2 where none or several are."""
    named = [name for name in ENGINES if getattr(given, name) is not None]
    if len(named) + bool(given.files) != 1:
        several = " and ".join(f"--{name}" for name in ["from"] * bool(given.files) + named)
        what = f"{several} are named" if named else "no machines are named"
        misuse(what, f"take one of --from, {', '.join(f'--{name}' for name in ENGINES)}")
    if given.files:
        return "files", _files(given.files)
    smoke = ("--smoke",) * given.smoke
    how = How(
        ("snapshot", "--profile", given.profile or "node", "--keep-host", *smoke),
        given.doctor,
        given.timeout,
        given.at_once,
        given.image or IMAGE,
    )
    if named != ["kubernetes"] and (given.manifest or given.image):
        misuse("--manifest and --image are for pods", "add --kubernetes")
    if named == ["kubernetes"] and (given.manifest or not shutil.which("kubectl")):
        from tunedoctor.fleet.kubernetes import by_hand  # noqa: PLC0415  as an engine

        manifest, commands = by_hand(given.kubernetes, how)
        write(manifest)
        missing = "" if given.manifest else "doctor: no kubectl is on PATH\n"
        sys.stderr.write(f"{missing}{commands}")
        sys.exit(2 if missing else 0)
    engine = import_module(f"tunedoctor.fleet.{named[0]}")
    return named[0], (one for one in engine.collect(getattr(given, named[0]), how))


def _files(sources: tuple[str, ...]) -> Generator[Job]:
    """Yield name and path of each file, those in folders and below by name, and each line of stdin."""
    for source in sources:
        if source == "-":
            yield from _lines()
        elif os.path.isdir(source):  # noqa: PTH112  never raises
            for folder, folders, names in os.walk(source):
                folders[:] = sorted(name for name in folders if not name.startswith("."))
                yield from (
                    (n[:-5], str(Path(folder, n))) for n in sorted(names) if n.endswith(".json")
                )
        else:
            yield Path(source).stem, source


def _lines() -> Generator[Reply]:
    with opened("-") as stream:
        for number in count(1):
            if not (line := stream.readline(LARGEST + 1)):
                return
            if line.strip():
                yield Reply(f"line-{number}", line)
            while len(line) > LARGEST and not line.endswith(
                b"\n"
            ):  # the rest of one that is too long
                line = stream.readline(LARGEST + 1)


def _last(file: str) -> Fleet:
    way_out = "doctor fleet --format json writes one"
    data = read_input(file, _LARGEST_LAST, way_out)
    wrong = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
    with refusing(wrong, way_out, f"{file} is no former answer: "):
        return msgspec.json.decode(data, type=Fleet)


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
