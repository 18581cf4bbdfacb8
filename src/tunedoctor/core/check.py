"""Find what stops a machine and a Python environment from training: check and snapshot."""

import math
import os
import time
from collections.abc import Callable, Sequence
from typing import Annotated

from msgspec import Meta

from tunedoctor.core.arguments import (
    FailOnArgument,
    OnlyArgument,
    Place,
    ProfileArgument,
    SkipArgument,
    StrictArgument,
    TargetArgument,
    public,
)
from tunedoctor.core.criteria import NO_SETTINGS, Criteria, find_settings
from tunedoctor.core.environment import choose_target, take_snapshot
from tunedoctor.core.errors import misuse
from tunedoctor.core.examined import Examined
from tunedoctor.core.interaction import SILENT, Interaction
from tunedoctor.core.project import declare_causes
from tunedoctor.diagnosis.engine import diagnose
from tunedoctor.diagnosis.gate import prepared, profile
from tunedoctor.diagnosis.redaction import public as redacted
from tunedoctor.diagnosis.redaction import snapshot_json, this_identity, unnamed
from tunedoctor.diagnosis.report import Report, ReportSmoke, report_of
from tunedoctor.facts import Interpreter, Target
from tunedoctor.model.findings import Check
from tunedoctor.model.snapshot import Snapshot, from_json
from tunedoctor.probes.system import knowledge
from tunedoctor.probes.targeting import NO_TARGET
from tunedoctor.transaction import open_fix


@public
def check(  # noqa: PLR0913  the options of the command
    target: TargetArgument = None,
    *,
    snapshot: str | bytes | None = None,
    deep: Annotated[
        bool, Meta(description="Also run the environment's own packages, in a child process.")
    ] = False,
    only: OnlyArgument = (),
    skip: SkipArgument = (),
    plugins: Sequence[str] = (),
    fail_on: FailOnArgument = None,
    strict: StrictArgument = False,
    profile: ProfileArgument = "project",
    config: Place = None,
    configuration: Annotated[
        Place, Meta(description="A training framework's configuration to check too.")
    ] = None,
    gpu: Annotated[
        str | None,
        Meta(description="Check `configuration` for a machine with this GPU instead of this one."),
    ] = None,
    interaction: Interaction = SILENT,
) -> Report:
    """Find what is wrong with this machine and a Python environment for fine-tuning.

    Returns a report: causes first, each with evidence and a fix. Reads only; takes a quarter of a second.

    `snapshot`: judge this snapshot instead of the machine. `deep`: also run the environment's packages, in a child.
    `only` and `skip` name checks, `plugins` those that may run. `fail_on` is the least severity that makes the verdict
    "findings" ("error"); with `strict` warnings do, and what could not be decided makes it "unknown". `profile` "node"
    checks the machine alone. `config`: a file of settings and policy; those of the working folder are not read.

    `configuration`: a file of axolotl, LLaMA-Factory, torchtune, ms-swift, TRL, unsloth, Hugging Face's Trainer,
    DeepSpeed or accelerate; its mistakes are findings too. With `gpu` it alone is judged, on a machine with that GPU.
    """
    began = time.perf_counter()
    named = None if config is None else os.fspath(config)
    settings = NO_SETTINGS if named is None else find_settings(named)
    criteria = Criteria.over(
        settings,
        only=tuple(only),
        skip=tuple(skip),
        plugins=tuple(plugins),
        fail_on=fail_on,
        strict=strict,
        profile=profile,
    )
    judged = None
    if configuration is not None:
        from tunedoctor.core.check_configuration import read_configuration  # noqa: PLC0415  few judge one

        judged = read_configuration(os.fspath(configuration))
    checks = criteria.checks(judged.checks if judged else ())
    with_lines = judged.with_lines if judged else _unchanged
    if gpu is not None:
        if judged is None:
            misuse("gpu is the machine that a configuration is checked for", "add configuration")
        if target is not None or deep or snapshot is not None:
            misuse(
                "gpu describes a machine that is not here", "leave out target, snapshot and deep"
            )
        described = judged.on_gpu(gpu, checks)
        return with_lines(judge(described.snapshot, criteria, described.checks, began=began))
    if snapshot is not None:
        if target is not None or deep:
            misuse(
                "--from judges a snapshot",
                "leave out --target, --self, --deep, --smoke and --timeout",
            )
        return with_lines(judge(from_json(snapshot), criteria, checks, began=began))
    place = target_of(
        criteria,
        lambda: choose_target(target, settings=settings, settings_found=False),
        needed=target is not None or deep,
    )
    examined = examine(place, criteria, checks, deep=deep, interaction=interaction)
    if note := open_fix_note(examined.snapshot):
        interaction.say(note)
    return with_lines(
        judge(examined.snapshot, criteria, checks, began=began, complete=declare_causes)
    )


