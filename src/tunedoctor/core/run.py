"""Run a command unchanged, and explain why it failed."""

import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from tunedoctor.core.arguments import Place, public
from tunedoctor.core.check import judge
from tunedoctor.core.criteria import Criteria
from tunedoctor.core.environment import choose_target
from tunedoctor.core.errors import DoctorError, misuse
from tunedoctor.core.interaction import SILENT, Interaction
from tunedoctor.diagnosis.report import Report
from tunedoctor.facts import Target
from tunedoctor.facts.clean import clean_text
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.running import command as running
from tunedoctor.running.tail import Output, Tail
from tunedoctor.system.reading import open_regular


class RunResult(NamedTuple):
    """The result of a command."""

    status: int
    """What a shell would return."""
    report: Report | None = None
    """The diagnosis of its failure; None if it needs none, or could not be made."""


@public
def run(
    command: Sequence[str], target: Place = None, *, interaction: Interaction = SILENT
) -> RunResult:
    """Run a command unchanged, with this process's stdin, stdout and stderr, and diagnose it if it fails.

    `target`: the environment to examine after a failure, by default the one of the command's interpreter.
    """
    return run_command(tuple(command), choose_target(target), Criteria(), interaction=interaction)


def run_command(  # noqa: PLR0913  each is of one command
    argv: Sequence[str],
    place: Target,
    criteria: Criteria,
    *,
    told: tuple[int, ...] = (),
    log: Path | None = None,
    own: running.ScriptLimits | None = None,
    way: str = "",
    output: Output | None = None,
    interaction: Interaction = SILENT,
) -> RunResult:
    """Run a command unchanged, and diagnose it if it fails.

    An exit status in `told` needs no diagnosis, because the command explains it itself. Text that it adds to `log`
    counts as its output. A script of doctor's own has the limits of `own`; `way` says what to do when it passes one.
    `output` takes what it writes, instead of the standard streams of this process.
    """
    if not argv:
        misuse("no command is given", "doctor run -- python train.py")
    before = running.kills_now()
    kept = log.stat().st_size if log and log.is_file() else 0
    try:
        ran = running.run(argv, own=own, output=output)
    except running.NotStartedError as error:
        interaction.say(f"{error}")
        return RunResult(error.status)
    death = running.death_of(ran.code)
    if ran.problem:
        interaction.say(f"the output could not be written: {ran.problem}")
    if ran.passed:
        interaction.say(f"{Path(argv[1]).stem} was ended: it took {ran.passed}; {way}")
        return RunResult(1)
    # by a signal that is a wish, to it or to the doctor, somebody ended it
    if death.status in (0, 130, *told) or death.name in running.ASKED or ran.signals:
        return RunResult(death.status)
    tail = (log, kept) if log else None
    report = _explain(argv, ran, before, tail, place, criteria, interaction)
    return RunResult(death.status, report)


def _explain(  # noqa: PLR0913  each is of the run
    argv: Sequence[str],
    ran: running.Ran,
    before: tuple[int | None, int | None],
    log: tuple[Path, int] | None,
    place: Target,
    criteria: Criteria,
    interaction: Interaction,
) -> Report | None:
    """Return the diagnosis of a failure; None if that fails, as the status matters more. `log`: file and size."""
    death = running.death_of(ran.code)
    for_memory, began = running.killed_for_memory(before, running.kills_now()), time.perf_counter()
    try:
        interaction.say(_how(argv[0], ran, death, for_memory))
        if log and (tail := _added(*log)):
            ran = ran._replace(tails=(*ran.tails, tail))
            lines = (line.decode("utf-8", "replace") for _, line in tail.lines())
            for line in running.last_lines(lines) if death.name else ():
                interaction.say(f"{log[0].name}: {clean_text(line)}")
        words = running.shell_words(death, for_memory)
        snapshot = _looked(argv, ran, words, place, interaction)
        return judge(snapshot, criteria, began=began)
    except KeyboardInterrupt:
        interaction.say("stopped before it found out why")
    except DoctorError:
        raise
    except Exception as error:  # noqa: BLE001  the command's status goes before what befalls the doctor
        interaction.say(f"could not diagnose: {type(error).__name__}: {error}")
    return None


def _added(log: Path, kept: int) -> Tail | None:
    """Return the part of a log after its first bytes; None if there is none."""
    tail = Tail()
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
    memory = "; the kernel killed a process for lack of memory" if for_memory else ""
    if death.name == "SIGKILL" and for_memory is False:
        memory = (
            "; the kernel killed nothing for lack of memory, so a person, a job manager or a "
            "user-space OOM daemon did (journalctl -b --grep oomd lists what a daemon killed)"
        )
    return f"{name} {how} after {took}{memory}"


def _looked(
    argv: Sequence[str],
    ran: running.Ran,
    words: str,
    place: Target,
    interaction: Interaction,
) -> Snapshot:
    """Return the facts in the output, merged with those of this machine."""
    from tunedoctor.probes.commands import interpreter_of  # noqa: PLC0415
    from tunedoctor.probes.live import take  # noqa: PLC0415  only after a failure
    from tunedoctor.readers.merge import joined  # noqa: PLC0415
    from tunedoctor.readers.read import read_report  # noqa: PLC0415

    told = read_report(*running.output_of(ran.tails, words))
    python = None if place.chosen_by in ("--target", "--self") else interpreter_of(argv)
    if python and Path(python).parent == Path(sys.executable).parent and not find_spec("torch"):
        interaction.say(
            f"{python} is doctor's own Python; name the one that trains, for example .venv/bin/python"
        )
        python = None
    snapshot, left_out = joined(told, take(python or place))
    for why in left_out:
        interaction.say(why)
    return snapshot
