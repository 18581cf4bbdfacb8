"""Find what somebody typed: after prompts of shells, Python and notebooks, in Dockerfiles, and bare install lines."""

from collections.abc import Sequence

from tunedoctor.facts import Fact, Typed
from tunedoctor.lazy import pattern
from tunedoctor.readers.prompts import LONGEST, prompt

MOST = 200
_MOST_LINES = 30
_COMMAND = (
    r"(?:sudo (?:-\w+ )?)?(?:python[\d.]{0,5}(?:\.exe)? -m |py (?:-[\d.]{1,5} )?-m )?"
    r"(?:pip[\d.]{0,5} (?:install|uninstall|list|show|freeze|download)|uv (?:pip|sync|add|tool|venv|run)"
    r"|(?:conda|mamba|micromamba) (?:install|create|env|update|activate)"
    r"|poetry (?:add|install)|pdm add|pixi (?:add|install))\b"
)
_BARE = pattern(rf"\s{{0,12}}(?P<typed>{_COMMAND}.*)$")
_ALSO_BARE = pattern(
    r"\s{0,12}(?P<typed>(?:sudo )?(?:(?:docker|podman|nvidia-docker) (?:run|compose|exec|build)|apptainer (?:exec|run)"
    r"|singularity (?:exec|run)|torchrun|accelerate launch|deepspeed|llamafactory-cli|python[\d.]{0,5} -m torch)\s.*)$"
)
_DOCKERFILE = pattern(
    r"\s{0,12}(?P<typed>(?:RUN (?:--\S+ ){0,4}|FROM (?:--platform=\S+ )?(?=[\w.-]+[/:])|ENV [A-Z]\w+[= ])\S.*)$"
)
_SENTENCE = pattern(
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
    line = line[:LONGEST]
    if len(line) < 4 or line.isspace():
        return ""
    if (found := prompt(line)) and found.sure:
        return found.typed
    if of_file := _DOCKERFILE.match(line):
        return of_file["typed"].strip()
    bare = _BARE.match(line) or _ALSO_BARE.match(line)
    return bare["typed"].strip() if bare and not _SENTENCE.match(bare["typed"]) else ""


def _whole(command: str, lines: Sequence[str], at: int) -> tuple[str, int]:
    """Add the lines on which a command goes on after a backslash, a caret or a backtick."""
    parts = [command]
    while at < len(lines) and len(parts) < _MOST_LINES and parts[-1].endswith((" \\", " ^", " `")):
        parts.append(lines[at][:LONGEST].strip().removeprefix("> "))
        at += 1
    ends = [part[:-2] for part in parts[:-1]]
    return " ".join(part.strip() for part in (*ends, parts[-1])), at
