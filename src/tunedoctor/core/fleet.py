"""Check many machines: ask them with an existing tool or read files, judge each, and find the outliers."""

import os
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from functools import cache, partial
from importlib import import_module
from os import PathLike, fspath
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from tunedoctor.core.arguments import (
    FailOnArgument,
    OnlyArgument,
    Place,
    SkipArgument,
    StrictArgument,
    options_of,
    public,
)
from tunedoctor.core.check import judge
from tunedoctor.core.criteria import NO_SETTINGS, Criteria, find_settings
from tunedoctor.core.errors import misuse, refusing
from tunedoctor.core.files import opened, read_input
from tunedoctor.core.interaction import SILENT, Interaction, Progress
from tunedoctor.diagnosis.gate import ProfileName
from tunedoctor.diagnosis.redaction import public as redacted
from tunedoctor.diagnosis.redaction import this_identity
from tunedoctor.diagnosis.report import Report
from tunedoctor.diagnosis.summary import (
    OF_NODE,
    grave,
    group_of,
    owner,
    summary,
    why_unknown,
    worst,
)
from tunedoctor.fleet.judge import Job, Judge, NodeCause, VerdictReason, plain
from tunedoctor.fleet.many import Evaluation, evaluate, judge_all
from tunedoctor.fleet.reply import IMAGE, CollectOptions, Reply
from tunedoctor.fleet.report import FleetReport, natural, since
from tunedoctor.model.findings import Check
from tunedoctor.model.snapshot import LARGEST, Snapshot
from tunedoctor.smoke.result import OF_SNAPSHOT

ENGINES = ("slurm", "ray", "kubernetes", "ssh")
"""Options, and modules of `fleet/` whose `collect` asks the nodes; it raises ValueError or OSError on misuse."""
_LARGEST_LAST = 256 << 20
"""Bytes of an earlier result: one of 40,000 nodes has about 15 MB."""
_LONG = f"skipped a line of more than {LARGEST >> 20} MiB; a snapshot has about 0.1"
_WRITES = "doctor fleet --format json writes one"
_TELLS = "doctor explain fleet says how to name machines"


class Machines(msgspec.Struct, frozen=True, kw_only=True):
    """Which machines are judged, and how they are asked: exactly one of the first five names them."""

    files: tuple[str, ...] = ()
    """Snapshots or reports as JSON, folders of them, or "-" for lines of JSON on stdin."""
    slurm: str | None = None
    """A partition or a list of nodes; "" for all."""
    ray: str | None = None
    """The address of a cluster; "" for the one that Ray finds."""
    kubernetes: str | None = None
    """A label selector; "" for all nodes."""
    ssh: str | None = None
    """Hosts separated by commas, or @FILE."""
    profile: Literal["node", "project"] | None = None
    smoke: bool = False
    """Each node trains a tiny model."""
    doctor: str = ""
    """Path of doctor on the nodes; "": it is sent along."""
    timeout: Annotated[float, Meta(ge=1, le=86400)] = 120.0
    """Seconds for one node."""
    at_once: Annotated[int, Meta(ge=1, le=4096)] = 64
    image: str = ""
    """For pods: an image that contains doctor."""

    @property
    def how(self) -> CollectOptions:
        """The settings for asking each node."""
        profile = "project" if self.smoke else self.profile or "node"
        words = ("snapshot", "--profile", profile, "--keep-host", *["--smoke"] * self.smoke)
        return CollectOptions(words, self.doctor, self.timeout, self.at_once, self.image or IMAGE)


class PodManifest(NamedTuple):
    """The manifest and commands with which a user examines nodes of Kubernetes."""

    manifest: str
    """A Job for one node, as JSON."""
    commands: str
    """Lines that run it on all nodes and read the results."""


