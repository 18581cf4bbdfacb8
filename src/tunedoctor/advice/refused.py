"""Why an installer found no file of a package: what the index answered, read with the table of wheels."""

import re
from typing import Literal, NamedTuple

from tunedoctor.advice.wheel_file import Misplaced, misplaced
from tunedoctor.facts import Host, IndexAnswer, Interpreter, Refusal, Unknown
from tunedoctor.lazy import pattern
from tunedoctor.tables.wheels import release_row
from tunedoctor.versions import at_least, parts, within
from tunedoctor.wheels.rules import (
    LAST_INTEL_MAC,
    Family,
    family,
    glibc_floor,
    has_wheel,
    macos_floor,
    python_tag,
    releases,
)

Cause = Literal[
    "wheel-not-on-index",
    "python-unsupported",
    "python-32bit",
    "platform-unsupported",
    "glibc-too-old",
    "macos-too-old",
]
ANCIENT = pattern(r"0\.1\.2(?:\.post\d)?$")
"""Sources of 2016: all that the default index offers a Python for which torch has no wheel."""
TORCH = frozenset({"torch", "torchvision", "torchaudio", "xformers"})
_OLD_TAGS = pattern(r"win32$|i[36]86$|armv[67]l$|linux_armv|musllinux_.*armv")
_FOREIGN = pattern(r"musllinux|win_arm64|ppc64|s390x|riscv|freebsd|macosx_\d+_\d+_x86_64|any_arm")


class Refused(NamedTuple):
    """Why, and the sentence that says it."""

    cause: Cause
    found: str
    file: bool = False
    """A file was named that another Python or system could take: the release itself has one for this machine."""


def refused(
    answer: IndexAnswer | Unknown | None,
    own: Interpreter | None = None,
    host: Host | None = None,
) -> Refused | None:
    """Return what stands behind the first failed install that can be judged; None where none can."""
    for one in answer.refusals if isinstance(answer, IndexAnswer) else ():
        found = _judged(one, own, host)
        if found is not None:
            return found
    return None


def _judged(one: Refusal, own: Interpreter | None, host: Host | None) -> Refused | None:
    what = f"{one.name}{one.specifier}"
    if one.installer == "pip" and one.wheel_tags:
        return _by_file(one, own, host)
    by_tag = _by_tag(one, what)
    if by_tag is not None:
        return by_tag
    if one.name not in TORCH:
        return _of_others(one, what, own, host)
    if not one.offered:
        return _nothing(one, what, own, host)
    if all(ANCIENT.match(v) for v in one.offered):
        offer = f"pip finds sources of 2016 alone for {what}{_python(own)}"
        return Refused(_none_at_all(own, host), offer)
    return _on_a_mac(one, what, host) or _of_versions(one, what, own, host)


_FOR_OTHER_GPUS = pattern(r"\+(?:cu|rocm)\d")


def _on_a_mac(one: Refusal, what: str, host: Host | None) -> Refused | None:
    """Judge a label of CUDA or ROCm: no file for macOS carries one."""
    if host is None or host.os != "macos" or not _FOR_OTHER_GPUS.search(one.specifier):
        return None
    return Refused("platform-unsupported", f"{what} is a build for a GPU that no Mac has")


def _by_file(one: Refusal, own: Interpreter | None, host: Host | None) -> Refused | None:
    """Judge a wheel that was named as a file by its tags; another Python is what is meant most where nobody told."""
    tags = one.wheel_tags[0]
    found = misplaced(tags, own, host)
    if found is not None:
        return _placed(found, one, own, host)
    if own is not None:
        return None
    said = f"the file of {one.name} {one.specifier.lstrip('=')} has the tags {tags}, which this Python does not take"
    return Refused("python-unsupported", said, file=True)


def _placed(found: Misplaced, one: Refusal, own: Interpreter | None, host: Host | None) -> Refused:
    release = one.specifier.lstrip("=").partition("+")[0]
    where, tag = _family(own, host), python_tag(own) if own is not None else ""
    said = f"the file of {one.name} {one.specifier.lstrip('=')} is {found.said}"
    if one.name == "torch" and release_row(release) is not None and tag:
        there = has_wheel(release, tag, where or "linux_x86_64")
        end = "" if there else f"; torch {release} has none for Python {tag}"
        return Refused(found.cause, said + end, file=there)
    return Refused(found.cause, said, file=True)


