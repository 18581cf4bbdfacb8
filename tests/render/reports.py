"""Reports to draw: machines of the museum, and what no recorded one has."""

from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace
from museum import altered, snapshot_of

from tunedoctor.diagnosis import report as reporting
from tunedoctor.diagnosis.engine import diagnose
from tunedoctor.diagnosis.registry import all_checks
from tunedoctor.facts import GpuProcess, Knowledge, Nearby, NvidiaGpus
from tunedoctor.facts.target import NO_ENVIRONMENT
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.render.formats import ReportView

HOSTILE = "</script></style>-->\"'<script>alert(1)</script><img src=//x.invalid/a onerror=alert(2)>\x1b[2J\u202e\u2066&amp;{{7*7}}"
SMOKE = msgspec.json.decode(
    Path(__file__).with_name("smoke.json").read_bytes(), type=reporting.ReportSmoke
)
SMOKE = replace(SMOKE, losses=(float("inf"), *SMOKE.losses))


def report_on(case: str | Snapshot, **fields: Any) -> reporting.Report:
    snapshot = snapshot_of(case) if isinstance(case, str) else case
    snapshot = snapshot.having(Knowledge(date="2026-11-24", days=5, source="shipped"))
    checks = all_checks()
    found = reporting.report_of(snapshot, diagnose(snapshot, checks), checks, seconds=0.21)
    about = {"host": "node-17.cluster", "taken": "2026-11-29T23:48:50+00:00", "node": "gpu-a17"}
    return replace(found, **{**about, **fields})


def eight() -> reporting.Report:
    """Return a healthy node of eight GPUs, two of them in use, after a tiny training."""
    gib = 1 << 30

    def more(gpus: tuple[Any, ...]) -> tuple[Any, ...]:
        made = [
            replace(gpus[0], index=i, memory_free=(80 * gib) - (i + 1) * (1 << 28))
            for i in range(8)
        ]
        made[2] = replace(made[2], memory_free=18 * gib, processes=(
            GpuProcess(pid=81234, name="python3", memory=41 * gib),
            GpuProcess(pid=81299, name="/opt/conda/envs/very-long-environment/bin/ray::Worker", memory=18 * gib)))  # fmt: skip
        made[5] = replace(
            made[5], memory_free=70 * gib, processes=(GpuProcess(pid=9, name="jupyter"),)
        )
        made[7] = replace(made[7], memory_free=None)
        return tuple(made)

    machine = altered(snapshot_of("healthy-h100-nvswitch"), NvidiaGpus, gpus=more)
    return report_on(machine, smoke=SMOKE, profile="project", policy="/srv/fleet/doctor.toml")


def hostile() -> reporting.Report:
    """Return a report in which every text is an attack, and long."""
    one = reporting.ReportFinding(
        id="x-" + "y" * 90, severity="error", title=HOSTILE, found=HOSTILE + "/very/long" * 60, means=HOSTILE,
        cure=reporting.ReportCure(kind="command", command=f"rm {HOSTILE} " + "a" * 400, note=HOSTILE),
        evidence=(HOSTILE,), explains=("b",))  # fmt: skip
    below = replace(one, id="b", explains=())
    report = report_on("gpu-memory-held", host=HOSTILE, node=HOSTILE, policy=HOSTILE, smoke=SMOKE)
    gpu = replace(
        report.machine.gpus[0],
        name=HOSTILE,
        processes=(GpuProcess(pid=1, name=HOSTILE, memory=1 << 50),),
    )
    machine = replace(report.machine, gpus=(gpu,), driver=HOSTILE)
    target = replace(report.target, asked=HOSTILE, packages={HOSTILE: HOSTILE})
    both = {
        "findings": (one, replace(one, id="c", accepted=HOSTILE, explains=())),
        "symptoms": (below,),
    }
    rest = {name: {HOSTILE: HOSTILE} for name in ("unknown", "skipped", "needs")}
    return replace(report, machine=machine, target=target, **both, **rest)


def several() -> reporting.Report:
    """Return a broken machine with several causes, one of them accepted."""
    report = report_on("gpu-memory-held")
    more = report_on("rosetta-python"), report_on("conda-mkl-2024.1")
    causes = (*report.findings, *more[0].findings, *more[1].findings)
    why = "ignored until 2027-03-01 by /srv/fleet/doctor.toml: the card is on order"
    causes = tuple(
        replace(one, accepted=why) if one.id == "vram-too-small" else one for one in causes
    )
    order = ("error", "warning", "note")
    unique = sorted(
        {one.id: one for one in causes}.values(), key=lambda one: order.index(one.severity)
    )
    unknown = {
        **dict.fromkeys(("xid", "oom"), "this user can't read the kernel log"),
        "disk": "no answer in 3 s",
    }
    both = {"findings": tuple(unique), "symptoms": more[0].symptoms}
    return replace(report, verdict="findings", unknown=unknown, **both)


def nowhere() -> reporting.Report:
    """Return the report of a machine without an environment to look at."""
    near = (
        Nearby(path="~/llm/.venv", python="3.12.3", torch="2.9.1"),
        Nearby(path="~/old", python="3.9.2"),
    )
    way = "doctor check --target ~/llm/.venv looks at it"
    target = reporting.ReportTarget(chosen_by="none", nearby=near, own="~/doctor")
    report = report_on("healthy-rtx4090", verdict="unknown", next=way, target=target)
    return replace(
        report, skipped={**report.skipped, **dict.fromkeys(report.passed[:9], NO_ENVIRONMENT)}
    )


def told(report: reporting.Report) -> ReportView:
    return ReportView(report=report, code=reporting.exit_code(report))


def drawn() -> dict[str, ReportView]:
    reports = {
        "eight": eight(),
        "several": several(),
        "nowhere": nowhere(),
        "cpu": report_on("healthy-cpu-server"),
        "apple": report_on("healthy-apple-silicon"),
        "hostile": hostile(),
        "old": report_on("python-3.8-bare"),
    }
    return {name: told(one) for name, one in reports.items()}