@public
def check_fleet(  # noqa: PLR0913  the options of the command
    files: Sequence[str | PathLike[str]] = (),
    *,
    slurm: str | None = None,
    ray: str | None = None,
    kubernetes: str | None = None,
    ssh: str | None = None,
    profile: Literal["node", "project"] | None = None,
    smoke: bool = False,
    doctor: str = "",
    timeout: float = 120.0,
    at_once: int = 64,
    image: str = "",
    last: Place = None,
    only: OnlyArgument = (),
    skip: SkipArgument = (),
    plugins: Sequence[str] = (),
    fail_on: FailOnArgument = None,
    strict: StrictArgument = False,
    config: Place = None,
    jobs: int = 1,
    interaction: Interaction = SILENT,
) -> FleetReport:
    """Check many machines: what is wrong, which ones differ, and why.

    `files` are snapshots or reports as JSON, or folders of them; or one of `slurm`, `ray`, `kubernetes` and `ssh` names
    machines to ask. `last`: a file with an earlier result, to report what changed. `config`: a file of settings and
    policy. `jobs`: processes that judge; with more than one, a script needs `if __name__ == "__main__"`.
    """
    settings = NO_SETTINGS if config is None else find_settings(fspath(config))
    criteria = Criteria.over(
        settings,
        only=tuple(only),
        skip=tuple(skip),
        plugins=tuple(plugins),
        fail_on=fail_on,
        strict=strict,
        require_environment=profile == "project",
    )
    machines = options_of(
        Machines,
        files=tuple(fspath(file) for file in files),
        slurm=slurm,
        ray=ray,
        kubernetes=kubernetes,
        ssh=ssh,
        profile=profile,
        smoke=smoke,
        doctor=doctor,
        timeout=timeout,
        at_once=at_once,
        image=image,
    )
    earlier = read_report(fspath(last)) if last is not None else None
    return examine_fleet(
        machines, criteria, last=earlier, processes=jobs, interaction=interaction
    ).report


def examine_fleet(  # noqa: PLR0913  each is of one fleet
    machines: Machines,
    criteria: Criteria,
    *,
    last: FleetReport | None = None,
    accept: Callable[[Iterable[Job]], Iterable[Job]] = iter,
    processes: int = 1,
    began: float | None = None,
    interaction: Interaction = SILENT,
) -> Evaluation:
    """Ask or read the machines, judge each, and return the report, redacted, and each node's own worst cause.

    `accept` passes replies on, or replaces them by a problem. `began`: time.perf_counter at the start of the work.
    """
    began = time.perf_counter() if began is None else began
    checks = checks_of(criteria, machines.profile or "project")  # an unknown id is reported first
    make = partial(judge_for, criteria, machines.profile, by_node=bool(machines.files))
    with refusing((OSError, ValueError), _TELLS), interaction.progress() as progress:
        engine, jobs = _collect(machines)
        with closing(jobs):  # what still asks nodes ends with it
            rows = judge_all(_with_progress(accept(jobs), progress), make, processes)
    if not rows:
        what = f"no snapshot found in {' and '.join(machines.files)}: names end in .json or .jsonl"
        if set(machines.files) == {"-"}:
            what = "no snapshot on standard input; expected one per line"
        misuse(what if machines.files else "no machines were found", _TELLS)
    evaluation, who = evaluate(rows, engine, checks), this_identity()
    report = evaluation.report
    report = replace(
        report,
        odd=tuple(replace(redacted(o, who), node=o.node, nodes=o.nodes) for o in report.odd),
        causes=tuple(replace(c, finding=redacted(c.finding, who)) for c in report.causes),
        since=since(last, report) if last else None,
        seconds=round(time.perf_counter() - began, 3),
    )
    return evaluation._replace(report=report)


def read_report(file: str) -> FleetReport:
    """Return an earlier result from a file of JSON, with clean names. Raises DoctorError."""
    data = read_input(file, _LARGEST_LAST, _WRITES)
    bad = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
    with refusing(bad, _WRITES, f"{file} is not an earlier result: "):
        last = msgspec.json.decode(data, type=FleetReport)
    nodes = (
        replace(node, node=plain(node.node), findings=tuple(map(plain, node.findings)))
        for node in last.nodes
    )
    return replace(last, taken=plain(last.taken), nodes=tuple(nodes))


