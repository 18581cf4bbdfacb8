"""The report of a diagnosis: plain data for all renderers and scripts. Published as a JSON Schema."""

import shlex
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Annotated, Literal

import msgspec

from tunedoctor import __version__
from tunedoctor import facts as kinds
from tunedoctor.diagnosis.agreement import cures_shown, symptoms_of
from tunedoctor.diagnosis.areas import ReportArea, areas_of
from tunedoctor.diagnosis.engine import DiagnosedFinding, Diagnosis
from tunedoctor.diagnosis.gate import Gate, ProfileName, profile, raised
from tunedoctor.diagnosis.hosted import hosted_notebook
from tunedoctor.diagnosis.leads import ReportSuspect, ask, doubtful, suspected
from tunedoctor.diagnosis.registry import all_fixes
from tunedoctor.diagnosis.similar import ReportCase, similar_cases
from tunedoctor.model.findings import AnyCureStep, Check, Cure, Severity, Who
from tunedoctor.model.lazy import pattern
from tunedoctor.model.machine import GPUS, gpus_of
from tunedoctor.model.plan import Fix
from tunedoctor.model.snapshot import Facts, Snapshot
from tunedoctor.model.wording import gib, name_counts
from tunedoctor.tables.load import table
from tunedoctor.wheels.rules import driver_floor

Verdict = Literal["ready", "findings", "unknown"]
_BY_SIGNAL = pattern(
    r"exitcode\s{0,4}[:=] ?-\d|[Ss]ignal \d{1,2} \(SIG[A-Z]{3,4}\)|[Ss]egmentation fault|\(core dumped\)"
    r"|exits with return code = -\d"
)
"""How launchers and shells report a process that was ended by a signal."""


class ReportCure(msgspec.Struct, frozen=True, kw_only=True):
    """The fix of a finding."""

    kind: Literal["command", "advice"]
    command: str
    """A shell line generated from the steps; for advice, its text."""
    note: str = ""
    """What it costs, or what else to know."""
    who: Who = "user"
    steps: tuple[AnyCureStep, ...] = ()


class ReportDeclaration(msgspec.Struct, frozen=True, kw_only=True):
    """The line in the project's files that requires the wrong version."""

    file: str
    """Relative to the working folder if it is inside of it."""
    line: int
    text: str
    """The requirement as it is written there: "numpy<2"."""


class ReportFinding(msgspec.Struct, frozen=True, kw_only=True):
    """A finding in a report."""

    id: str
    severity: Severity
    title: str
    found: str
    means: str
    cure: ReportCure
    settle: str = ""
    """Set if the cause is only suspected: the command that settles it. "" if it is proved."""
    explains: tuple[str, ...] = ()
    """Ids of the findings in this report that follow from it."""
    evidence: tuple[str, ...] = ()
    declared: ReportDeclaration | None = None
    """Where the project asks for it; None if no file does."""
    accepted: str = ""
    """Why it does not count for the verdict: in the baseline, or ignored until a date; "" if it counts."""


class ReportTarget(msgspec.Struct, frozen=True, kw_only=True):
    """The Python environment that was examined."""

    asked: str = ""
    chosen_by: str = ""
    python: str = ""
    """Path of the interpreter."""
    version: str = ""
    kind: str = ""
    packages: dict[str, str] = {}
    """Versions of the installed libraries of the stack."""
    nearby: tuple[kinds.Nearby, ...] = ()
    """If `chosen_by` is "none" and only the machine was examined: environments that may be meant, at most six."""
    own: str = ""
    """Doctor's own environment, if it is one of those that were found."""


class ReportGpu(msgspec.Struct, frozen=True, kw_only=True):
    """A GPU of the machine."""

    vendor: Literal["nvidia", "amd", "intel", "apple"]
    name: str
    memory: int | None = None
    """Bytes."""
    target: str = msgspec.field(default="", name="capability")
    """Compute capability or gfx target."""
    room: int | None = None
    """Bytes that a training can use if nothing else runs, shared RAM included; null if unknown."""
    free: int | None = None
    """Bytes that other programs leave of that; null if the driver does not report it."""
    processes: tuple[kinds.GpuProcess, ...] = ()
    """Programs that use its memory."""


