"""doctor fleet: ask many machines through an engine such as Slurm, or read files; judge and compare them."""

import gc
import os
import sys
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from functools import cache, partial
from importlib import import_module
from pathlib import Path

import msgspec
from msgspec.structs import replace

from tunedoctor.cli.acting import act, fresh
from tunedoctor.cli.command_options import FleetOptions
from tunedoctor.cli.formats import outputs_of
from tunedoctor.cli.options import Options
from tunedoctor.cli.output import screen, write
from tunedoctor.cli.progress import Spinner, spinner
from tunedoctor.core.check import judge
from tunedoctor.core.criteria import Criteria
from tunedoctor.core.errors import misuse, refusing
from tunedoctor.core.files import opened, read_input, write_file
from tunedoctor.diagnosis.gate import ProfileName
from tunedoctor.diagnosis.redaction import public, this_identity
from tunedoctor.diagnosis.report import Report
from tunedoctor.fleet.answer import Fleet, natural, since
from tunedoctor.fleet.job import hang_up_ends
from tunedoctor.fleet.judge import Job, Judge, plain
from tunedoctor.fleet.many import fleet_of, judged
from tunedoctor.fleet.reply import IMAGE, How, Reply
from tunedoctor.model.findings import Check
from tunedoctor.model.snapshot import LARGEST, Snapshot
from tunedoctor.probes.resources import processors
from tunedoctor.render import fleet as shown
from tunedoctor.render.formats.line import worst_of
from tunedoctor.render.formats.words import OF_NODE, grave, group_of, owner, why_unknown
from tunedoctor.render.screen import as_json
from tunedoctor.smoke.result import OF_SNAPSHOT
from tunedoctor.system.programs import find_program

ENGINES = ("slurm", "ray", "kubernetes", "ssh")
"""Options, and modules of `fleet/` whose `collect` asks the nodes: what is misuse is their ValueError or OSError."""
_LARGEST_LAST = 256 << 20
"""Bytes of a former answer: one of 40,000 nodes has about 15 MB."""
_TEXTS = {"html": shown.html, "prometheus": shown.prometheus, "line": shown.line}
_LONG = f"skipped a line of more than {LARGEST >> 20} MiB; a snapshot has about 0.1"
_WRITES = "doctor fleet --format json writes one"
_TELLS = "doctor explain fleet says how to name machines"


def run_fleet(given: FleetOptions) -> int:
    """Judge many machines; returns the exit code: 1 for findings, else 2 if one was not reached or is undecided."""
    check_combinations(given)
    began, last = time.perf_counter(), None
    options = Options.of(given)
    criteria = options.criteria._replace(require_environment=given.profile == "project")
    options = options._replace(criteria=criteria)
    files = outputs_of("fleet", given.output)
    outputs = (("", options.format), *((file, name) for name, file in files))
    if given.last:
        data = read_input(given.last, _LARGEST_LAST, _WRITES)
        bad = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
        with refusing(bad, _WRITES, f"{given.last} is not an earlier result: "):
            last = msgspec.json.decode(data, type=Fleet)
        was = (
            replace(one, node=plain(one.node), findings=tuple(map(plain, one.findings)))
            for one in last.nodes
        )
        last = replace(last, taken=plain(last.taken), nodes=tuple(was))
    checks = _checks(criteria, given.profile or "project")  # exits here on an unknown id
    make = partial(judge_for, criteria, given.profile or None, by_node=bool(given.files))
    gc.enable()  # main turns it off for short runs
    with refusing((OSError, ValueError), _TELLS), spinner() as one:
        engine, jobs = _jobs(given)
        with closing(jobs):  # who is still asked ends with it
            rows = judged(_shown(fresh(jobs, given, options), one), make, processors())
    if not rows:
        what = f"no snapshot found in {' and '.join(given.files)}: names end in .json or .jsonl"
        if set(given.files) == {"-"}:
            what = "no snapshot on standard input; each line must be one"
        misuse(what if given.files else "no machines were found", _TELLS)
    found, who = fleet_of(rows, engine, checks), this_identity()
    found = replace(
        found,
        odd=tuple(replace(public(o, who), node=o.node, nodes=o.nodes) for o in found.odd),
        causes=tuple(replace(c, finding=public(c.finding, who)) for c in found.causes),
        since=since(last, found) if last else None,
        seconds=round(time.perf_counter() - began, 3),
    )
    for file, name in reversed(outputs):
        text = as_json(found) if name == "json" else _TEXTS[name](found) if name in _TEXTS else ""
        if file:
            write_file(file, text, private=True)
        else:
            write(
                text or shown.render(found, screen(), verbose=options.verbose, quiet=options.quiet)
            )
    if not act(given, found, options):
        return 2
    doubtful = found.counts.get("unknown") or found.unreached
    return 1 if found.counts.get("findings") else 2 if doubtful else 0


def _shown(jobs: Iterable[Job], one: Spinner) -> Iterator[Job]:
    for number, job in enumerate(jobs, 1):
        one.step([f"machines, {number:,}"])
        yield job


