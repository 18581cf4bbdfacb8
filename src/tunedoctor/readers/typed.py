"""Find what somebody typed: after prompts of shells, Python and notebooks, in Dockerfiles, and bare install lines."""

import re
from collections.abc import Sequence

from tunedoctor.facts import Fact, Typed

MOST = 200
_LONGEST = 1000
_MOST_LINES = 30
_PROMPTS = tuple(
    re.compile(pattern)
    for pattern in (
        r"\s{0,12}>>>\s(?P<typed>\S.*)$",
        r"\s{0,12}In ?\[\d{0,5}\]:\s(?P<typed>\S.*)$",
        r"\s{0,12}(?P<typed>[!%](?:pip|uv|conda|mamba|python|apt|accelerate|env|set_env|cd|nvidia-smi)\w*\b.*)$",
        r"\s{0,12}(?:\([\w./-]{1,60}\) ?){0,3}PS [A-Za-z]:\\[^>\n]{0,200}>\s?(?P<typed>\S.*)$",
        r"\s{0,12}(?:\([\w./-]{1,60}\) ?){0,3}[A-Za-z]:\\[^<>|\n]{0,200}>\s?(?P<typed>\S.*)$",
        # a user at a machine, in brackets or not
        r"\s{0,12}(?:\([\w./-]{1,60}\) ?){0,3}\[?[\w.-]{1,40}@[\w.-]{1,80}[: ][^$#%>\n]{0,120}[$#%>]\s(?P<typed>\S.*)$",
        r"\s{0,12}(?:\([\w./-]{1,60}\) ?){0,3}(?:[\w.~/-]{1,80} ?)?(?:\$|\u276f|\u279c|\u03bb)\s{1,3}(?P<typed>\S.*)$",
        r"\s{0,12}(?:\([\w./-]{1,60}\) ?){1,3}(?:[\w.~/-]{1,80} ?)?[$#%>]\s(?P<typed>\S.*)$",
    )
)
_ZSH = re.compile(
    r"(?:[\w.~/-]{1,60} )?(?:git:\([^)\n]{0,80}\) )?[\u2717\u2718\u00bb\u276f%] (?P<typed>\S.*)$"
)
"""What oh-my-zsh puts between its arrow and the command."""
_COMMAND = (
    r"(?:sudo (?:-\w+ )?)?(?:python[\d.]{0,5}(?:\.exe)? -m |py (?:-[\d.]{1,5} )?-m )?"
    r"(?:pip[\d.]{0,5} (?:install|uninstall|list|show|freeze|download)|uv (?:pip|sync|add|tool|venv|run)"
    r"|(?:conda|mamba|micromamba) (?:install|create|env|update|activate)"
    r"|poetry (?:add|install)|pdm add|pixi (?:add|install))\b"
)
_BARE = re.compile(rf"\s{{0,12}}(?P<typed>{_COMMAND}.*)$")
_ALSO_BARE = re.compile(
    r"\s{0,12}(?P<typed>(?:sudo )?(?:(?:docker|podman|nvidia-docker) (?:run|compose|exec|build)|apptainer (?:exec|run)"
    r"|singularity (?:exec|run)|torchrun|accelerate launch|deepspeed|llamafactory-cli|python[\d.]{0,5} -m torch)\s.*)$"
)
_ROOT = re.compile(
    rf"\s{{0,12}}# (?P<typed>(?:{_COMMAND}|(?:docker|podman) (?:run|exec) |python[\d.]{{0,5}} \S+\.py\b|nvidia-smi\b"
    r"|torchrun |accelerate launch |rocminfo\b|(?:apt|apt-get|dnf|yum) install |export [A-Z]|modprobe |ldconfig\b).*)$"
)
_DOCKERFILE = re.compile(
    r"\s{0,12}(?P<typed>(?:RUN (?:--\S+ ){0,4}|FROM (?:--platform=\S+ )?(?=[\w.-]+[/:])|ENV [A-Z]\w+[= ])\S.*)$"
)
_SENTENCE = re.compile(
    r"[^'\"`]{0,200}(?:[a-z]\.|\?|!)\s{1,4}[A-Z]|.{0,200}\b(?:but|then|and it|does not|doesn't|fails|works)\b"
)


def read(lines: list[str]) -> list[Fact]:
    """Return one Typed fact with the commands in the order of the text; nothing where none is shown."""
    commands: list[str] = []
    at = 0
    while at < len(lines):
        command = typed(lines[at])
        at += 1
        if command:
            command, at = _whole(command, lines, at)
            commands.append(command)
    kept = commands if len(commands) <= MOST else commands[: MOST // 2] + commands[-MOST // 2 :]
    return [Typed(commands=tuple(kept))] if kept else []


def typed(line: str) -> str:
    """Return what was typed in a line, without its prompt; "" where nothing was."""
    line = line[:_LONGEST]
    if len(line) < 4 or line.isspace():
        return ""
    for pattern in _PROMPTS:
        if found := pattern.match(line):
            command = found["typed"].strip()
            after = _ZSH.match(command)
            return after["typed"] if after else command
    for pattern in (_DOCKERFILE, _ROOT):
        if found := pattern.match(line):
            return found["typed"].strip()
    found = _BARE.match(line) or _ALSO_BARE.match(line)
    return found["typed"].strip() if found and not _SENTENCE.match(found["typed"]) else ""


def _whole(command: str, lines: Sequence[str], at: int) -> tuple[str, int]:
    """Add the lines on which a command goes on after a backslash, a caret or a backtick."""
    parts = [command]
    while at < len(lines) and len(parts) < _MOST_LINES and parts[-1].endswith((" \\", " ^", " `")):
        parts.append(lines[at][:_LONGEST].strip().removeprefix("> "))
        at += 1
    ends = [part[:-2] for part in parts[:-1]]
    return " ".join(part.strip() for part in (*ends, parts[-1])), at
