"""What ROCm's tools say of the compute device, of groups and of versions."""

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

from tunedoctor.facts import Errors, ErrorText, Fact, Host, RocmStack
from tunedoctor.lazy import pattern
from tunedoctor.readers.rocm.words import LONGEST

Kfd = Literal["ok", "missing", "denied", "refused", "no memory", "not tried"]

_WSL1 = pattern(r"\bWSL ?(?:version )?1\b(?!\.)", re.IGNORECASE)
_OPEN = pattern(r"Unable to open /dev/kfd read-write: ([A-Z][a-z ]{3,40})")
_STATES: dict[str, Kfd] = {
    "permission denied": "denied",
    "operation not permitted": "denied",
    "no such file or directory": "missing",
    "no such device": "missing",
    "cannot allocate memory": "no memory",
}
_GROUPS = (
    pattern(r"is not (?:a )?member of \"?(render|video)\"? group"),
    pattern(r"user is not in (?:the )?\"?(render|video)\"? group", re.IGNORECASE),
    pattern(r"missing the following required groups?: ((?:\w{1,32}, ?)*\w{1,32})"),
)
_ERRORS = (
    _OPEN,
    pattern(r"ROCk module is NOT loaded.*"),
    pattern(r"(?:user )?(?<!\S)\S{0,40} ?is not (?:a )?member of \"?(?:render|video)\"? group.*"),
    pattern(r"WARNING: User is missing the following required groups.*"),
    pattern(r"user is not in (?:the )?\"?(?:render|video)\"? group.*", re.IGNORECASE),
    pattern(r"Failed to get user name to check for (?:video|render) group membership"),
    pattern(r"hsa api call failure .*"),
    pattern(r"(?:Call returned )?HSA_STATUS_ERROR_[A-Z_]{3,60}.*"),
    pattern(r"hsa_init [Ff]ailed.*"),
    pattern(r"Unable to detect any GPU devices, check amdgpu version.*"),
    pattern(r"[Dd]river not initialized \(amdgpu not found in modules\).*"),
    pattern(r"No compatible code objects found for: gfx\w{3,6}.*"),
)
_WORTH = ("kfd", "ROCk", "group", "hsa", "HSA_STATUS", "amdgpu", "code objects", "WSL environment")
_VERSIONS = (
    pattern(r"\bROC[mM] [Vv]ersion\s{0,4}:\s{0,4}(\d{1,2}\.\d{1,2}(?:\.\d{1,3})?)"),
    pattern(
        r"^(?:ii\s{1,4})?rocm(?:-(?:libs|dev|core|hip-sdk|hip-runtime))?(?::amd64)?"
        r"\s{1,60}(\d{1,2}\.\d{1,2}\.\d{1,3})"
    ),
    pattern(r"/opt/rocm-(\d{1,2}\.\d{1,2}\.\d{1,3})\b"),
)
_DRIVER = (
    pattern(r"amdgpu version\s{0,4}:\s{0,4}(\d{1,2}\.\d{1,3}[\d.]{0,12})"),
    pattern(r"ROCk module version (\d{1,2}\.\d[\d.]{0,20}) is loaded"),
)
_DXG = pattern(
    r"^\s{0,8}(?:c[rwx-]{9}\S?\s.{5,80}\s)?/dev/dxg(?:\s{1,8}/dev/\w{1,20})*\s*$|.{0,200}amdgpu-install\b.{0,80}--usecase=\S{0,40}\bwsl\b"
)
_BARE = pattern(r"(\d{1,2}\.\d{1,2}\.\d{1,3})(?:-\d{1,6})?")
_MOST = 40


class Stack(NamedTuple):
    """What a text says of the compute driver."""

    kfd: Kfd | None
    facts: list[Fact]


def stack(lines: Sequence[str], *, agents: bool) -> Stack:
    """Return the state of /dev/kfd, where told, and the facts RocmStack, Host and Errors.

    `agents`: rocminfo listed a GPU, so it has opened the device.
    """
    worth = [
        (number, line[:LONGEST])
        for number, line in enumerate(lines, 1)
        if any(word in line[:LONGEST] for word in _WORTH)
    ]
    plain = [line for _, line in worth]
    wsl = any("WSL environment detected" in line for line in plain) or _has_dxg(lines)
    kfd = None if wsl else _kfd(plain) or ("ok" if agents else None)
    groups = [
        name
        for line in plain
        for pattern in _GROUPS
        if (found := pattern.search(line))
        for name in re.findall(r"\w+", found[1])
    ]
    facts: list[Fact] = []
    version, driver = _version(lines), _driver(plain)
    if kfd or groups or version or driver or wsl:
        facts.append(
            RocmStack(
                kfd=kfd or "not tried",
                groups_missing=tuple(dict.fromkeys(groups)),
                version=version,
                dxg=wsl or None,
                driver=driver,
            )
        )
    if wsl:
        first = any(_WSL1.search(line[:LONGEST]) for line in lines if "1" in line[:LONGEST])
        facts.append(Host(os="linux", name="Linux", wsl=1 if first else 2))
    elif any("microsoft-standard-WSL2" in line[:LONGEST] for line in lines):
        facts.append(Host(os="linux", name="", wsl=2))
    if errors := _errors(worth):
        facts.append(Errors(errors=errors))
    return Stack(kfd, facts)


def _has_dxg(lines: Sequence[str]) -> bool:
    """Tell whether `ls` shows /dev/dxg, or the installer was asked for WSL: then no /dev/kfd is wanted."""
    return any(
        _DXG.match(line[:LONGEST])
        for line in lines
        if "/dev/dxg" in line[:LONGEST] or "--usecase" in line[:LONGEST]
    )


def _kfd(lines: Sequence[str]) -> Kfd | None:
    for line in lines:
        if found := _OPEN.search(line):
            return _STATES.get(found[1].strip().lower(), "refused")
    return "missing" if any("ROCk module is NOT loaded" in line for line in lines) else None


def _driver(lines: Sequence[str]) -> str:
    found = (pattern.search(line) for line in lines for pattern in _DRIVER)
    return next((one[1].strip() for one in found if one), "")


def _version(lines: Sequence[str]) -> str:
    """Return the version of ROCm that a tool, a package list or a folder states."""
    asked = False
    for whole in lines:
        line = whole[:LONGEST]
        if asked and (bare := _BARE.fullmatch(line.strip())):
            return bare[1]
        asked = "/.info/version" in line
        if "rocm" in line.lower() and "whl" not in line:
            for pattern in _VERSIONS:
                if found := pattern.search(line):
                    return found[1]
    return ""


def _errors(worth: Sequence[tuple[int, str]]) -> tuple[ErrorText, ...]:
    found: dict[str, ErrorText] = {}
    for number, line in worth:
        said = next((s for pattern in _ERRORS if (s := pattern.search(line))), None)
        if said and len(found) < _MOST:
            found.setdefault(said[0], ErrorText(text=said[0], where=f"line {number}"))
    return tuple(found.values())