def _of_others(
    one: Refusal, what: str, own: Interpreter | None, host: Host | None
) -> Refused | None:
    """Judge a package that has no table of wheels here."""
    mac = host is not None and host.os == "macos"
    if mac and one.name == "triton" and one.reason == "nothing":
        # its wheels are for Linux alone. Source: PyPI, files of triton
        return Refused("platform-unsupported", "triton has no wheel for macOS")
    if one.offered and own is not None and _older_python_only(one, own):
        return Refused(
            "python-unsupported",
            f"the newest {one.name} that pip offers is {one.offered[-1]}{_python(own)}",
        )
    floors = [f for v, f in one.python_floors if not one.specifier or _inside(v, one.specifier)]
    if floors and one.reason == "python":
        return Refused("python-unsupported", f"{what} requires Python {floors[0]}{_python(own)}")
    return None


def _older_python_only(one: Refusal, own: Interpreter) -> bool:
    """Tell of a Python that has ended, to which an index offers only what is older than what is asked for."""
    ended = bool(parts(own.version)) and not at_least(own.version, "3.9")
    pin = one.specifier.lstrip("=~>")
    return (
        ended
        and bool(parts(pin))
        and all(parts(version) < parts(pin) for version in one.offered or ())
    )


def _by_tag(one: Refusal, what: str) -> Refused | None:
    """Judge by the tags that the installer names."""
    tag, wheels = one.tag, " ".join(one.wheel_tags)
    found: Refused | None = None
    if one.reason in ("python", "abi") and (tag or one.wheel_tags):
        has = f"; there are wheels for {', '.join(one.wheel_tags[:6])}" if wheels else ""
        found = Refused(
            "python-unsupported", f"{what} has no wheel for {tag or 'this Python'}{has}"
        )
    elif one.reason == "platform" and tag:
        here = f"{what} has no wheel for {tag}"
        if _OLD_TAGS.search(tag):
            found = Refused("python-32bit", here)
        elif (have := _manylinux(tag)) and (need := _least(one.wheel_tags)) and have < need:
            floor = ".".join(map(str, need))
            found = Refused("glibc-too-old", f"{here}, and the ones there are need glibc {floor}")
        elif tag.startswith("macosx") and "arm64" in tag and "macosx" in wheels:
            found = Refused("macos-too-old", f"{here}; there are {', '.join(one.wheel_tags[:4])}")
        elif one.name == "torch" and _elsewhere(one, tag):
            found = Refused(
                "wheel-not-on-index",
                f"{here} under that name; PyTorch's index has it as {one.specifier.lstrip('=')}+cpu, +cu…: "
                f"without a label there is {', '.join(one.wheel_tags[:3])} alone",
            )
        elif _FOREIGN.search(tag) or one.wheel_tags:
            found = Refused("platform-unsupported", here)
    return found


def _elsewhere(one: Refusal, tag: str) -> bool:
    """Tell of a system for which the release has wheels with a label, where an index was asked for one without.

    PyTorch's index names the files for Linux and Windows 2.6.0+cu124, and those for macOS or Arm 2.6.0.
    """
    row = release_row(one.specifier.lstrip("="))
    linux = "linux" in tag and tag.endswith("x86_64")
    where = "win_amd64" if tag == "win_amd64" else "linux_x86_64" if linux else ""
    if row is None or not where or "+" in one.specifier:
        return False
    mine = any(t == tag or (linux and "linux" in t and "x86_64" in t) for t in one.wheel_tags)
    return not mine and any(row.of(where, kind) for kind in ("cuda", "rocm"))


def _manylinux(tag: str) -> tuple[int, ...]:
    found = re.search(r"manylinux_(\d+)_(\d+)", tag)
    return (int(found[1]), int(found[2])) if found else ()


def _least(tags: tuple[str, ...]) -> tuple[int, ...]:
    floors = [floor for tag in tags if (floor := _manylinux(tag))]
    return min(floors) if floors else ()