def judge_for(criteria: Criteria, profile: ProfileName | None, *, by_node: bool) -> Judge:
    """Return who judges by these criteria."""

    def report(snapshot: Snapshot, name: ProfileName) -> Report:
        return judge(snapshot, criteria._replace(profile=name), _checks(criteria, name))

    fails = criteria.gate().fails

    def why(report: Report) -> str:
        counts = [one for one in report.findings if not one.accepted and fails(one.severity)]
        own = [one for one in counts if owner(one) == "node"]
        if report.verdict != "findings":
            return why_unknown(report)
        untold = [id_ for id_ in grave(report) if group_of(id_) in OF_NODE] if not own else []
        return ("not told: {}; ".format(*untold) if untold else "") + worst_of(own or counts)

    return Judge(partial(_checks, criteria), report, why, profile, by_node=by_node)


@cache
def _checks(criteria: Criteria, name: ProfileName) -> tuple[Check, ...]:
    checks = criteria._replace(profile=name).checks()
    return checks if criteria.only or name == "node" else (*checks, OF_SNAPSHOT)


def _jobs(given: FleetOptions) -> tuple[str, Generator[Job]]:
    """Return the engine that the options name, and its replies; exit with 2 if none or several are named."""
    named = [name for name in ENGINES if getattr(given, name) is not None]
    if len(named) + bool(given.files) != 1:
        several = " and ".join(f"--{name}" for name in ["from"] * bool(given.files) + named)
        what = f"{several} are named" if named else "no machines are named"
        misuse(what, f"use one of --from, {', '.join(f'--{name}' for name in ENGINES)}")
    if named != ["kubernetes"] and (given.manifest or given.image):
        misuse("--manifest and --image are for pods", "add --kubernetes")
    if given.files:
        return "files", _files(given.files)
    profile = "project" if given.smoke else given.profile or "node"
    words = ("snapshot", "--profile", profile, "--keep-host", *["--smoke"] * given.smoke)
    how = How(words, given.doctor, given.timeout, given.at_once, given.image or IMAGE)
    if named == ["kubernetes"] and (given.manifest or not find_program("kubectl", os.environ)):
        from tunedoctor.fleet.kubernetes import by_hand  # noqa: PLC0415  as an engine

        manifest, commands = by_hand(given.kubernetes or "", how)
        write(manifest)
        missing = "" if given.manifest else "doctor: no kubectl is on PATH\n"
        sys.stderr.write(f"{missing}{commands}")
        sys.exit(2 if missing else 0)
    hang_up_ends()
    collect = import_module(f"tunedoctor.fleet.{named[0]}").collect
    return named[0], (one for one in collect(getattr(given, named[0]), how))


def _files(sources: tuple[str, ...]) -> Generator[Job]:
    """Yield name and path of each file, those in folders and below by name, and each line of stdin."""
    for source in sources:
        if source == "-":
            yield from _lines("line", source)
        elif os.path.isdir(source):  # noqa: PTH112  never raises
            for folder, folders, names in os.walk(source):
                folders[:] = sorted((n for n in folders if not n.startswith(".")), key=natural)
                for name in sorted(names, key=natural):
                    if name.endswith((".json", ".jsonl")):
                        yield from _file(str(Path(folder, name)))
        else:
            yield from _file(source)


def _file(place: str) -> Iterator[Job]:
    name, several = Path(place).stem, place.endswith(".jsonl") and Path(place).is_file()
    yield from _lines(name, place) if several else ((name, place),)


def _lines(name: str, place: str) -> Iterator[Reply]:
    """Yield each line that is not empty."""
    with opened(place) as stream:
        for number, line in enumerate(iter(partial(stream.readline, LARGEST + 1), b""), 1):
            rest = line
            while len(rest) > LARGEST and not rest.endswith(b"\n"):
                rest = stream.readline(LARGEST + 1)
            if not line.isspace():
                yield Reply(f"{name}-{number}", line, "" if rest is line else _LONG)


def check_combinations(options: FleetOptions) -> None:
    """Exit with 2 if options contradict each other or one lacks another."""
    if options.files and (
        options.ssh
        or options.smoke
        or options.doctor
        or options.timeout != 120.0
        or options.at_once != 64
    ):
        misuse("--from judges files", "leave out --ssh, --smoke, --doctor, --timeout and --at-once")
    if options.smoke and options.profile:
        misuse("--smoke trains in the environment that each node has", "leave out --profile")
    if (options.drain or options.undrain) and (
        options.cordon or options.uncordon or options.label or options.unlabel
    ):
        misuse(
            "--drain and another action are both given", "ask for one at a time, and what undoes it"
        )
    if (options.cordon or options.uncordon) and (options.label or options.unlabel):
        misuse(
            "--cordon and another action are both given",
            "ask for one at a time, and what undoes it",
        )
    if options.max_age != 1.0 and not options.files:
        misuse("--max-age needs --from", "add --from")
    if (options.yes or options.at_most is not None or options.max_age != 1.0) and not (
        options.drain
        or options.undrain
        or options.cordon
        or options.uncordon
        or options.label
        or options.unlabel
    ):
        misuse("--yes, --at-most and --max-age need an action", "add --drain or another action")
    if (options.undrain or options.uncordon or options.unlabel) and (options.only or options.skip):
        misuse("a partial check cannot show that a node is ready", "leave out --only and --skip")
