"""doctor check and doctor snapshot: judge the facts of this machine, or write them to a file."""

import math
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import convert

from tunedoctor.cli.command_options import CheckOptions, SnapshotOptions
from tunedoctor.cli.formats import check_outputs, tell
from tunedoctor.cli.options import TERMINAL, Options, aim
from tunedoctor.cli.output import write
from tunedoctor.core.check import examine, judge, open_fix_note, target_of
from tunedoctor.core.criteria import NO_SETTINGS, Criteria
from tunedoctor.core.environment import announce_start
from tunedoctor.core.errors import misuse
from tunedoctor.core.examined import Examined
from tunedoctor.core.project import declare_causes
from tunedoctor.diagnosis.redaction import redact_text, snapshot_json, this_identity
from tunedoctor.diagnosis.report import Report, exit_code
from tunedoctor.facts import Smoke
from tunedoctor.model.findings import Check
from tunedoctor.probes.system import node
from tunedoctor.render.screen import ascii_of

if TYPE_CHECKING:
    from tunedoctor.core.check_configuration import JudgedConfiguration

_GRACE = 2.0
"""Seconds after --timeout for reporting what is known by then."""


def run_check(given: CheckOptions) -> int:
    """Examine this machine, or a snapshot, and print the report; returns the exit code."""
    check_combinations(given)
    if given.project is not None or given.requirements:
        from tunedoctor.cli.check_project import run_check_project  # noqa: PLC0415  most judge an environment

        return run_check_project(given)
    limit = _Limit(given)
    try:
        return _checked(given, limit)
    finally:
        limit.off()


def _checked(given: CheckOptions, limit: "_Limit") -> int:
    options = limit.options = Options.of(given)._replace(outputs=check_outputs(given))
    if given.baseline:
        options = options._replace(criteria=_with_baseline(options.criteria, given))
    criteria = options.criteria
    for one in criteria.expired():
        reason = redact_text(one.reason, this_identity())
        TERMINAL.say(f"{one.id} is no longer ignored since {one.until}: {reason}")
    configuration = _read_configuration(given.configuration) if given.configuration else None
    # a mistake is reported before any work
    checks = criteria.checks(configuration.checks if configuration else ())
    # the files of this machine say nothing about a snapshot of another one
    complete = declare_causes if given.source is None and not given.gpus else None
    if configuration and given.gpus:
        examined = configuration.on_gpu(given.gpus[0], checks)
    elif given.source is not None:
        from tunedoctor.core.files import read_snapshot  # noqa: PLC0415  most examine this machine

        snapshot = read_snapshot(given.source)
        if snapshot.find(Smoke) and not criteria.only:
            from tunedoctor.smoke.result import OF_SNAPSHOT  # noqa: PLC0415  few hold one

            checks = (*checks, OF_SNAPSHOT)
        examined = Examined(snapshot, checks)
    else:
        examined = _examined(given, options, checks, limit.left)
        if note := open_fix_note(examined.snapshot):
            TERMINAL.say(note)
    limit.report = report = judge(
        examined.snapshot,
        criteria,
        examined.checks,
        began=limit.began,
        smoke=examined.smoke,
        complete=complete,
    )
    if configuration:
        limit.report = report = configuration.with_lines(report)
    if given.write_baseline:
        from tunedoctor.core.baseline import write_baseline  # noqa: PLC0415

        write_baseline(given.baseline, report, TERMINAL)
    code = tell(report, options, examined.snapshot)
    if given.open:
        import webbrowser  # noqa: PLC0415

        webbrowser.open(Path(given.report).resolve().as_uri())
    return code


def _read_configuration(file: str) -> "JudgedConfiguration":
    from tunedoctor.core.check_configuration import read_configuration  # noqa: PLC0415  few judge one

    return read_configuration(file)


def _with_baseline(criteria: Criteria, given: CheckOptions) -> Criteria:
    """Return the criteria with the known findings of the baseline; a baseline to write has none yet."""
    # few have one
    from tunedoctor.core.baseline import read_baseline, require_baseline_writable  # noqa: PLC0415

    if given.write_baseline:
        require_baseline_writable(given.baseline)
        return criteria
    return criteria._replace(known=read_baseline(given.baseline))


def _examined(
    given: CheckOptions | SnapshotOptions,
    options: Options,
    checks: tuple[Check, ...],
    left: Callable[[], float],
) -> Examined:
    place = target_of(
        options.criteria,
        lambda: aim(given.target, own=given.own, system=given.system, config=given.config),
        needed=bool(given.target or given.own or given.system or given.deep or given.smoke),
    )
    named = place.chosen_by == "--target" and options.format == "terminal"
    if named and place.problem and not os.path.lexists(Path(place.asked).expanduser()):
        misuse(place.problem.rstrip("."), "doctor envs lists your environments")
    if given.deep or given.smoke:
        announce_start(place, TERMINAL, quiet=options.quiet)
    return examine(
        place,
        options.criteria,
        checks,
        deep=given.deep,
        smoke=given.smoke,
        left=left,
        interaction=TERMINAL,
    )