def _nothing(one: Refusal, what: str, own: Interpreter | None, host: Host | None) -> Refused | None:
    """Judge where no version was offered: none at all, or the tool prints no list."""
    label = one.specifier.partition("+")[2] or _never_for(one)
    if ended := _after_its_time(one, what, own):
        return ended
    if one.reason == "abi":
        return _for_python(one, what, own, host)
    if one.installer == "poetry" and one.reason in ("platform", "abi") and _locked(one, label):
        # what is locked was on the index: no file of it is for this Python or system
        return _for_python(one, what, own, host)
    if label and one.offered is None:
        release = one.specifier.lstrip("=").partition("+")[0]
        return Refused("wheel-not-on-index", f"no index here has torch {release} for {label}")
    if one.offered is None or one.reason != "nothing":
        never = not one.specifier and _none_at_all(own, host) == "platform-unsupported"
        here = f"no index has a wheel of {one.name} for this system that pip takes"
        return Refused("platform-unsupported", here) if never and host is not None else None
    return Refused(
        _none_at_all(own, host),
        f"the index has no {one.name} for this Python and system: '{what} (from versions: none)'",
    )


_LAST = {"2.7": "1.4.0", "3.5": "1.5.1", "3.6": "1.10.2", "3.7": "1.13.1"}
"""The last torch with wheels for a Python that has ended. Source: PyPI, files of torch."""


def _after_its_time(one: Refusal, what: str, own: Interpreter | None) -> Refused | None:
    """Judge a pinned release that is younger than the last one for an old Python."""
    last = _LAST.get(".".join(map(str, parts(own.version)[:2])), "") if own is not None else ""
    pinned = re.match(r"===?\s*(\d[\w.]*)", one.specifier)
    if one.name != "torch" or not last or pinned is None or parts(pinned[1]) <= parts(last):
        return None
    return Refused(
        "python-unsupported", f"{what} has no wheel{_python(own)}: torch {last} is the last"
    )


def _locked(one: Refusal, label: str) -> bool:
    """Tell of a release that was built for the label that is asked for, or that is asked for without one."""
    row = release_row(one.specifier.lstrip("="))
    if row is None or one.name != "torch" or not one.specifier.startswith("=="):
        return False
    return not label or label in row.variants()


def _for_python(
    one: Refusal, what: str, own: Interpreter | None, host: Host | None
) -> Refused | None:
    """Judge a known release by the Python that asked for it; None where that has a wheel, or is not known."""
    tag, version = python_tag(own) if own is not None else "", one.specifier.lstrip("=")
    if not tag or release_row(version) is None:
        return None
    where = _family(own, host) or _usual(host)
    if has_wheel(version.partition("+")[0], tag, where):
        return None
    if where == "macos_x86_64" and parts(version) > parts(LAST_INTEL_MAC):
        return Refused("platform-unsupported", f"{what} has no wheel for an Intel Mac")
    return Refused("python-unsupported", f"{what} has no wheel for Python {tag}")


def _usual(host: Host | None) -> Family:
    """Return the family of most machines with this system, where the processor is not known."""
    systems: dict[str, Family] = {"windows": "win_amd64", "macos": "macos_arm64"}
    return systems.get(host.os if host is not None else "", "linux_x86_64")


def _never_for(one: Refusal) -> str:
    """Return the variant of the index that was asked, where the release was never built for it; else ""."""
    label = one.index.rpartition("/whl/")[2]
    row = release_row(one.specifier.lstrip("=")) if one.name == "torch" and label else None
    if row is None or one.reason != "version":
        return ""
    return label if label.startswith(("cu", "rocm")) and label not in row.variants() else ""


def _none_at_all(own: Interpreter | None, host: Host | None) -> Cause:
    """Tell what a Python lacks for which there is no wheel at all: 64 bits, a system, or its version."""
    if own is not None and own.bits == 32:
        return "python-32bit"
    machine = ((own.machine if own else "") or (host.machine if host else "")).lower()
    if host is not None:
        arm_windows = host.os == "windows" and machine in ("arm64", "aarch64")
        musl = host.libc == "musl" or host.distro == "alpine"
        if arm_windows or musl or (host.os == "other"):
            return "platform-unsupported"
    if machine in ("i386", "i486", "i586", "i686", "armv6l", "armv7l", "x86"):
        return "python-32bit"
    if machine.startswith(("ppc", "s390", "riscv", "mips", "loong")):
        return "platform-unsupported"
    return "python-unsupported"


