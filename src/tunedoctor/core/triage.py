"""Diagnose a pasted text: a traceback, a training log, collect_env, nvidia-smi, pip list."""

import io
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

from msgspec import Meta

from tunedoctor.core.arguments import (
    FailOnArgument,
    OnlyArgument,
    SkipArgument,
    StrictArgument,
    TargetArgument,
    public,
)
from tunedoctor.core.check import judge
from tunedoctor.core.criteria import Criteria
from tunedoctor.core.environment import choose_target, take_snapshot
from tunedoctor.core.errors import misuse
from tunedoctor.core.interaction import SILENT, Interaction
from tunedoctor.core.project import with_project_commands
from tunedoctor.diagnosis.report import Report
from tunedoctor.facts import Packages, Typed
from tunedoctor.facts.clean import clean_text
from tunedoctor.model.findings import Check
from tunedoctor.model.snapshot import Snapshot, SnapshotError
from tunedoctor.readers.digest import Digest, from_stream
from tunedoctor.readers.merge import joined
from tunedoctor.readers.read import read_report


class Triaged(NamedTuple):
    """The diagnosis of a text."""

    report: Report
    snapshot: Snapshot
    """The facts that the text contains, and those of this machine if it was examined too."""


@public
def triage(  # noqa: PLR0913  the options of the command
    text: Annotated[
        str, Meta(description="The whole text, including the traceback and the lines above it.")
    ],
    *,
    here: Annotated[
        bool,
        Meta(
            description="The text comes from this machine: examine it and the target for what the text leaves open."
        ),
    ] = False,
    target: TargetArgument = None,
    only: OnlyArgument = (),
    skip: SkipArgument = (),
    plugins: Sequence[str] = (),
    fail_on: FailOnArgument = None,
    strict: StrictArgument = False,
    keep_host: bool = False,
    interaction: Interaction = SILENT,
) -> Report:
    """Diagnose a pasted text: a traceback, a training log, collect_env, nvidia-smi, pip list.

    Returns a report. This machine is examined only with `here`. Its name is hidden in the report unless `keep_host`.
    """
    began = time.perf_counter()
    if target is not None and not here:
        misuse("--target is an environment of this machine", "add --here to look at it too")
    criteria = Criteria.over(
        only=tuple(only),
        skip=tuple(skip),
        plugins=tuple(plugins),
        fail_on=fail_on,
        strict=strict,
    )
    look = (lambda: take_snapshot(choose_target(target), interaction)) if here else None
    return diagnose_log(
        from_stream(io.BytesIO(text.encode("utf-8", "replace"))),
        criteria._replace(shared=not keep_host),
        look=look,
        began=began,
        interaction=interaction,
    ).report


def diagnose_log(  # noqa: PLR0913  how it is judged, one by one
    log: Digest,
    criteria: Criteria,
    checks: tuple[Check, ...] | None = None,
    *,
    look: Callable[[], Snapshot] | None = None,
    file: str = "",
    began: float | None = None,
    interaction: Interaction = SILENT,
) -> Triaged:
    """Diagnose a text. `look` examines this machine, for what the text leaves open. `file` is named in what is said.

    `began`: time.perf_counter at the start of the work.
    """
    began = time.perf_counter() if began is None else began

    def failed(_: object, error: Exception) -> None:
        """Say that facts written by doctor can't be read; a reader that fails is left out without a word."""
        if isinstance(error, SnapshotError):
            of_file = f" of {file}" if file else ""
            text = clean_text(f"the facts that doctor wrote{of_file} can't be read: {error}")
            interaction.say(f"{' '.join(text.split())}; read as any other text")

    snapshot = read_report(log.text, log.numbers, failed)
    if look:
        snapshot, left_out = joined(snapshot, look())
        for why in left_out:
            interaction.say(why)
    report = judge(snapshot, criteria, checks, began=began, complete=_use_project_commands)
    return Triaged(report, snapshot)


_UV_PROJECT = re.compile(r"uv (?:run|sync|add|remove|lock)\b(?!.*\s--(?:with|script|no-project)\b)")


def _use_project_commands(report: Report, snapshot: Snapshot) -> Report:
    """Return the report with fixes that last: `uv run` means a project, whose next sync undoes a pip install."""
    typed = snapshot.find(Typed)
    if typed is None or not any(_UV_PROJECT.match(one) for one in typed.commands):
        return report
    # few reports are of a uv project
    from tunedoctor.project.declarations import Project  # noqa: PLC0415

    packages = snapshot.find(Packages)
    present = {one.name for one in packages.distributions} if packages else set[str]()
    project = Project(folder=Path(), manager="uv")
    return with_project_commands(report, project, present, advises=False)