def pod_manifest(machines: Machines) -> PodManifest:
    """Return what a user applies by hand, if kubectl is elsewhere. Raises DoctorError for an invalid selector."""
    from tunedoctor.fleet.kubernetes import by_hand  # noqa: PLC0415  as an engine

    with refusing((OSError, ValueError), _TELLS):
        return PodManifest(*by_hand(machines.kubernetes or "", machines.how))


def engine_of(machines: Machines) -> str:
    """Return what names the machines: "files", or one of ENGINES. Raises DoctorError if none or several do."""
    engines = [name for name in ENGINES if getattr(machines, name) is not None]
    if len(engines) + bool(machines.files) != 1:
        several = " and ".join(f"--{name}" for name in ["from"] * bool(machines.files) + engines)
        what = f"{several} are named" if engines else "no machines are named"
        misuse(what, f"take one of --from, {', '.join(f'--{name}' for name in ENGINES)}")
    if machines.smoke and machines.profile:
        misuse("--smoke trains in the environment that each node has", "leave out --profile")
    if engines != ["kubernetes"] and machines.image:
        misuse("--manifest and --image are for pods", "add --kubernetes")
    return engines[0] if engines else "files"


def judge_for(criteria: Criteria, profile: ProfileName | None, *, by_node: bool) -> Judge:
    """Return a judge that uses these criteria; without a profile, that of each snapshot.

    `by_node`: it uses a machine's name in its cluster, if it has one.
    """

    def report(snapshot: Snapshot, name: ProfileName) -> Report:
        return judge(snapshot, criteria._replace(profile=name), checks_of(criteria, name))

    fails = criteria.gate().fails

    def reason(report: Report) -> VerdictReason:
        if report.verdict != "findings":
            return VerdictReason(why_unknown(report))
        counts = [
            finding
            for finding in report.findings
            if not finding.accepted and fails(finding.severity)
        ]
        own = [finding for finding in counts if owner(finding) == "node"]
        cause = worst(own or counts)
        undecided = [id_ for id_ in grave(report) if group_of(id_) in OF_NODE]
        if undecided and not own:  # the node itself could be at fault
            return VerdictReason(f"not told: {undecided[0]}; {summary(cause)}")
        return VerdictReason(summary(cause), NodeCause(cause.id, owner(cause)) if cause else None)

    return Judge(partial(checks_of, criteria), report, reason, profile, by_node=by_node)


@cache
def checks_of(criteria: Criteria, profile: ProfileName) -> tuple[Check, ...]:
    """Return the checks for machines of a profile. Raises DoctorError for an unknown id."""
    checks = criteria._replace(profile=profile).checks()
    return checks if criteria.only or profile == "node" else (*checks, OF_SNAPSHOT)


def _collect(machines: Machines) -> tuple[str, Generator[Job]]:
    """Return the engine, and the replies as they come."""
    engine = engine_of(machines)
    if engine == "files":
        return engine, _files(machines.files)
    collect = import_module(f"tunedoctor.fleet.{engine}").collect
    return engine, (reply for reply in collect(getattr(machines, engine), machines.how))


def _with_progress(jobs: Iterable[Job], progress: Progress) -> Iterator[Job]:
    for number, job in enumerate(jobs, 1):
        progress.step([f"machines, {number:,}"])
        yield job


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
    """Yield each line that holds something."""
    with opened(place) as stream:
        for number, line in enumerate(iter(partial(stream.readline, LARGEST + 1), b""), 1):
            rest = line
            while len(rest) > LARGEST and not rest.endswith(b"\n"):
                rest = stream.readline(LARGEST + 1)
            if not line.isspace():
                yield Reply(f"{name}-{number}", line, "" if rest is line else _LONG)
