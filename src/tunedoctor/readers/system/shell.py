"""Commands that a paste shows after a prompt, and the lines that they printed."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from tunedoctor.lazy import pattern

LONGEST = 500
_FURTHEST = 400
"""Lines of one output that are kept."""
_PROMPT = pattern(
    r"^\s{0,12}(?:(?:\([\w./-]{1,60}\) ?){0,3}(?:\[?[\w.-]{1,40}@[\w.-]{1,60}[: ][^$#%>]{0,80}?\]?)?[$#%\u276f\u279c] ?"
    r"|(?:\([\w./-]{1,60}\) ?)?(?:PS )?[A-Z]:\\[^>\n]{0,120}>\s?)(\S.{0,500})$"
)
_ENV = pattern(r"^\s{0,12}\(([\w./-]{1,60})\)\s")
_KNOWN = pattern(
    r"(?:sudo )?(?:/\S{0,60}/)?(?:lspci|lshw|lsmod|modinfo|dkms|dpkg|rpm|apt|uname|cat|df|free|ulimit|id|groups|getent"
    r"|ls|ldd|ldconfig|which|where|type|command|pip3?|python[\d.]{0,5}|py|echo|env|printenv|docker|podman|nvidia-smi"
    r"|rocminfo|rocm-smi|nvcc|gcc|mokutil|wsl|sycl-ls|xpu-smi|readlink|grep|head|tail|dmesg|sudo|torchrun|accelerate|export|source"
    r"|conda|uv|cd|clinfo|hipconfig|systeminfo|ver|hostnamectl|lsb_release|lscpu|wmic|call|kubectl|journalctl|modprobe)\b"
)
_TITLE = pattern(
    r"^\s{0,4}(?:#{1,6} |[-*] |\*\*)?`{1,2}\$? ?([a-z][\w./-]{1,30}(?: [^`]{1,120})?)`{1,2}:?\*{0,2}:?\s*$"
)


class Shown(NamedTuple):
    """One command of a paste."""

    command: str
    output: tuple[str, ...]
    env: str
    """Name of the active environment in the prompt, as in "(venv) $"; empty for none."""
    line: int
    """Number of the command's line, from 0."""


def shown(lines: Sequence[str]) -> list[Shown]:
    """Return the commands in order. A "#" prompt counts only before a command of this trade."""
    starts: list[tuple[int, str, str]] = []
    after = 0
    for number, whole in enumerate(lines):
        line = whole[:LONGEST]
        found = (_TITLE.match(line) or _PROMPT.match(line)) if number >= after else None
        if not found:
            continue
        command = found[1].strip()
        sign = line[: found.start(1)].rstrip()[-1:]
        if sign in "$\u276f\u279c>" or _KNOWN.match(command):
            env = _ENV.match(line)
            whole_command = _whole(lines, number, command)
            after = number + 1 + whole_command.count("\n")
            starts.append((number, whole_command, env[1] if env else ""))
    commands: list[Shown] = []
    for at, (number, command, name) in enumerate(starts):
        end = starts[at + 1][0] if at + 1 < len(starts) else len(lines)
        first = number + 1 + command.count("\n")
        output = tuple(lines[first : min(end, first + _FURTHEST)])
        commands.append(Shown(command, output, name, number))
    return commands


def _whole(lines: Sequence[str], number: int, command: str) -> str:
    """Add the lines on which a command goes on, joined by line ends."""
    parts = [command]
    while (
        parts[-1].rstrip().endswith(("\\", "`", "^"))
        and number + len(parts) < len(lines)
        and len(parts) < 30
    ):
        parts.append(lines[number + len(parts)][:LONGEST])
    return "\n".join(parts)


def flat(command: str) -> str:
    """Return a command on one line."""
    return re.sub(r"\s*[\\`^]?\n\s*", " ", command)
