"""What container engines and NVIDIA's container tools say when they cannot pass a GPU."""

from collections.abc import Sequence

from tunedoctor.facts import Errors, ErrorText
from tunedoctor.lazy import pattern
from tunedoctor.readers.system.shell import LONGEST

_MOST = 30
_SAID = (
    pattern(r"could not select device driver .{0,60}with capabilities.*"),
    pattern(r"(?:unknown or invalid runtime name|Unknown runtime specified):? \"?(?:nvidia|amd).*"),
    pattern(r"exec: \\?\"?nvidia-container-\S{1,40}: executable file not found.*"),
    pattern(r"(?:exec|fork/exec) \S{0,60}nvidia-container-\S{1,40}: no such file or directory.*"),
    pattern(
        r"nvidia-container-(?:cli|runtime(?:-hook)?)(?:\.real)?: .{0,30}(?:error|failed|not found).*"
    ),
    pattern(r"failed to discover GPU vendor from CDI.*"),
    pattern(r"(?:CDI device injection failed: )?unresolvable CDI devices? .*"),
    pattern(r"failed to (?:stat|inject) CDI (?:host )?devices? .*"),
    pattern(r"error gathering device information while adding custom device .*"),
    pattern(r"\d{1,4} Insufficient (?:nvidia|amd)\.com/gpu.*"),
    pattern(
        r"(?:WARNING|INFO): {1,8}Could not find any (?:nv files|NVIDIA (?:binaries|libraries)) on this host.*"
    ),
    pattern(r"WARNING: The NVIDIA Driver was not detected.*"),
    pattern(r"OCI runtime create failed: .*"),
    pattern(r"Auto-detected mode as '?\w{1,10}'? .*"),
)
_WORTH = pattern(
    r"device driver|runtime|nvidia-container|CDI|custom device|Insufficient|on this host|NVIDIA Driver|OCI"
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
