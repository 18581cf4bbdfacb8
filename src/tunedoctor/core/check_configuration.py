"""Judge the configuration of a training framework: alone, with this machine, or for another GPU."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from msgspec.structs import replace

from tunedoctor.core.configuration import require_framework_configuration
from tunedoctor.core.errors import misuse
from tunedoctor.core.examined import Examined
from tunedoctor.core.models import cards_near
from tunedoctor.diagnosis.report import Report, ReportDeclaration, ReportFinding
from tunedoctor.facts import (
    Absent,
    AmdGpu,
    AmdGpus,
    AppleGpu,
    Fact,
    IntelGpu,
    NvidiaGpu,
    NvidiaGpus,
    Packages,
    Target,
    Unknown,
)
from tunedoctor.frameworks.detect import Configuration
from tunedoctor.frameworks.huggingface import text_of
from tunedoctor.frameworks.mistakes import configuration_checks
from tunedoctor.model.findings import Check
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.probes.targeting import NO_TARGET
from tunedoctor.tables.gpus import amd_like, nvidia_like

PREFIX = "config-"
"""Prefix of the ids of findings about a configuration."""


class JudgedConfiguration(NamedTuple):
    """The configuration of a training framework, and the checks for it."""

    configuration: Configuration
    checks: tuple[Check, ...]

    def on_gpu(self, name: str, chosen: Iterable[Check]) -> Examined:
        """Return a machine that has only this GPU, to be judged by those of the chosen checks that are for the file."""
        ids = {check.id for check in self.checks}
        return Examined(snapshot_of_gpu(name), tuple(check for check in chosen if check.id in ids))

    def with_lines(self, report: Report) -> Report:
        """Return the report in which each finding about the configuration names its line."""
        return with_lines(report, self.configuration)


def read_configuration(file: str) -> JudgedConfiguration:
    """Read a configuration. Raises DoctorError if it is that of no framework."""
    configuration = require_framework_configuration(file)
    return JudgedConfiguration(configuration, configuration_checks(configuration))


def snapshot_of_gpu(name: str) -> Snapshot:
    """Return the facts of a machine with a GPU of this model. Raises DoctorError for an unknown model."""
    none = Absent(why="the described machine has none")
    facts: dict[type[Fact], Fact | Absent | Unknown] = dict.fromkeys(
        (NvidiaGpus, AmdGpus, IntelGpu, AppleGpu), none
    )
    nvidia, amd = nvidia_like(name), amd_like(name)
    if nvidia:
        model = min(nvidia, key=lambda one: one.compute_capability)
        gpu = NvidiaGpu(index=0, name=name, compute_capability=model.compute_capability)
        facts[NvidiaGpus] = NvidiaGpus(gpus=(gpu,), source="described")
    elif amd:
        facts[AmdGpus] = AmdGpus(gpus=(AmdGpu(index=0, gfx=min(amd.values()), name=name),))
    elif name.lower() != "none":
        near = cards_near(name)
        hint = f" (is it {' or '.join(near)}?)" if near else ""
        misuse(f"no known GPU is called {name[:60]!r}{hint}", "doctor fit --cards lists some")
    facts[Target], facts[Packages] = NO_TARGET, none
    return Snapshot(facts, taken=datetime.now(UTC).isoformat(timespec="seconds"))


def with_lines(report: Report, found: Configuration) -> Report:
    """Return the report in which each finding about the configuration names its line."""
    keys = {line: key for key, line in found.document.lines.items()}

    def placed(one: ReportFinding) -> ReportFinding:
        if not one.id.startswith(PREFIX) or not one.evidence:
            return one
        file, _, line = one.evidence[0].rpartition(":")
        if not file or not line.isdigit():
            return one
        key = keys.get(int(line), "")
        text = f"{key}: {text_of(found.document.get(key))}"[:80] if key else "it"
        return replace(one, declared=ReportDeclaration(file=file, line=int(line), text=text))

    return replace(report, findings=tuple(map(placed, report.findings)))
