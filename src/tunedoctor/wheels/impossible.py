"""Platforms and Pythons that no wheel of PyTorch's index is made for: answered before any choice."""

import re

from tunedoctor.wheels.choice import Alternative, Choice
from tunedoctor.wheels.jetson import jetpack_of
from tunedoctor.wheels.machine import Machine
from tunedoctor.wheels.pick import offered, pick_cpu, pick_cuda
from tunedoctor.wheels.situation import Situation, arch_of, tag_of


def impossible(s: Situation) -> Choice | None:
    """Return the answer for a machine that no index choice can help, or None."""
    machine = s.machine
    return _no_cpython(machine) or _rosetta(s) or _no_family(s) or _old_jetson(s)


def _no_cpython(machine: Machine) -> Choice | None:
    implementation = " ".join(
        [machine.python, *(v for k, v in machine.env.items() if "implementation" in k.lower())]
    )
    if re.search(r"pypy|\bpp3|graal|jython|ironpython", implementation, re.IGNORECASE) or (
        machine.python and not tag_of(machine.python)
    ):
        why = f"torch has wheels for CPython alone, and this Python is {machine.python[:40]}"
        return Choice.of("change_python", [("python_not_supported", why)])
    return None


def _rosetta(s: Situation) -> Choice | None:
    if s.machine.platform != "macos" or arch_of(s.machine) != "x86_64":
        return None
    apple = any(re.search(r"\bApple M\d", gpu.name) for gpu in s.machine.gpus)
    if not apple and not any(_says_apple(key, value) for key, value in s.machine.env.items()):
        return None
    why = (
        "this Python is built for Intel and runs under Rosetta on an Apple processor: it sees no wheel newer "
        "than 2.2.2 and no GPU; an arm64 Python gets what this macOS runs"
    )
    found = pick_cpu(s.question._replace(family="macos_arm64"))
    return Choice.of(
        "change_python", [("rosetta_python", why)], offered(found, "on an arm64 Python")
    )


def _says_apple(key: str, value: str) -> bool:
    if re.search(r"rosetta|translated|arm64|apple", key, re.IGNORECASE):
        return value.strip().lower() not in ("", "0", "false", "no", "none")
    return bool(
        re.search(
            r"\barm64\b|\baarch64\b|Apple (?:M\d|silicon|processor)|rosetta", value, re.IGNORECASE
        )
    )


def _no_family(s: Situation) -> Choice | None:
    machine, arch = s.machine, arch_of(s.machine)
    if _is_32_bit(machine):
        why = "torch has no 32-bit wheels"
        if arch in ("x86", "x86_64"):
            said = [("need_64_bit_python", f"{why}: install a 64-bit Python")]
            return Choice.of("change_python", said, _on_64_bit(s))
        why += ": install a 64-bit system with a 64-bit Python"
        return Choice.of(
            "unsupported_platform", [("no_wheel_for_arch", why), ("need_64_bit_python", "")]
        )
    if s.question.family:
        return None
    if machine.libc.startswith("musl"):
        why = (
            "this system uses musl, and no torch release has a wheel for musl; index wheels up to 2.6.0 are tagged "
            "so that pip and uv install them here all the same, and their import fails: use an image with glibc"
        )
        return Choice.of("unsupported_platform", [("musl", why)])
    if machine.platform == "windows" and arch == "arm64":
        why = (
            "torch has no verified wheel for Windows on ARM; an x86_64 Python runs under emulation and gets the "
            "CPU wheel"
        )
        found = pick_cpu(s.question._replace(family="win_amd64"))
        on_intel = offered(found, "on an x86_64 Python")
        return Choice.of("unsupported_platform", [("no_wheel_for_arch", why)], on_intel)
    why = f"torch has no wheel for {machine.arch or 'this processor'}: build it from source"
    return Choice.of("unsupported_platform", [("no_wheel_for_arch", why)])


def _is_32_bit(machine: Machine) -> bool:
    bits = next(
        (v for k, v in machine.env.items() if "bits" in k.lower() or "bitness" in k.lower()), ""
    )
    return "32" in bits or bool(re.fullmatch(r"x86|arm|armv[5-7].*|armhf", arch_of(machine)))


def _on_64_bit(s: Situation) -> tuple[Alternative, ...]:
    family = "win_amd64" if s.machine.platform == "windows" else "linux_x86_64"
    question = s.question._replace(family=family)
    found = pick_cuda(question) if s.gpus.nvidia else pick_cpu(question)
    return offered(found, "on a 64-bit Python")


def _old_jetson(s: Situation) -> Choice | None:
    """JetPack 6 and older: another driver stack, for which only NVIDIA and the Jetson community build."""
    jetpack = jetpack_of(s.machine)
    if jetpack is None or jetpack >= 7:
        return None
    why = (
        f"JetPack {jetpack or '6 or older'} has a driver stack of its own, which the wheels of PyTorch's index were "
        "not built for: take the wheels that NVIDIA and the Jetson community publish for that JetPack"
    )
    return Choice.of("use_vendor_build", [("jetson_needs_vendor_wheels", why)])
