"""Explain why an installer found no file of a package: the index's answer, compared with the wheel table."""

import re
from typing import Literal, NamedTuple

from tunedoctor.facts import Host, IndexAnswer, Interpreter, Refusal
from tunedoctor.model.machine import python_tag
from tunedoctor.model.versions import at_least, parts, within
from tunedoctor.tables.gpus import named_as
from tunedoctor.tables.load import table
from tunedoctor.tables.wheels import release_row, releases
from tunedoctor.wheels import rules

Cause = Literal[
    "wheel-not-on-index", "platform-unsupported", "python-unsupported", "python-32bit", "glibc-too-old",
    "macos-too-old",
]  # fmt: skip
_TORCH = frozenset({"torch", "torchvision", "torchaudio", "xformers"})
_SYSTEMS = {"linux": "linux", "macosx": "macos", "win": "windows"}


class Refused(NamedTuple):
    """The cause, and the sentence that explains it."""

    cause: Cause
    found: str
    file: bool = False
    """The user named a file for another Python or system: the release itself has one for this machine."""


def refused(answer: IndexAnswer, own: Interpreter, host: Host) -> Refused | None:
    """Return the cause of the first failed install that can be judged; None if there is none."""
    results = (_Case(refusal, own, host).judge() for refusal in answer.refusals)
    return next(filter(None, results), None)


