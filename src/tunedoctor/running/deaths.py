"""Tell how a command ended: what a shell prints of a signal, and whether the kernel killed for memory meanwhile."""

import signal
from pathlib import Path
from typing import NamedTuple

from tunedoctor.probes.resources import group_kills
from tunedoctor.tables.small import windows_status

SHELL_SAYS = {
    "SIGKILL": "Killed",
    "SIGSEGV": "Segmentation fault",
    "SIGBUS": "Bus error",
    "SIGILL": "Illegal instruction",
    "SIGABRT": "Aborted",
    "SIGFPE": "Floating point exception",
}
"""Signals that a fault ends a process with, and the words of shells for them."""
ASKED = (
    "SIGINT",
    "SIGTERM",
    "SIGHUP",
    "SIGQUIT",
    "SIGPIPE",
    "SIGUSR1",
    "SIGUSR2",
    "STATUS_CONTROL_C_EXIT",
)
"""Signals by which somebody ends a process, or the reader of its output goes away: nothing to diagnose."""


class Kills(NamedTuple):
    """How many processes the kernel has killed for memory; None where it does not tell."""

    group: int | None
    """In the control groups of this process."""
    machine: int | None
    """On the whole machine."""


def kills_now() -> Kills:
    """Read both counters."""
    return Kills(group_kills(Path("/")), _machine_kills())


def _machine_kills() -> int | None:
    """Return `oom_kill` of /proc/vmstat, which Linux has since 4.13."""
    try:
        text = Path("/proc/vmstat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    found = [line.split() for line in text.splitlines() if line.startswith("oom_kill ")]
    return int(found[0][1]) if found and found[0][1:] and found[0][1].isdecimal() else None


def killed_for_memory(before: Kills, after: Kills) -> bool | None:
    """Tell whether a counter rose; None where there is none. The one of the group has the word."""
    for a, b in zip(before, after, strict=True):
        if a is not None and b is not None:
            return b > a
    return None


class Death(NamedTuple):
    """How a command ended."""

    status: int
    """As a shell has it: 128 + n for signal n."""
    name: str
    """Of the signal that ended the command, or a process of it that passed it on, or Windows's; "" for none."""
    itself: bool
    """The command itself got the signal; else its status alone tells of one."""
    says: str = ""
    """What a status of Windows means."""


def death_of(code: int) -> Death:
    """Return the death of a process that ended with `code`; -n stands for signal n."""
    if code < 0:
        return Death(128 - code, _name(-code), itself=True)
    if row := windows_status(code):
        return Death(code, row.name, itself=True, says=row.words)
    faults = {128 + signal.Signals[name] for name in SHELL_SAYS if hasattr(signal, name)}
    return Death(code, _name(code - 128) if code in faults else "", itself=False)


def shell_words(death: Death, for_memory: bool | None) -> str:  # noqa: FBT001  one of three answers
    """Return what a shell prints of a death, as pasted logs have it; "" where that would mislead.

    A SIGKILL during which the kernel killed nothing for memory is none that the RAM explains.
    """
    if death.name == "SIGKILL" and for_memory is False:
        return ""
    if death.says:
        return death.says
    return SHELL_SAYS.get(death.name, "")


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
