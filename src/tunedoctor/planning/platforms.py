"""The machine as uv names it."""

from tunedoctor.installers.uv import Question
from tunedoctor.versions import parts
from tunedoctor.wheels.machine import Machine

_GLIBC = ((2, 17), (2, 28), *((2, minor) for minor in range(31, 41)))
"""glibc floors that uv has names for."""


def uv_platform(machine: Machine) -> str:
    """Return uv's name for a platform: "x86_64-manylinux_2_28"; that of glibc 2.28 where the glibc isn't known."""
    arch = {"amd64": "x86_64", "arm64": "aarch64"}.get(machine.arch.lower(), machine.arch.lower())
    if machine.platform == "macos":
        return f"{arch}-apple-darwin"
    if machine.platform == "windows":
        return f"{arch}-pc-windows-msvc"
    if machine.libc == "musl":
        return f"{arch}-unknown-linux-musl"
    have = parts(machine.glibc)[:2] or (2, 28)
    fits = [one for one in _GLIBC if one <= have] or [_GLIBC[0]]
    return f"{arch}-manylinux_{fits[-1][0]}_{fits[-1][1]}"


def question_for(machine: Machine) -> Question:
    """Return a question about nothing yet, for the Python ("3.13" of "3.13t") and the platform of a machine.

    Of a macOS whose release isn't known wheels for 14.0 are taken.
    """
    macos = (machine.macos or "14.0") if machine.platform == "macos" else ""
    python = machine.python.rstrip("t")
    return Question((), python=python, platform=uv_platform(machine), macos=macos)