def _of_versions(
    one: Refusal, what: str, own: Interpreter | None, host: Host | None
) -> Refused | None:
    """Judge where other versions are offered than the one that is asked for."""
    wanted = re.match(r"===?\s*(\d[\w.]*)(?:\+(\w[\w.]*))?", one.specifier)
    offered = list(one.offered or ())
    bases = [v.partition("+")[0] for v in offered]
    last, first = max(offered, key=parts, default=""), min(offered, key=parts, default="")
    if wanted is None:
        floor = re.match(r">=?\s*(\d[\w.]*)", one.specifier)
        return _below(one, what, floor[1], own, host) if floor else None
    version = wanted[1]
    has = f"the index offers {first} to {last}" if len(offered) > 1 else f"the index offers {last}"
    if version in bases:
        return Refused("wheel-not-on-index", f"{what} is not there: {has}")
    if all(parts(base) < parts(version) for base in bases):
        return _below(one, what, version, own, host)
    labels = {v.partition("+")[2] for v in offered} - {""}
    tag = python_tag(own) if own is not None else ""
    where = _family(own, host)
    if all(parts(base) > parts(version) for base in bases):
        # an index of one variant begins with the first release that was built for it
        known = bool(tag) and release_row(version) is not None
        if labels and not (known and not has_wheel(version, tag, where or "linux_x86_64")):
            return Refused("wheel-not-on-index", f"{what} is older than what this index has: {has}")
        return Refused(
            "python-unsupported", f"{what} has no wheel for a Python so new{_python(own)}: {has}"
        )
    return Refused("wheel-not-on-index", f"there is no {what}: {has}")


def _below(
    one: Refusal, what: str, version: str, own: Interpreter | None, host: Host | None
) -> Refused | None:
    """Judge where only older releases are offered: what ended there, the Python, the system, or the index."""
    last = max(one.offered or ("",), key=parts).partition("+")[0]
    labels = {v.partition("+")[2] for v in one.offered or ()} - {""}
    end = f"{what} is not offered, {last} is the last that is"
    version = version if version.count(".") > 1 else f"{version}.0"  # ">=2.3" begins there
    if one.name == "torch" and release_row(version) is not None:
        found = _ended(version, last, own, host, plain=not labels)
        if found is not None:
            return found._replace(found=f"{end}: {found.found}")
    if labels:
        return Refused("wheel-not-on-index", f"{end} for {', '.join(sorted(labels)[:2])}")
    if own is not None and parts(own.version) and parts(own.version) < (3, 8):
        return Refused("python-unsupported", f"{end}{_python(own)}")
    if parts(version) > parts(releases()[-1]):
        return Refused("wheel-not-on-index", f"there is no {what} yet: {end}")
    return None


def _ended(
    version: str, last: str, own: Interpreter | None, host: Host | None, *, plain: bool
) -> Refused | None:
    """Tell what a known release asks for and this machine lacks. `plain`: the files carry no label."""
    where, tag = _family(own, host), python_tag(own) if own is not None else ""
    intel_mac = where == "macos_x86_64" or (not where and plain)
    found: Refused | None = None
    if intel_mac and last == LAST_INTEL_MAC:
        found = Refused("platform-unsupported", "as on an Intel Mac")
    elif tag and not has_wheel(version, tag, where or "linux_x86_64"):
        found = Refused("python-unsupported", f"no wheel of {version} for Python {tag}")
    elif host is not None and host.libc == "glibc" and host.libc_version:
        floor = glibc_floor(version, "cpu", where if where.startswith("linux") else "linux_x86_64")
        if not at_least(host.libc_version, floor):
            why = f"{version} needs glibc {floor}, here is {host.libc_version}"
            found = Refused("glibc-too-old", why)
    elif host is not None and host.os == "macos" and host.macos_version and tag:
        floor = macos_floor(version, tag)
        if floor and not at_least(host.macos_version, floor):
            why = f"{version} needs macOS {floor}, here is {host.macos_version}"
            found = Refused("macos-too-old", why)
    return found


def _family(own: Interpreter | None, host: Host | None) -> Family:
    return family(host, own) if own is not None and host is not None else ""


def _inside(version: str, specifier: str) -> bool:
    return within(version, specifier) is not False


def _python(own: Interpreter | None) -> str:
    return f"; this is Python {own.version}" if own is not None and own.version else ""
