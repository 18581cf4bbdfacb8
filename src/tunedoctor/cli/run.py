"""doctor run."""

import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from tunedoctor.cli.command_options import RunOptions
from tunedoctor.cli.options import Options, aim
from tunedoctor.core.errors import DoctorError, misuse
from tunedoctor.core.files import require_writable
from tunedoctor.facts import Target
from tunedoctor.facts.clean import clean_text
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.running import command as running
from tunedoctor.system.reading import open_regular


def run_run(given: RunOptions) -> int:
    """Run what the words name; returns what a shell would."""
    words = given.command[given.command[:1] == ("--",) :]
    require_writable(given.report, '{\n  "schema": "doctor.report/')
    return run_command(words, aim(given.target, own=given.own), given.report)


def run_command(  # noqa: PLR0913, C901  each is of one command
    argv: Sequence[str],
    place: Target,
    report_file: str,
    *,
    told: tuple[int, ...] = (),
    log: Path | None = None,
    own: running.Own | None = None,
    way: str = "",
) -> int:
    """Run a command untouched; diagnose on stderr when it fails. Returns what a shell would.

    An exit status of `told` needs no diagnosis: the command itself says all about it. What it adds to `log` counts as
    its output. A script of the doctor's own has the limits of `own`; `way` says what to do when it passes one.
    """
    if not argv:
        misuse("no command is named", "doctor run -- python train.py")
    options = Options.of()
    before = running.kills_now()
    kept = log.stat().st_size if log and log.is_file() else 0
    try:
        ran = running.run(argv, own=own)
    except running.NotStartedError as error:
        _say(f"{error}")
        return error.status
    death = running.death_of(ran.code)
    if ran.problem:
        _say(f"the output could not be written: {ran.problem}")
    if ran.passed:
        _say(f"{Path(argv[1]).stem} was ended: it took {ran.passed}; {way}")
        return 1
    # by a signal that is a wish, to it or to the doctor, somebody ended it
    if death.status in (0, 130, *told) or death.name in running.ASKED or ran.signals:
        return death.status
    for_memory, began = running.killed_for_memory(before, running.kills_now()), time.perf_counter()
    try:
        _say(_how(argv[0], ran, death, for_memory))
        if log and (tail := _added(log, kept)):
            ran = ran._replace(tails=(*ran.tails, tail))
            for _, line in tail.lines()[-5:] if death.name else ():
                _say(f"{log.name}: {clean_text(line.decode('utf-8', 'replace'))}")
        snapshot = _looked(argv, ran, running.shell_words(death, for_memory), place)
        _diagnose(snapshot, options, report_file, began)
    except KeyboardInterrupt:
        _say("stopped before it could tell why")
    except Exception as error:
        if isinstance(error, DoctorError):
            raise
        # the command's status goes before what befalls the doctor
        _say(f"could not diagnose: {type(error).__name__}: {error}")
    return death.status


def _added(log: Path, kept: int) -> running.Tail | None:
    """Return what a log has beyond its first bytes; None where there is no more."""
    tail = running.Tail()
    with suppress(OSError), open_regular(log) as file:
        file.seek(kept)
        while block := file.read(1 << 16):
            tail.feed(block)
    return tail if tail.size else None


def _how(name: str, ran: running.Ran, death: running.Death, for_memory: bool | None) -> str:  # noqa: FBT001
    took = f"{ran.seconds:.1f} s" if ran.seconds < 100 else f"{ran.seconds / 60:.0f} min"
    how = f"ended with exit status {death.status}"
    if death.says:
        how = f"ended with {running.shell_words(death, None)},"
    elif death.name and death.itself:
        how = f"was ended by {death.name}"
    elif death.name:
        how += f", as after {death.name}"
    memory = "; the kernel killed a process for memory meanwhile" if for_memory else ""
    if death.name == "SIGKILL" and for_memory is False:
        memory = (
            "; the kernel killed nothing for memory meanwhile: a person, a job manager or a "
            "user-space OOM daemon did; journalctl -b --grep oomd tells of the last"
        )
    return f"{name} {how} after {took}{memory}"


def _looked(argv: Sequence[str], ran: running.Ran, words: str, place: Target) -> Snapshot:
    """Return what the output tells, joined with what is here."""
    from tunedoctor.probes.commands import interpreter_of  # noqa: PLC0415
    from tunedoctor.probes.live import take  # noqa: PLC0415  only after a failure
    from tunedoctor.readers.merge import joined  # noqa: PLC0415
    from tunedoctor.readers.read import read_report  # noqa: PLC0415

    told = read_report(*running.output_of(ran.tails, words))
    python = None if place.chosen_by in ("--target", "--self") else interpreter_of(argv)
    if python and Path(python).parent == Path(sys.executable).parent and not find_spec("torch"):
        _say(f"{python} is the doctor's own Python; name the one that trains, as .venv/bin/python")
        python = None
    snapshot, left_out = joined(told, take(python or place))
    for why in left_out:
        _say(why)
    return snapshot


def _diagnose(snapshot: Snapshot, options: Options, report_file: str, began: float) -> None:
    from tunedoctor.cli.output import on_terminal  # noqa: PLC0415
    from tunedoctor.core.check import judge  # noqa: PLC0415
    from tunedoctor.core.files import write_whole  # noqa: PLC0415
    from tunedoctor.render.screen import as_json  # noqa: PLC0415

    report = judge(snapshot, options.criteria, began=began)
    if report_file:
        try:
            write_whole(report_file, as_json(report))
        except OSError as error:
            _say(f"{report_file} can't be written: {error.strerror or error}")
    if any(f.severity != "note" for f in report.findings):
        sys.stderr.write(on_terminal(report, options, sys.stderr))
    else:
        _say("neither its output nor this machine shows a fault of the environment")


def _say(text: str) -> None:
    sys.stderr.write(f"doctor: {text}\n")
