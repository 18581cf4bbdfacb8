"""Predict the result of a plan, and refuse it if that is no improvement: pure, before anything is downloaded.

Packages, the PyTorch build, the CUDA wheels and the variables are predicted. What only a run shows is unknown for a
state that does not exist yet: findings based on it are neither fixed nor left; the proof after the change decides.
"""

import re
from collections.abc import Collection, Iterable, Mapping

import msgspec

from tunedoctor import facts as kinds
from tunedoctor.diagnosis.engine import Diagnosis, diagnose
from tunedoctor.model.findings import Check
from tunedoctor.model.plan import DeletePath, Install, Plan, SetEnv
from tunedoctor.model.snapshot import FactOrLack, Snapshot
from tunedoctor.probes.packages import cuda_wheels
from tunedoctor.tables.small import brought_by
from tunedoctor.tables.wheels import COMPUTES, cuda_of
from tunedoctor.wheels.rules import family, table_archs

NOT_RUN = kinds.Absent(why="only known once the change is applied and run")
_VARIANT = re.compile(r"(cu\d{2,3}|rocm\d[\d.]*|xpu|cpu)$")


class Simulated(msgspec.Struct, frozen=True):
    """The results of the checks on the predicted state."""

    cured: tuple[str, ...]
    """Findings that are gone, or only notes now."""
    left: tuple[str, ...]
    """Findings that stay."""
    bred: tuple[str, ...]
    """Errors and warnings that are new."""
    untold: tuple[str, ...]
    """Findings whose check cannot be decided on the predicted state."""
    refused: str = ""
    """Why the plan is useless, in one sentence; "" if it is not."""


def simulate(
    plan: Plan,
    snapshot: Snapshot,
    checks: Iterable[Check],
    metadata: Mapping[str, kinds.Distribution] | None = None,
) -> Simulated:
    """Judge a plan by the facts it would lead to; `metadata` are those of the pins, by normalised name."""
    several = tuple(checks)
    new = diagnose(predict(plan, snapshot, metadata or {}), several)
    result = compared(diagnose(snapshot, several), new, new.unknown.keys() | new.skipped.keys())
    return msgspec.structs.replace(result, refused=_refused(plan, result))


def compared(
    old: Diagnosis,
    new: Diagnosis,
    cannot: Collection[str],
    grades: Collection[str] = ("error", "warning"),
) -> Simulated:
    """Compare the checks before and after; a check that was undecided before does not count as a new problem.

    `cannot`: checks that can't be decided on the state after. `grades`: severities of findings that must not be new.
    """
    had, has = severities(old), severities(new)
    cured = tuple(i for i in cured_of(had, has) if i not in cannot)
    worse = (
        i for i, now in has.items() if now in grades and (i not in had or now == "error" != had[i])
    )
    bred = tuple(i for i in worse if i not in old.unknown)
    left = tuple(i for i in has if i not in cured)
    return Simulated(cured, left, bred, tuple(i for i in had if i in cannot))


def _refused(plan: Plan, result: Simulated) -> str:
    if result.bred:
        return f"it would cause {' and '.join(result.bred[:3])}"
    if plan.changes and plan.cures and not {*plan.cures} & {*result.cured, *result.untold}:
        return f"{' and '.join(plan.cures[:3])} would still be there"
    return ""


def cured_of(had: Mapping[str, str], has: Mapping[str, str]) -> tuple[str, ...]:
    """Return the fixed findings, by the severities before and after: those that are gone or became a note.

    A note is advice: a missing library that would be useful is not a remaining fault.
    """
    eased = {i for i, now in has.items() if now == "note" and had.get(i) != "note"}
    return tuple(i for i in had if i not in has or i in eased)


def severities(diagnosis: Diagnosis) -> dict[str, str]:
    """Return the findings of a diagnosis, causes and symptoms, with their severities."""
    findings = [*diagnosis.causes, *(s for several in diagnosis.symptoms.values() for s in several)]
    return {f.check.id: f.severity for f in findings}


def predict(plan: Plan, snapshot: Snapshot, metadata: Mapping[str, kinds.Distribution]) -> Snapshot:
    """Return the facts after a plan; without metadata, the requirements of a pin are unknown and none are assumed."""
    packages = snapshot.find(kinds.Packages)
    if packages is None or not plan.changes:
        return snapshot
    after = packages_after(plan, packages, metadata)
    answers: dict[type[kinds.Fact], FactOrLack] = {
        **snapshot.answers(),
        kinds.Packages: after,
        kinds.Environment: _environment(plan, snapshot),
        kinds.Runtime: NOT_RUN,
        kinds.ImportContracts: _contracts(plan, snapshot),
        kinds.Errors: NOT_RUN,
    }
    if after != packages:
        # what the plan does not touch stays as recorded: a snapshot can list other wheels than its packages
        changed = (*plan.removed, *(pin.name for pin in plan.pins))
        if any(name.startswith("nvidia-") for name in changed):
            answers[kinds.CudaWheels] = cuda_wheels(after)
        answers[kinds.TorchBuild] = _torch(plan, snapshot, after)
    return Snapshot(answers, taken=snapshot.taken)


