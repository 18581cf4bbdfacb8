"""What is answered before any choice: platforms and Pythons without wheels, ranges that no machine can meet."""

import re

from tunedoctor.versions import specifiers
from tunedoctor.wheels.blocked import (
    alternatives_of,
    double_ways_out,
    label_of,
    ways_out,
    without_label,
)
from tunedoctor.wheels.choice import Action, Choice, Said, say
from tunedoctor.wheels.pick import allowed, fitting, offered, releases
from tunedoctor.wheels.rules import one_spelling
from tunedoctor.wheels.situation import Situation, affirmed, jetpack_of, tag_of

_BEFORE = ("1.13.1", "1.12.1", "1.11.0", "1.10.2", "1.9.1", "1.8.1", "1.7.1", "1.6.0")
"""Releases before 2.0, which the table leaves out: none of them runs with today's libraries."""


def impossible(s: Situation) -> Choice | None:
    """Return the answer for a machine that no index choice can help, or None."""
    return _no_cpython(s) or _rosetta(s) or _no_family(s) or _old_jetson(s)


def _no_cpython(s: Situation) -> Choice | None:
    python, env = s.machine.python, s.machine.env
    named = " ".join([python, *(v for k, v in env.items() if "implementation" in k.lower())])
    other = re.search(r"pypy|\bpp3|graal|jython|ironpython", named, re.IGNORECASE)
    if not other and (not python or tag_of(python)):
        return None
    return Choice.of("change_python", [say("python_not_supported:cpython", python=python[:40])])


def _rosetta(s: Situation) -> Choice | None:
    machine = s.machine
    if machine.platform != "macos" or one_spelling(machine.arch) != "x86_64":
        return None
    if not any(re.search(r"\bApple M\d", gpu.name) for gpu in machine.gpus) and not any(
        _says_apple(key, value) for key, value in machine.env.items()
    ):
        return None
    return _elsewhere(
        s, "change_python", [say("rosetta_python")], "macos_arm64", "on an arm64 Python"
    )


def _says_apple(key: str, value: str) -> bool:
    if re.search(r"rosetta|translated|arm64|apple", key, re.IGNORECASE):
        return affirmed(value)
    apple = r"\barm64\b|\baarch64\b|Apple (?:M\d|silicon|processor)|rosetta"
    return bool(re.search(apple, value, re.IGNORECASE))


def _no_family(s: Situation) -> Choice | None:
    machine, arch = s.machine, one_spelling(s.machine.arch)
    if _is_32_bit(s):
        if arch in ("x86", "x86_64"):
            said = [say("need_64_bit_python")]
            family = "win_amd64" if machine.platform == "windows" else "linux_x86_64"
            kind = "cuda" if s.gpus.nvidia else "cpu"
            return _elsewhere(s, "change_python", said, family, "on a 64-bit Python", kind)
        said = [say("no_wheel_for_arch:32_bit"), ("need_64_bit_python", "")]
        return Choice.of("unsupported_platform", said)
    if s.question.family:
        return None
    if machine.libc.startswith("musl"):
        return Choice.of("unsupported_platform", [say("musl")])
    if machine.platform == "windows" and arch == "arm64":
        said = [say("no_wheel_for_arch:windows")]
        return _elsewhere(s, "unsupported_platform", said, "win_amd64", "on an x86_64 Python")
    said = [say("no_wheel_for_arch", arch=machine.arch or "this processor")]
    return Choice.of("unsupported_platform", said)


def _elsewhere(  # noqa: PLR0913  an answer, and where another one is
    s: Situation, action: Action, said: list[Said], family: str, after: str, kind: str = "cpu"
) -> Choice:
    """Return an answer with what a Python for another platform family would get."""
    found = fitting(s.question._replace(family=family), kind)
    return Choice.of(action, said, offered(found, after))


def _is_32_bit(s: Situation) -> bool:
    env = s.machine.env
    bits = next((v for k, v in env.items() if "bits" in k.lower() or "bitness" in k.lower()), "")
    arch = re.fullmatch(r"x86|arm|armv[5-7].*|armhf", one_spelling(s.machine.arch))
    return "32" in bits or bool(arch)


def _old_jetson(s: Situation) -> Choice | None:
    """JetPack 6 and older: another driver stack, for which only NVIDIA and the Jetson community build."""
    jetpack = jetpack_of(s.machine)
    if jetpack is None or jetpack >= 7:
        return None
    said = say("jetson_needs_vendor_wheels", jetpack=jetpack or "6 or older")
    return Choice.of("use_vendor_build", [said])


def at_fault(s: Situation, kind: str) -> Choice | None:
    """Return the answer where the wanted range can't be met on any machine, or None."""
    wanted = s.question.torch
    range_ = specifiers(wanted)
    if range_ is None:
        return Choice.of("fix_requirement", [say(":no_range", wanted=wanted[:80])])
    if allowed(wanted):
        return None
    old = "+" not in wanted and any(range_.contains(version) for version in _BEFORE)
    ways = ways_out(s, kind) or double_ways_out(s, kind)
    action: Action = "use_newer_torch" if old else "fix_requirement"
    return Choice.of(action, [_why(s, old=old)], alternatives_of(ways))


def _why(s: Situation, *, old: bool) -> Said:
    wanted, label = s.question.torch, label_of(s.question.torch)
    bare = allowed(without_label(wanted)) if label else ()
    if bare and not old:
        release = bare[0][0]
        has = ", ".join(release.variants(s.question.family)) or "none"
        return say(":no_such_label", release=release.version, label=label, has=has)
    first, last = releases()[-1].version, releases()[0].version
    key = ":before_2" if old else ":no_such_release"
    return say(key, wanted=wanted, first=first, last=last)


def asks_for_cpu(s: Situation) -> bool:
    """Tell whether the wanted range names the CPU build, as ==2.6.0+cpu does."""
    found = allowed(s.question.torch)
    return bool(found) and all(labels == frozenset({"cpu"}) for _, labels in found)