class _Case:
    """One refusal on one machine; sentences and their causes are `refusals` of wheel_words.json."""

    def __init__(self, refusal: Refusal, own: Interpreter, host: Host) -> None:
        self.one, self.own, self.host, self.name = refusal, own, host, refusal.name
        self.what, self.bare = f"{refusal.name}{refusal.specifier}", refusal.specifier.lstrip("=")
        pinned = refusal.specifier.startswith("==") and self.bare.strip()[:1].isdigit()
        self.pin = self.bare.strip().partition("+")[0].partition(",")[0] if pinned else ""
        """The requested release, without its label; "" if none is pinned."""
        self.label = refusal.specifier.partition("+")[2]
        self.tag = python_tag(own)
        self.family: rules.Family = rules.family(host, own) if own and host else ""
        self.offered = refusal.offered or ()
        self.last = max(self.offered, key=parts, default="")
        self.first_on_windows = table("distributions")["first_torch_on_windows"]
        self.labels = ", ".join(sorted({v.partition("+")[2] for v in self.offered} - {""})[:2])
        self.release = release_row(self.bare) if refusal.name == "torch" else None
        """The table's row for the pinned torch."""
        self.macos = host.os == "macos"
        self.python = f"; this is Python {own.version}" if own.version else ""
        """The end of a sentence that names the interpreter."""

    def because(self, key: str, cause: Cause | None = None, **slots: object) -> Refused:
        cause_of_row, text = table("wheel_words")["refusals"][key]
        return Refused(cause or cause_of_row, text.format(**vars(self), **slots))

    def has_wheel(self, version: str) -> bool:
        return rules.has_wheel(version, self.tag, self.family or "linux_x86_64")

    def none_at_all(self) -> Cause:
        """Return what a Python without any wheel lacks: 64 bits, a supported system, or the right version."""
        own, host = self.own, self.host
        machine = rules.one_spelling(own.machine or host.machine)
        if own.bits == 32:
            return "python-32bit"
        musl = host.libc == "musl" or host.distro == "alpine"
        if musl or host.os == "other" or (host.os == "windows" and machine == "arm64"):
            return "platform-unsupported"
        if machine in ("x86", "armv6l", "armv7l"):
            return "python-32bit"
        return "platform-unsupported" if named_as("foreign", machine) else "python-unsupported"

    def judge(self) -> Refused | None:
        refusal = self.one
        if refusal.installer == "pip" and refusal.wheel_tags:
            return self._by_file(refusal.wheel_tags[0])
        by_tag = self._by_tag()
        if by_tag is not None or refusal.name not in _TORCH:
            return by_tag or self._of_others()
        if not refusal.offered:
            return self._nothing()
        # missing for this Python or system on any index, whatever the release
        if all(parts(v) == (0, 1, 2) for v in self.offered):
            return self.because("sources of 2016", self.none_at_all())
        if self.macos and self.label.startswith(("cu", "rocm")):
            return self.because("no gpu of a mac")
        return self._of_versions()

    def _by_file(self, tags: str) -> Refused | None:
        """Judge a wheel that was named as a file; if unknown, the usual cause is another Python."""
        reason = misplaced(tags, self.own, self.host)
        if reason is None:
            explanation = self.because("file", tags=tags)._replace(file=True)
            return None if self.own else explanation
        elsewhere_fits = self.release is None or not self.tag or self.has_wheel(self.pin)
        end = "" if elsewhere_fits else f"; torch {self.pin} has none for Python {self.tag}"
        explanation = self.because("misplaced", reason.cause, found=reason.found, end=end)
        return explanation._replace(file=elsewhere_fits)

    def _of_others(self) -> Refused | None:
        refusal, own = self.one, self.own
        if self.macos and refusal.name == "triton" and refusal.reason == "nothing":
            # its wheels are only for Linux. Source: PyPI, files of triton
            return self.because("triton")
        pin = parts(refusal.specifier.lstrip("=~>"))
        ended = bool(parts(own.version)) and not at_least(own.version, "3.9")
        if ended and pin and refusal.offered and all(parts(v) < pin for v in refusal.offered):
            return self.because("python ended", newest=refusal.offered[-1])
        for version, floor in refusal.python_floors if refusal.reason == "python" else ():
            if not refusal.specifier or within(version, refusal.specifier) is not False:
                return self.because("python floor", floor=floor)
        return None

    def _by_tag(self) -> Refused | None:
        refusal, tag, tags = self.one, self.one.tag, self.one.wheel_tags
        if refusal.reason in ("python", "abi") and (tag or tags):
            has = f"; there are wheels for {', '.join(tags[:6])}" if any(tags) else ""
            return self.because("tag", file_tag=tag or "this Python", more=has)
        if refusal.reason != "platform" or not tag:
            return None
        have, need = _manylinux(tag), min(filter(None, map(_manylinux, tags)), default=())
        key, listed_tags = "platform tag", ", ".join(tags[:4])
        if named_as("narrow_tag", tag):
            key = "narrow tag"
        elif have and have < need:
            key = "glibc tag"
        elif tag.startswith("macosx") and "arm64" in tag and "macosx" in " ".join(tags):
            key = "macos tag"
        elif self._elsewhere():
            key, listed_tags = "tag of a label", ", ".join(tags[:3])
        elif not (tags or named_as("foreign_tag", tag)):
            return None
        return self.because(key, file_tag=tag, tags=listed_tags, glibc=".".join(map(str, need)))

    def _elsewhere(self) -> bool:
        """Return whether the system's wheels have a label, but the index was asked for one without, or the reverse.

        PyTorch's index names the files for Linux and Windows 2.6.0+cu124, and those for macOS or Arm 2.6.0.
        """
        tag, tags, release = self.one.tag, self.one.wheel_tags, self.release
        linux = "linux" in tag and tag.endswith("x86_64")
        where = "win_amd64" if tag == "win_amd64" else "linux_x86_64" if linux else ""
        has_tag = any(t == tag or (linux and "linux" in t and "x86_64" in t) for t in tags)
        if release is None or not where or self.label or has_tag:
            return False
        return any(release.of(where, kind) for kind in ("cuda", "rocm"))

    def _nothing(self) -> Refused | None:
        refusal, own = self.one, self.own
        # a pinned release that is newer than the last one for an old Python
        minor = ".".join(map(str, parts(own.version)[:2]))
        last = table("distributions")["last_torch"].get(minor, "")
        if refusal.name == "torch" and last and parts(self.pin) > parts(last):
            return self.because("last of a python", last_torch=last)
        variants = self.release.variants() if self.release is not None else []
        requested = refusal.index.rpartition("/whl/")[2]
        unknown_variant = (
            requested.startswith(("cu", "rocm")) and bool(variants) and requested not in variants
        )
        label = self.label or (requested if unknown_variant and refusal.reason == "version" else "")
        # what poetry locked was on the index: no file of it is for this Python or system
        locked = refusal.installer == "poetry" and refusal.reason == "platform"
        if refusal.reason == "abi" or (locked and label in ("", *variants)):
            return None
        if label and refusal.offered is None:
            return self.because("no such label", asked=label)
        if refusal.offered is not None and refusal.reason == "nothing":
            return self.because("from versions: none", self.none_at_all())
        if not refusal.specifier and self.host and self.none_at_all() == "platform-unsupported":
            return self.because("no index")
        return None

    def _of_versions(self) -> Refused | None:
        if not self.pin:
            floor = self.one.specifier.lstrip(">=").strip().partition(",")[0]
            above = self.one.specifier.startswith(">") and floor[:1].isdigit()
            return self._below(floor) if above else None
        bases = [parts(v.partition("+")[0]) for v in self.offered]
        span = f"{min(self.offered, key=parts)} to {self.last}" if len(bases) > 1 else self.last
        pinned, key = parts(self.pin), "too old for this python"
        # an index of one variant begins with the first release that was built for it
        in_table = bool(self.tag) and release_row(self.pin) is not None
        if self.pin in (v.partition("+")[0] for v in self.offered):
            key = "not there"
        elif all(base < pinned for base in bases):
            return self._below(self.pin)
        elif not all(base > pinned for base in bases):
            key = "no such release"
        elif self.labels and not (in_table and not self.has_wheel(self.pin)):
            key = "older than the index"
        elif self._is_windows_list():
            key = "no file for windows"
        return self.because(key, span=span)

    def _is_windows_list(self) -> bool:
        """Return whether the offered torch releases are those of the default index for Windows.

        For other systems that index begins with another release for each Python.
        """
        first = min(self.offered, key=parts)
        return (
            self.name == "torch"
            and not self.labels
            and first == self.first_on_windows
            and self.host.os in ("windows", "")
        )

    def _below(self, version: str) -> Refused | None:
        """Judge a case in which only older releases are offered: because of Python, the system, or the index."""
        last = self.last.partition("+")[0]
        version = version if version.count(".") > 1 else f"{version}.0"  # ">=2.3" begins there
        in_table = self.one.name == "torch" and release_row(version) is not None
        if in_table and (reason := self._last_release_reason(version, last)):
            return self.because("ended", reason.cause, release_=last, why=reason.found)
        if self.labels:
            return self.because("ended for labels", release_=last)
        if parts(version) > releases()[0].parsed.release:
            return self.because("not yet", release_=last)
        return None

    def _last_release_reason(self, version: str, last: str) -> Refused | None:
        where, host = self.family, self.host
        # files without a label are those of the default index
        intel_mac = where == "macos_x86_64" or not (where or self.labels)
        if intel_mac and last == rules.LAST_INTEL_MAC:
            return self.because("intel mac")
        if self.tag and not self.has_wheel(version):
            return self.because("no wheel", version=version)
        linux: rules.Family = where if where.startswith("linux") else "linux_x86_64"
        key, have, floor = "glibc", "", ""
        if host.libc == "glibc":
            have, floor = host.libc_version, rules.glibc_floor(version, "cpu", linux)
        elif self.macos and self.tag:
            key, have, floor = "macos", host.macos_version, rules.macos_floor(version, self.tag)
        if not have or not floor or at_least(have, floor):
            return None
        return self.because(key, version=version, floor=floor, have=have)