def _contracts(plan: Plan, snapshot: Snapshot) -> kinds.ImportContracts | kinds.Absent:
    """Return the missing imports that the plan neither adds nor removes; those of changed packages are unknown."""
    looked = snapshot.find(kinds.ImportContracts)
    touched = {*plan.removed, *(pin.name for pin in plan.pins)}
    missing = [
        imported for imported in (looked.broken if looked else ()) if imported.kind == "missing"
    ]
    of = (
        (imported, {imported.library, brought_by(imported.module.split(".")[0])})
        for imported in missing
    )
    stays = tuple(imported for imported, names in of if touched.isdisjoint(names))
    return msgspec.structs.replace(looked, broken=stays) if looked and stays else NOT_RUN


def packages_after(
    plan: Plan, packages: kinds.Packages, metadata: Mapping[str, kinds.Distribution]
) -> kinds.Packages:
    """Return the packages after a plan."""
    by_name = {
        distribution.name: distribution
        for distribution in packages.distributions
        if distribution.name not in plan.removed
    }
    for pin in plan.pins:
        old, described = packages.get(pin.name), metadata.get(pin.name)
        if described is not None:
            by_name[pin.name] = msgspec.structs.replace(described, version=pin.version)
        elif pin.name not in by_name or by_name[pin.name].version != pin.version:
            where = old.location if old else ""
            by_name[pin.name] = kinds.Distribution(
                name=pin.name, version=pin.version, location=where
            )
    deletes = (step.path for step in plan.steps if isinstance(step, DeletePath))
    deleted = {path.replace("\\", "/").rstrip("/").rpartition("/")[2] for path in deletes}
    touched = {*plan.removed, *(pin.name for pin in plan.pins)}
    return msgspec.structs.replace(
        packages,
        distributions=tuple(by_name[name] for name in sorted(by_name)),
        broken=tuple(b for b in packages.broken if not _mended(b, touched, deleted)),
    )


def _mended(distribution: kinds.BrokenDistribution, touched: set[str], deleted: set[str]) -> bool:
    if distribution.problem == "leftover":
        return distribution.name in deleted
    if distribution.problem == "doubled":
        return len({part.strip() for part in distribution.detail.split(",")} - deleted) < 2
    return distribution.name in touched


def _torch(
    plan: Plan, snapshot: Snapshot, after: kinds.Packages
) -> kinds.TorchBuild | kinds.Absent | kinds.Unknown:
    """Return the build after a plan: its variant is the label, else the name of its index."""
    old = snapshot.get(kinds.TorchBuild)
    installs = (step for step in plan.steps if isinstance(step, Install))
    pins = ((s.index, p.version) for s in installs for p in s.pins if p.name == "torch")
    for index, version in pins:
        label = version.partition("+")[2] or index.rstrip("/").rpartition("/")[2]
        if _VARIANT.fullmatch(label) is None:
            # only the table knows which build the default index has
            return kinds.Unknown(
                why=f"the version of torch {version} does not say which build it is"
            )
        host, interpreter = snapshot.find(kinds.Host), snapshot.find(kinds.Interpreter)
        where = family(host, interpreter) if host and interpreter else ""
        mac = bool(host and host.os == "macos" and interpreter and interpreter.machine == "arm64")
        return build_of(version, label, mac=mac, archs=table_archs(version, label, where))
    if after.get("torch") is None and isinstance(old, kinds.TorchBuild) and not old.conda:
        return kinds.Absent(why="torch is not installed in the target")
    return old


def build_of(
    version: str, variant: str, *, mac: bool, archs: tuple[str, ...] = ()
) -> kinds.TorchBuild:
    """Return what is known about a build from its name."""
    kind = COMPUTES.get(variant[:2], "cpu")
    return kinds.TorchBuild(
        version=version,
        cuda=cuda_of(variant),
        hip=variant.removeprefix("rocm") if kind == "rocm" else "",
        accelerator="mps" if mac and kind == "cpu" else kind,
        variant=variant,
        archs=archs,
        archs_source="table" if archs else "",
    )


def _environment(
    plan: Plan, snapshot: Snapshot
) -> kinds.Environment | kinds.Absent | kinds.Unknown:
    old = snapshot.get(kinds.Environment)
    sets = {step.name: step.value for step in plan.steps if isinstance(step, SetEnv)}
    if not sets:
        return old
    variables = {**(old.variables if isinstance(old, kinds.Environment) else {}), **sets}
    remaining = {name: value for name, value in variables.items() if value is not None}
    return kinds.Environment(variables=remaining)
