"""Join a typed command that a mail program has wrapped between its words: no backslash stands at such an end."""

from collections.abc import Sequence
from itertools import pairwise

from tunedoctor.lazy import pattern

MOST = 60
"""Lines that one command is joined of."""
LEAST = 40
"""Characters of a line that something was wrapped in."""

_COMMAND = pattern(
    r"\s{0,12}(?:\S{0,60}[$#>%]\s{1,4}|!)?(?:sudo )?(?:docker|podman|nvidia-docker|pip[\d.]{0,5}|uv|conda|mamba"
    r"|python[\d.]{0,5}|torchrun|accelerate|deepspeed|apptainer|singularity|srun|llamafactory-cli)\s\S"
)
_WANTS = pattern(
    r"\s(?:--(?:extra-)?index-url|--find-links|--device|--volume|--mount|--env|--channel|-[vefcir])$"
)
"""An option at the end of a line whose value is still to come."""
_VALUE = pattern(r"(?:[./~<\w]\S{0,300}[/=:.]|https?:)\S{0,300}(?:\s|$)")
_OPTION = pattern(r"--[a-z][\w-]{1,40}(?:[=\s]|$)")


def whole_commands(lines: list[str], numbers: Sequence[int]) -> tuple[list[str], Sequence[int]]:
    """Return the lines with wrapped commands joined, and for each the number of its first part in the whole text.

    A command goes on where the next line begins with a long option, or with the value that an option at its end wants.
    """
    if not any(_goes_on(before, after) for before, after in pairwise(lines)):
        return lines, numbers
    out: list[str] = []
    kept: list[int] = []
    parts = 1
    for at, line in enumerate(lines):
        last = lines[at - 1] if at else ""
        # behind a backslash the command itself goes on, and what is wrapped in there
        more = bool(last) and (last.endswith(" \\") or _goes_on(last, line))
        if more and parts < MOST and _COMMAND.match(out[-1]):
            out[-1] = out[-1].removesuffix(" \\") + " " + line.lstrip()
            parts += 1
        else:
            out.append(line)
            kept.append(numbers[at] if at < len(numbers) else at + 1)
            parts = 1
    return out, kept


def _goes_on(before: str, after: str) -> bool:
    if not after or after[0].isspace():
        return False
    if after.startswith("--"):
        ended = before.endswith((".", ":", "!", "?", "\\"))
        return len(before) >= LEAST and not ended and _OPTION.match(after) is not None
    wants = before[-1:].isalpha() and _WANTS.search(before[-30:])
    return bool(wants and _VALUE.match(after))
