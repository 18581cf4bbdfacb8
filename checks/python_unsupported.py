import re
from typing import Any

from tunedoctor.api import (
    Facts,
    Family,
    Finding,
    Interpreter,
    Refused,
    TorchBuild,
    Unknown,
    at_least,
    check,
    expression,
    family,
    has_wheel,
    heard,
    known,
    parts,
    python_tag,
    refused,
    release_row,
    table,
    tell,
    told,
    within,
    worded,
)

OLDEST = "3.8"
"""First Python of torch 2. Source: torch_wheels.json."""
OLDEST_FOR_NEW = "3.9"
"""Below it transformers 5 and torch 2.5 and newer have nothing."""
BROKEN_PATCH = "3.13.8"
"""Source: a regression of this CPython release, gone in 3.13.9; a report confirmed by the fix."""


@check("python-unsupported")
def python_unsupported(facts: Facts, torch: TorchBuild | Unknown | None) -> Finding | None:
    """Judge the version alone, then with the torch that is or is not there, then what pip said."""
    why = refused(facts.index_answer, facts.interpreter, facts.host)
    if why is not None:
        return _refused(facts, why).saying(why.found) if why.cause == "python-unsupported" else None
    if not facts.interpreter:
        return _from_errors(facts)
    if (stage := facts.runtime.stage("import torch")) and stage.outcome == "ok":
        return None
    finding = _judged(facts, facts.interpreter, torch)
    if finding is None and not isinstance(torch, TorchBuild):
        return _from_errors(facts, facts.interpreter)
    return finding


def _judged(facts: Facts, own: Interpreter, torch: TorchBuild | Unknown | None) -> Finding | None:
    if own.implementation != "cpython" or not parts(own.version):
        return None
    where = family(facts.host, own) if facts.host else ""
    why = _too_old(own.version, absent=torch is None) or (
        _absent(own, where) if torch is None else ""
    )
    if why:
        return _finding(own, why)
    if _is(own.version, BROKEN_PATCH):
        return _patch(own, known(torch))
    build = known(torch)
    return _excluded(facts, own, build, where) if build and not build.conda else None


def _too_old(version: str, *, absent: bool) -> str:
    """Tell of a Python that has ended; one of the 3.x that has the torch of its time goes on working."""
    if at_least(version, OLDEST) or not (absent or parts(version)[:1] < (3,)):
        return ""
    ended = "has ended in 2020" if parts(version)[:1] < (3,) else "has ended"
    return f"Python {version} {ended}; torch 2 needs {OLDEST} or newer"


def _absent(own: Interpreter, where: Family) -> str:
    """Tell why no torch can be had for this Python; "" where one can."""
    if not at_least(own.version, OLDEST_FOR_NEW):
        return f"Python {own.version} has ended; no torch since 2.5 and no transformers 5 is built for it"
    if where and not _any_wheel(python_tag(own), where):
        return f"no torch has a wheel for Python {python_tag(own)} on this system"
    return ""


def _is(version: str, patch: str) -> bool:
    return within(version, f"=={patch}") is True


def _any_wheel(tag: str, where: Family) -> bool:
    releases: dict[str, Any] = table("torch_wheels")["releases"]["items"]
    return any(has_wheel(version, tag, where) for version in releases)


def _excluded(facts: Facts, own: Interpreter, torch: TorchBuild, where: Family) -> Finding | None:
    """Tell of an installed torch whose own metadata exclude this Python."""
    installed = facts.packages.get("torch")
    if installed is None or not installed.requires_python:
        return None
    if within(own.version, installed.requires_python) is not False:
        return None
    if where and release_row(torch.version) and has_wheel(torch.version, python_tag(own), where):
        return None
    return _finding(
        own,
        f"torch {torch.version} requires Python {installed.requires_python}; this is {own.version}",
    )


def _patch(own: Interpreter, torch: TorchBuild | None) -> Finding:
    beside = f", with torch {torch.version}" if torch is not None else ""
    return worded(
        "python-unsupported/3-13-8",
        found=f"Python {own.version}"
        + (f" at {own.executable}" if own.executable else "")
        + beside,
        cure=tell("uv python upgrade 3.13")
        if own.kind in ("venv", "standalone")
        else tell("conda install python=3.13.9"),
    )


def _refused(facts: Facts, why: Refused) -> Finding:
    """Tell of an install that failed; with no version of the Python at hand, none at all can have other causes."""
    if why.file:
        return worded(
            "python-unsupported/file",
            found=why.found,
            settle=SETTLE if not facts.interpreter else "",
        )
    none = "from versions: none" in why.found
    return worded(
        "python-unsupported/refused",
        found=why.found,
        settle=SETTLE if none and not facts.interpreter else "",
    )


SETTLE = (
    'python -c "import platform as p, struct as s; '
    "print(p.python_version(), 8 * s.calcsize('P'), p.platform(), p.machine())\""
)


def _finding(own: Interpreter, found: str) -> Finding:
    return worded(
        "python-unsupported", found=f"{found} ({own.executable})" if own.executable else found
    )


def _from_errors(facts: Facts, own: Interpreter | None = None) -> Finding | None:
    if heard(facts.errors, "python-unsupported/3-13-8"):
        return _patch(Interpreter(executable="python", version=BROKEN_PATCH), None)
    if compiled := heard(facts.errors, "python-unsupported/compile"):
        return worded("python-unsupported/compile", said=compiled)
    if excluded := _excluded_by_pip(facts):
        return worded("python-unsupported/excluded", said=excluded)
    union = heard(facts.errors, "python-unsupported/union")
    if union and own is not None and parts(own.version) and not at_least(own.version, "3.10"):
        return worded("python-unsupported/union", said=union, version=own.version)
    said = told(facts.errors, expression("python-unsupported/none-fit").pattern)
    if not said:
        return None
    version = f" for Python {own.version}" if own is not None else ""
    old = "0.1.2" in said  # sources of 2016 are all that pip offers to a Python without wheels
    return worded(
        "python-unsupported/none-fit",
        said=said,
        settle="" if own is not None or old else SETTLE,
        version=version,
    )


def _excluded_by_pip(facts: Facts) -> str:
    """Return pip's or uv's sentence by which a torch asks for another Python, "" where none says so."""
    if said := heard(facts.errors, "python-unsupported/excluded-by-pip"):
        return said
    asked = re.search(r"torch==(\d[\d.]*\d)", heard(facts.errors, "python-unsupported/asked"))
    if asked is None:
        return ""
    return told(
        facts.errors,
        r"Ignored the following versions that require a different python version: [^\n]{0,300}?(?<![\d.])"
        + re.escape(asked[1])
        + r" Requires-Python",
    )
