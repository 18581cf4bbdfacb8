"""Which declared requirements of the stack are not met: Requires-Dist against what is installed.

Markers are evaluated for the target's Python and system, never for the doctor's own.
"""

import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import NamedTuple

from tunedoctor.facts import Distribution, Host, Interpreter, Packages, TorchBuild
from tunedoctor.lazy import pattern
from tunedoctor.versions import parts, release, within

STACK = frozenset(
    {
        *("torch", "torchvision", "torchaudio", "transformers", "tokenizers", "huggingface-hub"),
        *("safetensors", "peft", "trl", "accelerate", "datasets", "bitsandbytes", "pyarrow"),
        *("torchao", "xformers", "flash-attn", "deepspeed", "liger-kernel", "unsloth"),
        *("unsloth-zoo", "sentencepiece", "pandas", "numpy", "evaluate", "optimum"),
        *("llamafactory", "axolotl", "ms-swift", "torchtune"),
    }
)
"""Distributions whose requirements count; those of others do not stop a fine-tune."""

TRITON = ("triton", "pytorch-triton", "pytorch-triton-rocm", "triton-rocm")
"""Names under which PyTorch's own indexes give Triton."""
STAND_INS = {
    "triton": (*TRITON[1:], "triton-windows"),
    "opencv-python": ("opencv-python-headless", "opencv-contrib-python"),
    "pyarrow": ("pyarrow-core",),
}
"""Distributions that bring the same module under another name."""

_LINE = pattern(
    r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*(?:\(([^)]*)\)|([^;@(]*))\s*(@[^;]*)?(?:;(.*))?$",
    re.DOTALL,
)
_SEPARATORS = pattern(r"[-_.]+")


class Unmet(NamedTuple):
    """A requirement that does not hold."""

    owner: Distribution
    """Who declares it."""
    name: str
    """Normalised name of what is wanted."""
    specifier: str
    """As declared: "<2.0,>=1.3.0"; empty where any version does."""
    installed: str
    """The version that is there, "" where it is not installed."""

    @property
    def wanted(self) -> str:
        """As in "tokenizers>=0.22.0,<=0.23.0"."""
        return self.name + self.specifier

    @property
    def too_new(self) -> bool:
        """Whether the installed version lies above what is wanted, not below."""
        bounds = self.specifier.split(",")
        caps = any(s.lstrip().startswith(("<", "!", "=", "~")) for s in bounds)
        floors = ",".join(s for s in bounds if s.lstrip().startswith(">"))
        if floors and within(self.installed, floors) is False:
            return False
        exact = next((s[2:] for s in bounds if s.startswith(("==", "~="))), "")
        if exact:
            return release(self.installed) > release(exact.replace(".*", ""))
        return caps


def unmet(
    packages: Packages,
    interpreter: Interpreter | None,
    host: Host | None = None,
    torch: TorchBuild | None = None,
    names: Iterable[str] = STACK,
) -> tuple[Unmet, ...]:
    """Return what the named distributions require and do not get, in the order of the packages.

    Where packages are told in part only, what is not named does not count as missing. A distribution that is there
    without a readable version is met: its own fault is told elsewhere.
    """
    wanted = frozenset(names)
    installed = {one.name: one.version for one in packages.distributions}
    if torch is not None:
        installed["torch"] = torch.version
    there = {*packages.conda, *(one.name for one in packages.broken)}
    environment = tuple(marker_environment(interpreter, host).items())
    found: list[Unmet] = []
    for owner in packages.distributions:
        if owner.name in wanted:
            for name, specifier in requirements(owner.requires, environment):
                version = _version(installed, name)
                if version is None:
                    if packages.complete and name not in there:
                        found.append(Unmet(owner, name, specifier, ""))
                elif version and specifier and _met(version, specifier) is False:
                    found.append(Unmet(owner, name, specifier, version))
    return tuple(found)


def requirements(
    lines: Iterable[str], environment: tuple[tuple[str, str], ...]
) -> Iterator[tuple[str, str]]:
    """Yield (normalised name, specifier) of the lines whose marker holds; lines of extras are left out."""
    for line in lines:
        parsed = parse(line)
        if parsed is None:
            continue
        name, specifier, marker = parsed
        if not marker or ("extra" not in marker and _holds(marker, environment)):
            yield name, specifier