class _Limit:
    """The end of a check at its time, whatever hangs: settings, a driver, or the place of an output."""

    def __init__(self, given: CheckOptions) -> None:
        """Begin; without --timeout there is no end."""
        self._seconds, self.began = given.timeout, time.perf_counter()
        self.options = Options.of(given, NO_SETTINGS)  # until those of the folder are read
        self.report: Report | None = None
        self.off: Callable[[], None] = lambda: None
        if self._seconds:
            import threading  # noqa: PLC0415  few ask for it

            timer = threading.Timer(self._seconds + _GRACE, self._end)
            timer.daemon, self.off = True, timer.cancel
            timer.start()

    def left(self) -> float:
        """Return the seconds that are left; enough to look once."""
        spent = time.perf_counter() - self.began
        return max(self._seconds - spent, 0.2) if self._seconds else math.inf

    def _end(self) -> None:
        from threading import Thread  # noqa: PLC0415

        from tunedoctor.system.descendants import end_all  # noqa: PLC0415

        code = exit_code(self.report) if self.report else 0
        for work in (self._tell, end_all):  # each can hang too
            one = Thread(target=work, daemon=True)
            one.start()
            one.join(_GRACE / 2)
        os._exit(3 if self.options.format == "nagios" else code or 2)

    def _tell(self) -> None:
        """Print a report that says what is unknown; if the report is ready, say that it could not be written."""
        why = f"the check took longer than {self._seconds:g} s, the limit of --timeout"
        with suppress(OSError):
            if self.report:
                sys.stderr.write(f"doctor: the report could not be written in time: {why}\n")
                return
            here, took = node(), round(time.perf_counter() - self.began, 3)
            of = {"host": here.host, "node": here.name, "profile": self.options.criteria.profile}
            said = {
                "verdict": "unknown",
                "unknown": {"timeout": why},
                "seconds": took,
                "skipped": {},
            }
            said |= {**of, "target": {}, "machine": {"gpus_known": False}}
            none = dict.fromkeys(("findings", "symptoms", "passed"), ())
            tell(convert({**said, **none}, Report), self.options)


def run_snapshot(given: SnapshotOptions) -> int:
    """Take a snapshot and write it, completely or not at all; return the exit code."""
    from tunedoctor.core.files import require_writable, write_file  # noqa: PLC0415  a check writes none

    out, options = given.output, Options.of(given)
    require_writable(out, '{\n "schema": "doctor.snapshot/')
    taken = _examined(given, options, (), lambda: math.inf).snapshot
    data = snapshot_json(taken, this_identity(shared=not given.keep_host))
    if out == "-":
        write(ascii_of(data))
        return 0
    said = f" ({len(data) // 1000} kB, redacted); doctor check --from reads it"
    write_file(out, data, private=True, said=said, interaction=TERMINAL)
    return 0


def check_combinations(options: CheckOptions) -> None:
    """Exit with 2 if options contradict each other or one lacks another."""
    of_project = options.project is not None or bool(options.requirements)
    if options.configuration:
        _check_configuration_options(options, of_project=of_project)
    described = options.gpus if not options.configuration else ()
    machine = (described, options.driver, options.platform, options.arch, options.python)
    choice = (options.extras, options.groups, options.allow_project_sources)
    if any((*machine, *choice)) and not of_project:
        misuse(
            "--gpu, --driver, --platform, --arch, --python, --extra, --group and"
            " --allow-project-sources are for a project",
            "add --project or -r FILE",
        )
    if of_project and (
        options.target
        or options.own
        or options.system
        or options.source
        or options.deep
        or options.smoke
        or options.timeout
        or options.baseline
    ):
        misuse(
            "--project judges what is declared, before anything is installed",
            "leave out --target, --self, --system, --from, --deep, --smoke, --timeout and --baseline",
        )
    if options.source and (
        options.target
        or options.own
        or options.system
        or options.deep
        or options.smoke
        or options.timeout
    ):
        misuse(
            "--from judges a snapshot",
            "leave out --target, --self, --system, --deep, --smoke and --timeout",
        )
    if options.write_baseline and not options.baseline:
        misuse("--write-baseline needs a file", "name it with --baseline FILE")
    if options.open and not options.report:
        misuse("--open shows the page of --report", "name it with --report FILE")


def _check_configuration_options(options: CheckOptions, *, of_project: bool) -> None:
    """Exit with 2 if options contradict --for."""
    if of_project:
        misuse("--for and --project are two checks", "run one after the other")
    if len(options.gpus) > 1:
        misuse("--for judges one machine", "name one GPU with --gpu")
    if options.gpus and (
        options.target
        or options.own
        or options.system
        or options.source
        or options.deep
        or options.smoke
    ):
        misuse(
            "--gpu describes a machine that is not here",
            "leave out --target, --self, --system, --from, --deep and --smoke",
        )
