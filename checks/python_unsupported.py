import re
from typing import Any

from tunedoctor.api import (
    Errors,
    Family,
    Finding,
    Host,
    IndexAnswer,
    Interpreter,
    Known,
    Packages,
    Refused,
    Runtime,
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
NONE_FIT = expression("python-unsupported/none-fit")


@check("python-unsupported")
def python_unsupported(
    interpreter: Known[Interpreter],
    torch: TorchBuild | Unknown | None,
    host: Known[Host],
    packages: Known[Packages],
    runtime: Known[Runtime],
    errors: Known[Errors],
    answer: Known[IndexAnswer],
) -> Finding | None:
    """Judge the version alone, then with the torch that is or is not there, then what pip said."""
    why = refused(answer, interpreter, host)
    if why is not None:
        return (
            _refused(why, interpreter).saying(why.found)
            if why.cause == "python-unsupported"
            else None
        )
    if interpreter is None:
        return _from_errors(errors)
    if runtime is not None and (stage := runtime.stage("import torch")) and stage.outcome == "ok":
        return None
    finding = _judged(interpreter, torch, host, packages)
    if finding is None and not isinstance(torch, TorchBuild):
        return _from_errors(errors, interpreter)
    return finding


def _judged(
    own: Interpreter,
    torch: TorchBuild | Unknown | None,
    host: Host | None,
    packages: Packages | None,
) -> Finding | None:
    if own.implementation != "cpython" or not parts(own.version):
        return None
    where = family(host, own) if isinstance(host, Host) else ""
    why = _too_old(own.version, absent=torch is None) or (
        _absent(own, where) if torch is None else ""
    )
    if why:
        return _finding(own, why)
    if _is(own.version, BROKEN_PATCH):
        return _patch(own, known(torch))
    build = known(torch)
    return _excluded(own, build, packages, where) if build and not build.conda else None


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


def _excluded(
    own: Interpreter, torch: TorchBuild, packages: Packages | None, where: Family
) -> Finding | None:
    """Tell of an installed torch whose own metadata exclude this Python."""
    installed = packages.get("torch") if packages is not None else None
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


def _refused(why: Refused, own: Interpreter | None) -> Finding:
    """Tell of an install that failed; with no version of the Python at hand, none at all can have other causes."""
    if why.file:
        return worded(
            "python-unsupported/file", found=why.found, settle=SETTLE if own is None else ""
        )
    none = "from versions: none" in why.found
    return worded(
        "python-unsupported/refused", found=why.found, settle=SETTLE if none and own is None else ""
    )


SETTLE = (
    'python -c "import platform as p, struct as s; '
    "print(p.python_version(), 8 * s.calcsize('P'), p.platform(), p.machine())\""
)


def _finding(own: Interpreter, found: str) -> Finding:
    return worded(
        "python-unsupported", found=f"{found} ({own.executable})" if own.executable else found
    )


def _from_errors(errors: Errors | None, own: Interpreter | None = None) -> Finding | None:
    if heard(errors, "python-unsupported/3-13-8"):
        return _patch(Interpreter(executable="python", version=BROKEN_PATCH), None)
    if compiled := heard(errors, "python-unsupported/compile"):
        return worded("python-unsupported/compile", said=compiled)
    if excluded := _excluded_by_pip(errors):
        return worded("python-unsupported/excluded", said=excluded)
    union = heard(errors, "python-unsupported/union")
    if union and own is not None and parts(own.version) and not at_least(own.version, "3.10"):
        return worded("python-unsupported/union", said=union, version=own.version)
    said = told(errors, NONE_FIT.pattern)
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


def _excluded_by_pip(errors: Errors | None) -> str:
    """Return pip's or uv's sentence by which a torch asks for another Python, "" where none says so."""
    if said := heard(errors, "python-unsupported/excluded-by-pip"):
        return said
    asked = re.search(r"torch==(\d[\d.]*\d)", heard(errors, "python-unsupported/asked"))
    if asked is None:
        return ""
    return told(
        errors,
        r"Ignored the following versions that require a different python version: [^\n]{0,300}?(?<![\d.])"
        + re.escape(asked[1])
        + r" Requires-Python",
    )
