"""doctor check and doctor snapshot: what is here, judged or written down."""

import math
import os
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Mapping
from pathlib import Path

from tunedoctor.cli.formats import outputs_of, tell
from tunedoctor.cli.options import Options, aim, look, misuse, needed, starting
from tunedoctor.cli.output import read_snapshot, report_for, write, write_or_exit
from tunedoctor.diagnosis.gate import profile
from tunedoctor.diagnosis.redaction import snapshot_json, this_identity
from tunedoctor.diagnosis.report import Report, ReportMachine, ReportTarget
from tunedoctor.facts import Interpreter, Target
from tunedoctor.facts.target import FOUND
from tunedoctor.probes.targeting import NO_TARGET
from tunedoctor.render.screen import ascii_of
from tunedoctor.transaction import open_fix

_GRACE = 2.0
"""Seconds after --timeout in which what is known by then is told."""


def command(given: Namespace) -> int:
    """Examine this machine, or a snapshot, and tell the report; returns the exit code."""
    try:
        return _checked(given)
    except SystemExit as error:
        if given.format != "nagios" or error.code != 2:
            raise
        write("DOCTOR UNKNOWN - it could not start: standard error says why\n")
        return 3


def _checked(given: Namespace) -> int:
    began = time.perf_counter()
    options = Options.of(given)._replace(outputs=outputs_of(given.output, given.report))
    options = _for_actions(options, given.typed, os.environ)
    if given.baseline:
        from tunedoctor.cli.baseline import known  # noqa: PLC0415  few have one

        options = options._replace(known=known(given.baseline, new=given.write_baseline))
    for one in options.expired():
        sys.stderr.write(
            f"doctor: {one.id} is not ignored any more, since {one.until}: {one.reason}\n"
        )
    checks = options.checks()  # what is misuse is told before any work
    stop = _watched(options, given.timeout, began) if given.timeout else lambda: None
    if given.source is not None:
        snapshot, trained = read_snapshot(given.source), None
    else:
        place = _place(options, given)
        if given.deep or given.smoke:
            starting(place, quiet=options.quiet)
        snapshot = look(place, _left(given.timeout, began), deep=given.deep)
        if names := {one.name for one in options.rules if one.key == "variables"}:
            from tunedoctor.probes.settings import environment  # noqa: PLC0415  few name any

            snapshot = snapshot.having(environment(more=names))
        trained = None
        if given.smoke:
            from tunedoctor.cli.smoke import as_check  # noqa: PLC0415  few ask for it

            snapshot, checks, trained = as_check(
                snapshot,
                needed(place),
                checks,
                strict=options.strict,
                seconds=_left(given.timeout, began),
            )
        interpreter = snapshot.find(Interpreter)
        if interpreter and (said := open_fix(interpreter.prefix, interpreter.site_packages)):
            sys.stderr.write(f"doctor: {said}\n")
    report = report_for(snapshot, options, checks, began, trained)
    stop()
    if given.write_baseline:
        from tunedoctor.cli.baseline import write_baseline  # noqa: PLC0415

        write_baseline(given.baseline, report)
    code = tell(report, options, snapshot)
    if given.open:
        import webbrowser  # noqa: PLC0415

        webbrowser.open(Path(given.report).resolve().as_uri())
    return code


def _place(options: Options, given: Namespace) -> Target:
    """Return the target, where the profile wants one."""
    wants = profile(options.profile).environment
    if wants == "none" and (given.target or given.own or given.deep or given.smoke):
        misuse(
            f"--profile {options.profile} looks at no Python environment",
            "leave out --target, --self, --deep and --smoke, or take --profile runner",
        )
    if wants == "none":
        return NO_TARGET
    place = aim(given.target, own=given.own, config=given.config)
    # one that nobody named is none of a runner's business
    return NO_TARGET if wants == "named" and place.chosen_by in FOUND else place


def _left(timeout: float, began: float) -> float:
    """Return the seconds that are left; enough to look once."""
    return max(timeout - (time.perf_counter() - began), 0.2) if timeout else math.inf


def _for_actions(options: Options, typed: list[str], variables: Mapping[str, str]) -> Options:
    """Add annotations and summary where GitHub Actions runs it and nobody named a format."""
    if variables.get("GITHUB_ACTIONS") != "true" or {"format"} & {*typed}:
        return options
    return options._replace(outputs=(*options.outputs, ("github", "")))


def _watched(options: Options, timeout: float, began: float) -> Callable[[], None]:
    """End the process with verdict unknown when its time is over, whatever hangs; return what calls that off."""
    import threading  # noqa: PLC0415

    def end() -> None:
        why = f"the whole took longer than {timeout:g} s, the limit of --timeout"
        report = Report(
            verdict="unknown",
            target=ReportTarget(),
            machine=ReportMachine(gpus_known=False),
            findings=(),
            symptoms=(),
            passed=(),
            skipped={},
            unknown={"timeout": why},
            profile=options.profile,
            seconds=round(time.perf_counter() - began, 3),
        )
        code = tell(report, options)
        sys.stdout.flush()
        from tunedoctor.system.descendants import end_all  # noqa: PLC0415

        ending = threading.Thread(target=end_all, daemon=True)  # it may wait for a start that hangs
        ending.start()
        ending.join(1.0)
        os._exit(code)

    timer = threading.Timer(max(timeout - (time.perf_counter() - began), 0) + _GRACE, end)
    timer.daemon = True
    timer.start()
    return timer.cancel


def snapshot(given: Namespace) -> int:
    """Take a snapshot and write it, whole or not at all; returns the exit code."""
    out, place = given.output, aim(given.target, own=given.own)
    if given.deep:
        starting(place)
    data = snapshot_json(look(place, deep=given.deep), this_identity(shared=not given.keep_host))
    if out == "-":
        write(ascii_of(data))
        return 0
    write_or_exit(out, data, private=True)
    sys.stderr.write(
        f"doctor: wrote {out} ({len(data) // 1000} kB, redacted); doctor check --from reads it\n"
    )
    return 0