class ReportMachine(msgspec.Struct, frozen=True, kw_only=True):
    """The machine that was examined."""

    system: str = ""
    architecture: str = ""
    ram: int | None = None
    """Bytes that a process can use, limited by the control group."""
    gpus: tuple[ReportGpu, ...] = ()
    gpus_known: bool = True
    """False if it is unknown which GPUs exist."""
    driver: str = ""
    """Version of the NVIDIA driver."""
    described: str = ""
    """A machine that is not here, in words: "RTX 5090, driver 570.86, linux, Python 3.12"; "" for a real one."""


class ReportSmoke(msgspec.Struct, frozen=True, kw_only=True):
    """A tiny training run that was part of the check."""

    verdict: Verdict
    device: str = ""
    device_name: str = ""
    losses: tuple[float, ...] = ()
    """Nats per token, by step."""
    tokens_per_second: float | None = None
    peak: int | None = None
    """Bytes: reserved on the device; on the CPU, those of the whole process."""
    stages: tuple[kinds.Stage, ...] = ()
    """With seconds."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The report that `doctor check --format json` prints."""

    schema: Literal["doctor.report/1"] = "doctor.report/1"
    doctor: str = __version__
    verdict: Verdict
    target: ReportTarget
    machine: ReportMachine
    findings: tuple[ReportFinding, ...]
    """Causes, worst first."""
    symptoms: tuple[ReportFinding, ...]
    """Findings that follow from a cause."""
    passed: tuple[str, ...]
    skipped: dict[str, str]
    """id -> why it does not apply to this machine."""
    unknown: dict[str, str]
    """id -> why it could not be decided."""
    suspected: tuple[ReportSuspect, ...] = ()
    """For a report: causes that its errors resemble besides the findings, likeliest first; three at most."""
    similar: tuple[ReportCase, ...] = ()
    """For a report: public threads about similar texts and what solved them, nearest first; three at most."""
    next: str = ""
    """What to run or to ask for next, if a report does not settle it or no environment was named."""
    knowledge: kinds.Knowledge | None = None
    """Age of the table of PyTorch wheels that the advice is based on; null: unknown."""
    remembered: str = ""
    """When the packages were imported, ISO 8601, if findings use an earlier deep check; "" if not."""
    seconds: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    """From start to verdict, by the clock."""
    taken: str = ""
    """When the facts were collected, ISO 8601."""
    host: str = ""
    """The machine's own name; "" in what is shared."""
    node: str = ""
    """Its name in its cluster (Slurm, Ray, Kubernetes); "" outside a cluster."""
    boot: str = ""
    """A hash of the kernel's boot id, which changes with each boot; "" if unknown."""
    profile: ProfileName = "project"
    """What was required of the machine: --profile."""
    policy: str = ""
    """The file with the policy that was checked; "" without one."""
    needs: dict[str, str] = {}
    """For an image: what its PyTorch wheel and the policy require of the machine it runs on: {"driver": ">=570.26"}."""
    smoke: ReportSmoke | None = None
    areas: tuple[ReportArea, ...] = ()
    """The overview: driver, GPU, memory ... each with the worst of its findings. () for a pasted report."""

    def _repr_html_(self) -> str:
        """Return what a notebook (Jupyter, Colab, Kaggle) shows: the report as HTML."""
        # the rooms that render are above this one, and only a notebook loads them through it
        module = import_module("tunedoctor.render.formats.html")
        return str(module.fragment(self))