def _manylinux(tag: str) -> tuple[int, ...]:
    """Return the glibc version in "manylinux_2_28_x86_64"; () if it has none."""
    _, prefix, rest = tag.partition("manylinux_")
    numbers = rest.split("_")[:2]
    return tuple(map(int, numbers)) if prefix and all(map(str.isdecimal, numbers)) else ()


def misplaced(tags: str, own: Interpreter, host: Host) -> Refused | None:
    """Return why a file with tags such as "cp311-cp311-linux_x86_64" does not fit; None if nothing excludes it."""
    python, abi, platform = (*tags.split("-", 2), "", "")[:3]
    return _system(platform, host) or _python(python, abi, own)


def _system(platform: str, host: Host) -> Refused | None:
    system = next((f for word, f in _SYSTEMS.items() if word in platform), "")
    if not system or host.os not in _SYSTEMS.values():
        return None
    description = f"for {platform}, but this is {host.name or host.os} {host.machine}".rstrip()
    machine = re.sub(r"^(?:(?:many|musl)?linux|macosx)(?:_?\d{1,4}){0,2}_|^win_", "", platform)
    machines = (machine.removesuffix("universal2"), host.machine)
    needed, own_machine = map(rules.one_spelling, machines)
    if system != host.os or (needed and own_machine and needed != own_machine):
        return Refused("platform-unsupported", description)
    if platform.startswith("manylinux") and host.libc == "musl":
        return Refused("platform-unsupported", f"{description} with musl")
    floor = min(filter(None, map(_manylinux, platform.split("."))), default=())
    have = parts(host.libc_version) if host.libc == "glibc" else ()
    if floor and have and have < floor:
        needs = f"for glibc {'.'.join(map(str, floor))} and newer"
        return Refused("glibc-too-old", f"{needs}, but this system has {host.libc_version}")
    return None


def _python(python: str, abi: str, own: Interpreter) -> Refused | None:
    have = parts(own.version)[:2]
    digits = python.removeprefix("cp")
    if len(have) < 2 or not (python.startswith("cp") and digits[1:].isdigit()):
        return None
    needed = (int(digits[0]), int(digits[1:]))
    fits = have >= needed if abi == "abi3" else have == needed
    if fits and own.free_threaded == abi.endswith("t"):
        return None
    free = ", free-threaded" if own.free_threaded else ""
    description = f"for {python}-{abi}, but this is Python {own.version}{free}"
    return Refused("python-unsupported", description)