@cache
def parse(line: str) -> tuple[str, str, str] | None:
    """Split "name[extra] (>=1); marker" into name, specifier and marker; None where it is no requirement."""
    found = _LINE.match(line)
    if found is None:
        return None
    name, bracketed, plain, _, marker = found.groups()
    specifier = "".join((bracketed or plain or "").split())
    return _SEPARATORS.sub("-", name).lower(), specifier, (marker or "").strip()


def marker_environment(interpreter: Interpreter | None, host: Host | None) -> dict[str, str]:
    """Return the variables of PEP 508 for the target; what is not known is that of CPython on 64-bit Linux."""
    version = interpreter.version if interpreter else ""
    platform = (interpreter.platform if interpreter else "") or "linux-x86_64"
    implementation = interpreter.implementation if interpreter else "cpython"
    system, sys_platform, os_name = "Linux", "linux", "posix"
    if platform.startswith("win"):
        system, sys_platform, os_name = "Windows", "win32", "nt"
    elif platform.startswith("macosx"):
        system, sys_platform = "Darwin", "darwin"
    machine = (interpreter.machine if interpreter else "") or (host.machine if host else "")
    machine = machine or platform.rpartition("-")[2]
    numbers = parts(version)
    return {
        "python_version": ".".join(map(str, numbers[:2])) or "3.12",
        "python_full_version": version or "3.12.0",
        "implementation_name": implementation,
        "implementation_version": version or "3.12.0",
        "platform_python_implementation": {"cpython": "CPython", "pypy": "PyPy"}.get(
            implementation, implementation
        ),
        "sys_platform": sys_platform,
        "os_name": os_name,
        "platform_system": system,
        # Windows spells it so in platform.machine()
        "platform_machine": machine.upper() if sys_platform == "win32" else machine,
        "platform_release": host.kernel if host else "",
        "platform_version": "",
        "extra": "",
    }


@cache
def _holds(marker: str, environment: tuple[tuple[str, str], ...]) -> bool:
    """Evaluate a marker; one that cannot be read does not hold."""
    variables = dict(environment)
    plain = _plain(marker, variables)
    if plain is not None:
        return plain
    # 13 ms to import, and hardly ever needed
    from packaging.markers import (  # noqa: PLC0415
        InvalidMarker,
        Marker,
        UndefinedComparison,
        UndefinedEnvironmentName,
    )

    try:
        return Marker(marker).evaluate(variables)
    except (InvalidMarker, UndefinedComparison, UndefinedEnvironmentName):
        return False


_CLAUSE = pattern(r"""\s*(\w+)\s*(==|!=|<=|>=|<|>)\s*(["'])([^"'*]*)\3\s*$""")
_ORDERED: dict[str, Callable[[tuple[int, ...], tuple[int, ...]], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def _plain(marker: str, variables: Mapping[str, str]) -> bool | None:
    """Evaluate what nearly all markers are: comparisons joined by "and" and "or"; None for others."""
    if "(" in marker:
        return None
    any_holds = False
    for alternative in re.split(r"\bor\b", marker):
        holds = True
        for clause in re.split(r"\band\b", alternative):
            found = _CLAUSE.match(clause)
            if found is None or found[1] not in variables:
                return None
            left, right = variables[found[1]], found[4]
            if found[1] == "python_version":
                if not re.fullmatch(r"\d+(\.\d+)?", right):
                    return None
                pair = (*parts(left), 0, 0)[:2], (*parts(right), 0, 0)[:2]
                holds &= _ORDERED[found[2]](*pair)
            elif found[1].startswith(("python", "implementation_v")) or found[2] not in (
                "==",
                "!=",
            ):
                return None
            else:
                holds &= (left == right) is (found[2] == "==")
        any_holds |= holds
    return any_holds


def _version(installed: Mapping[str, str], name: str) -> str | None:
    version = installed.get(name)
    if version is None:
        return next((installed[n] for n in STAND_INS.get(name, ()) if n in installed), None)
    return version


@cache
def _met(version: str, specifier: str) -> bool | None:
    """Tell whether a version meets a specifier, its local label left out; None where unreadable."""
    return within(version, specifier)