def report_of(  # noqa: PLR0913  two of them are what the user asked for
    snapshot: Snapshot,
    diagnosis: Diagnosis,
    checks: Iterable[Check] = (),
    fixes: Callable[[], Iterable[Fix]] = all_fixes,
    *,
    gate: Gate = Gate(),  # noqa: B008  it is frozen
    seconds: float = 0.0,
    smoke: ReportSmoke | None = None,
) -> Report:
    """Combine a diagnosis and the main facts into a report.

    `checks`: those of the diagnosis, to say what the errors of an unclear report may mean. `fixes`: the available
    fixes, loaded only if a cure needs them. `gate`: what counts for the verdict.
    """
    diagnosis, checks = raised(diagnosis, gate.profile), tuple(checks)
    accepted = {cause.check.id: gate.accepts(cause) for cause in diagnosis.causes}
    verdict = _verdict(snapshot, diagnosis, gate, accepted)
    target, node = snapshot.find(kinds.Target), snapshot.find(kinds.Node)
    open_ = verdict == "unknown" and target is None
    leads = () if verdict == "ready" else suspected(snapshot, diagnosis, checks)
    similar = () if verdict == "ready" else similar_cases(snapshot, diagnosis, checks)
    cures = cures_shown(diagnosis, snapshot, fixes)
    shown_target, machine = _target(snapshot), machine_of(snapshot)
    summaries = _summaries(machine, shown_target, snapshot.find(kinds.Disks))
    return Report(
        verdict=verdict,
        target=shown_target,
        machine=machine,
        areas=areas_of(diagnosis, summaries) if target else (),
        findings=tuple(_finding(cause, cures, diagnosis, accepted) for cause in diagnosis.causes),
        symptoms=tuple(
            _finding(symptom, cures, diagnosis, {}) for symptom in symptoms_of(diagnosis)
        ),
        passed=diagnosis.passed,
        skipped=diagnosis.skipped,
        unknown=diagnosis.unknown,
        suspected=leads,
        similar=similar,
        next=ask(snapshot, diagnosis, leads) if open_ else _way_on(target, gate),
        knowledge=snapshot.find(kinds.Knowledge),
        remembered=getattr(snapshot.find(kinds.Runtime), "remembered", ""),
        seconds=round(seconds, 3),
        taken=snapshot.taken,
        host=node.host if node else "",
        node=node.name if node else "",
        boot=node.boot if node else "",
        profile=gate.profile,
        policy=gate.policy,
        needs={**_needs(snapshot), **gate.waits} if gate.profile == "image" else {},
        smoke=smoke,
    )


def _summaries(
    machine: ReportMachine, target: ReportTarget, disks: kinds.Disks | None
) -> dict[str, str]:
    """Return what the machine has, by area."""
    gpus = name_counts(
        name + (f" {gib(gpu.memory)}" if gpu.memory else "")
        for gpu in machine.gpus
        for name in [gpu.name.removeprefix("NVIDIA ").removeprefix("GeForce ")]
    )
    free = min((disk.free for disk in disks.disks), default=None) if disks else None
    libraries = ("torch", "transformers", "peft", "trl", "datasets")
    versions = [f"{name} {target.packages[name]}" for name in libraries if name in target.packages]
    place = target.asked or target.python
    return {
        "System": machine.system,
        "Driver": f"NVIDIA {machine.driver}" if machine.driver else "",
        "GPU": ", ".join(gpus) or ("none" if machine.gpus_known else "unknown"),
        "Memory": f"{gib(machine.ram)} RAM" if machine.ram else "",
        "Disk": f"{gib(free)} free" if free is not None else "",
        "Python": f"{target.version} in {place}" if target.version else "",
        "Libraries": ", ".join(versions),
    }


def _way_on(target: kinds.Target | None, gate: Gate) -> str:
    """Return what to run if no environment was named; "" if one was examined or none is needed."""
    needs_environment = profile(gate.profile).environment == "wanted"
    if target is None or target.chosen_by != "none" or not needs_environment:
        return ""
    if target.nearby:
        nearby = next((near for near in target.nearby if near.torch), target.nearby[0])
        return f"doctor check --target {shlex.quote(nearby.path)} checks it"
    return f"{kinds.makes(target.own)} creates one"


def exit_code(report: Report) -> int:
    """Return 0 for ready, 1 for findings, 2 for undecided."""
    return {"ready": 0, "findings": 1, "unknown": 2}[report.verdict]