def _unchanged(report: Report) -> Report:
    return report


@public
def snapshot(target: Place = None, *, deep: bool = False, keep_host: bool = False) -> str:
    """Return all facts of this machine and an environment as JSON, redacted; `check(snapshot=...)` judges it anywhere.

    `deep`: run the environment's own packages too. The machine's name is hidden unless `keep_host`.
    """
    seen = take_snapshot(choose_target(target), deep=deep)
    return snapshot_json(seen, this_identity(shared=not keep_host)).decode()


def open_fix_note(snapshot: Snapshot) -> str:
    """Return a note about an unfinished fix of the environment; "" if there is none."""
    interpreter = snapshot.find(Interpreter)
    return open_fix(interpreter.prefix, interpreter.site_packages) if interpreter else ""


def judge(  # noqa: PLR0913  how it is judged, one by one
    snapshot: Snapshot,
    criteria: Criteria,
    checks: tuple[Check, ...] | None = None,
    *,
    began: float | None = None,
    smoke: ReportSmoke | None = None,
    complete: Callable[[Report, Snapshot], Report] | None = None,
) -> Report:
    """Diagnose a snapshot and return the report, redacted. `began`: time.perf_counter at the start of the work.

    `complete`: adds to the report, before it is redacted, what the snapshot does not hold, such as the lines of the
    environment's project. A snapshot of another machine or day is judged by the knowledge that is here now, and the
    report says its age.
    """
    began = time.perf_counter() if began is None else began
    checks = criteria.checks() if checks is None else checks
    if criteria.shared:
        snapshot = unnamed(snapshot)
    snapshot = prepared(snapshot.having(knowledge()), criteria.profile)
    found, gate = diagnose(snapshot, checks), criteria.gate()
    how = (snapshot, found, checks, criteria.fixes)
    report = report_of(*how, gate=gate, seconds=time.perf_counter() - began, smoke=smoke)
    if complete:
        report = complete(report, snapshot)
    return redacted(report, this_identity(shared=criteria.shared))


def target_of(criteria: Criteria, choose: Callable[[], Target], *, needed: bool) -> Target:
    """Return the chosen target if the profile examines one. `needed`: the caller asks for something of a target.

    Raises DoctorError if the profile examines none and one is needed.
    """
    asked = profile(criteria.profile)
    if asked.environment == "none" and needed:
        misuse(
            f"--profile {criteria.profile} examines no Python environment",
            "leave out --target, --self, --deep and --smoke, or use --profile runner",
        )
    place = choose() if asked.environment != "none" else NO_TARGET
    return place if asked.looks_at(place) else NO_TARGET


def examine(  # noqa: PLR0913  what may be done with the target, one by one
    place: Target,
    criteria: Criteria,
    checks: tuple[Check, ...] = (),
    *,
    deep: bool = False,
    smoke: bool = False,
    left: Callable[[], float] = lambda: math.inf,
    interaction: Interaction = SILENT,
) -> Examined:
    """Examine this machine and a target, with a tiny training if `smoke`; `left` returns the seconds that are left."""
    snapshot = take_snapshot(place, interaction, left(), deep=deep)
    if names := {one.name for one in criteria.rules if one.key == "variables"}:
        from tunedoctor.probes.settings import environment  # noqa: PLC0415  few policies name any

        snapshot = snapshot.having(environment(more=names))
    if not smoke:
        return Examined(snapshot, checks)
    from tunedoctor.core.environment import require_target  # noqa: PLC0415
    from tunedoctor.core.smoke import as_check  # noqa: PLC0415  few ask for it

    target = require_target(place)
    return Examined(
        *as_check(
            snapshot,
            target,
            checks,
            strict=criteria.strict,
            seconds=left(),
            interaction=interaction,
        )
    )
