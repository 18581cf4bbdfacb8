"""What container engines and NVIDIA's container tools say when they cannot pass a GPU."""

import re
from collections.abc import Sequence

from tunedoctor.facts import Errors, ErrorText
from tunedoctor.lazy import pattern
from tunedoctor.readers.system.shell import LONGEST

_MOST = 30
_SAID = (
    re.compile(r"could not select device driver .{0,60}with capabilities.*"),
    re.compile(
        r"(?:unknown or invalid runtime name|Unknown runtime specified):? \"?(?:nvidia|amd).*"
    ),
    re.compile(r"exec: \\?\"?nvidia-container-\S{1,40}: executable file not found.*"),
    re.compile(
        r"(?:exec|fork/exec) \S{0,60}nvidia-container-\S{1,40}: no such file or directory.*"
    ),
    re.compile(
        r"nvidia-container-(?:cli|runtime(?:-hook)?)(?:\.real)?: .{0,30}(?:error|failed|not found).*"
    ),
    re.compile(r"failed to discover GPU vendor from CDI.*"),
    re.compile(r"(?:CDI device injection failed: )?unresolvable CDI devices? .*"),
    re.compile(r"failed to (?:stat|inject) CDI (?:host )?devices? .*"),
    re.compile(r"error gathering device information while adding custom device .*"),
    re.compile(r"\d{1,4} Insufficient (?:nvidia|amd)\.com/gpu.*"),
    re.compile(r"WARNING: Could not find any nv files on this host.*"),
    re.compile(r"WARNING: The NVIDIA Driver was not detected.*"),
    re.compile(r"OCI runtime create failed: .*"),
    re.compile(r"Auto-detected mode as '?\w{1,10}'? .*"),
)
_WORTH = pattern(
    r"device driver|runtime|nvidia-container|CDI|custom device|Insufficient|nv files|NVIDIA Driver|OCI"
)


def container_errors(lines: Sequence[str]) -> Errors | None:
    """Return one Errors fact with these messages; None where there are none."""
    found: dict[str, ErrorText] = {}
    for number, whole in enumerate(lines, 1):
        line = whole[: 3 * LONGEST]
        if not _WORTH.search(line):
            continue
        said = next((s for pattern in _SAID if (s := pattern.search(line))), None)
        if said and len(found) < _MOST:
            found.setdefault(said[0], ErrorText(text=said[0], where=f"line {number}"))
    return Errors(errors=tuple(found.values())) if found else None