def _verdict(
    snapshot: Snapshot, diagnosis: Diagnosis, gate: Gate, accepted: Mapping[str, str]
) -> Verdict:
    target = snapshot.find(kinds.Target)
    needs_environment = profile(gate.profile).environment == "wanted"
    if target and target.chosen_by == "none":
        # an image is judged by the PyTorch in it
        if needs_environment and (gate.require_environment or gate.profile == "image"):
            return "unknown"
    elif target and target.problem:
        return "unknown"
    counting = [cause for cause in diagnosis.causes if not accepted[cause.check.id]]
    if any(gate.fails(found.severity) for found in counting):
        return "findings"
    works = Facts(snapshot).runtime.gpu_works
    if (
        target is None
    ):  # a report has only some facts; a working GPU in it is all that can be expected
        sure = works and not _raised(snapshot) and not doubtful(snapshot)
    elif gate.unknown == "pass":
        sure = True
    else:
        machine = machine_of(snapshot)
        trains = (
            machine.gpus or machine.gpus_known or works
        )  # otherwise it is unknown what would train
        untold = diagnosis.unknown if gate.unknown == "fail" else diagnosis.blind
        sure = trains and not {*untold} - gate.ignored.keys()
    suspects = any(cause.finding.settle for cause in counting)
    return "ready" if sure and not suspects else "unknown"


def _raised(snapshot: Snapshot) -> bool:
    """Return whether a report shows an exception that ended something; then a working GPU does not settle it."""
    return any(
        error.type.endswith(("Error", "Exception")) or _BY_SIGNAL.search(error.text)
        for error in Facts(snapshot).errors.errors
    )


def _finding(
    diagnosed: DiagnosedFinding,
    cures: Mapping[str, Cure],
    of: Diagnosis,
    accepted: Mapping[str, str],
) -> ReportFinding:
    finding, cure = diagnosed.finding, cures[diagnosed.check.id]
    below = of.symptoms.get(diagnosed.check.id, ())
    # the fix of a symptom is that of its cause: a note on its own fix would contradict it
    note = (
        finding.cure_note
        if any(diagnosed.check.id == cause.check.id for cause in of.causes)
        else ""
    )
    return ReportFinding(
        id=diagnosed.check.id,
        severity=diagnosed.severity,
        title=diagnosed.title,
        found=finding.found,
        means=finding.means,
        cure=ReportCure(
            kind=cure.kind, command=cure.command, note=note, who=cure.who, steps=cure.steps
        ),
        settle=finding.settle,
        explains=tuple(symptom.check.id for symptom in below),
        evidence=finding.evidence,
        accepted=accepted.get(diagnosed.check.id, ""),
    )


def _target(snapshot: Snapshot) -> ReportTarget:
    facts = Facts(snapshot)
    target, interpreter = facts.target, facts.interpreter
    versions = {d.name: d.version for d in facts.packages.distributions}
    if facts.torch:
        versions["torch"] = facts.torch.version
    return ReportTarget(
        asked=target.asked,
        chosen_by=target.chosen_by,
        python=interpreter.executable,
        version=interpreter.version,
        kind=interpreter.kind if interpreter else "",
        nearby=target.nearby,
        own=target.own,
        packages={name: versions[name] for name in table("probes")["shown"] if name in versions},
    )


def machine_of(snapshot: Snapshot) -> ReportMachine:
    """Return the main facts of the machine."""
    facts = Facts(snapshot)
    gpus = [gpu for gpu in gpus_of(snapshot) if gpu.xpu is not False]
    system = facts.host.name + (f" in WSL {facts.host.wsl}" if facts.host.wsl else "")
    return ReportMachine(
        system=", ".join(filter(None, (system, hosted_notebook(facts)))),
        architecture=facts.host.machine,
        ram=facts.ram.usable if facts.ram else None,
        gpus=msgspec.convert(gpus, tuple[ReportGpu, ...], from_attributes=True),
        gpus_known=not any(isinstance(snapshot.get(kind), kinds.Unknown) for kind in GPUS),
        driver=facts.nvidia_driver.version,
    )


def _needs(snapshot: Snapshot) -> dict[str, str]:
    """Return what an image needs, as text: {"driver": ">=570.26", "GPU code": "sm_75 sm_80 …"}; {} without PyTorch."""
    torch = snapshot.find(kinds.TorchBuild)
    if torch is None:
        return {}
    result = {"torch": torch.version}
    if torch.cuda and (floor := driver_floor(torch.cuda, windows=False)):
        result["NVIDIA driver"] = f">={floor}"
    if torch.hip:
        result["ROCm driver"] = f"for ROCm {torch.hip}"
    if torch.archs:
        result["GPU code"] = " ".join(torch.archs)
    return result
