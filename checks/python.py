import re
import shlex
from typing import Any

from tunedoctor import api


@api.check("python-32bit", uses=(api.Host, api.IndexAnswer, api.Interpreter))
def python_32bit(facts: api.Facts) -> api.Finding | None:
    """Find a pointer of 32 bits, or an install that failed for such a Python."""
    own = facts.interpreter
    why = api.refused(facts.index_answer, own, facts.host)
    if own.bits != 32 and (why is None or why.cause != "python-32bit"):
        return None
    error = why.found if why is not None else ""
    windows = facts.host.os == "windows"
    return api.Finding(
        found=_describe_32bit(own) if own.bits == 32 else error,
        cure=api.tell("winget install Python.Python.3.12" if windows else "uv python install 3.12"),
        cure_note="a 64-bit Python; then create a new environment with it",
        said=error,
    )


def _describe_32bit(own: api.Interpreter) -> str:
    version = f" {own.version}" if own.version else ""
    return f"{own.executable or 'the interpreter'} is a 32-bit Python{version}"


@api.check(
    "python-headers-missing",
    uses=(
        api.AmdGpus,
        api.Compilers,
        api.Errors,
        api.Host,
        api.Interpreter,
        api.NvidiaGpus,
        api.Packages,
    ),
)
def python_headers_missing(facts: api.Facts) -> api.Finding | None:
    """Use an error first; otherwise find Triton with a GPU and a compiler but no headers on Linux."""
    error, own = facts.error_text(), facts.interpreter
    gpu = facts.nvidia or facts.amd
    triton = any(facts.packages.get(name) for name in api.TRITON)
    lacks = own.headers is False and facts.compilers.cc
    if not error and not (lacks and triton and gpu and facts.host.os in ("linux", "")):
        return None
    numbers = ".".join(map(str, api.parts(own.version)[:2])) if own else "3"
    if not facts.host or facts.host.distro in ("debian", "ubuntu"):
        command = f"sudo apt-get install -y python{numbers}-dev"
    else:
        command = f"sudo dnf install -y python{numbers}-devel"
    folder = own.include or "the include folder"
    return api.Finding(
        severity="error" if error else "warning",
        found="" if error else f"no Python.h in {folder} of Python {own.version}",
        cure=api.tell(command),
        cure_note=(
            "needs root; the version has to match the interpreter that the venv was made from"
        ),
        said=error,
    )


NEW_ENVIRONMENT = api.tell("python3.12 -m venv ~/train")
RECOMMENDED = "3.11"
"""Floor of torch 2.15. Source: torch_wheels.json."""


@api.check("python-old")
def python_old(facts: api.Facts, interpreter: api.Interpreter) -> api.Finding | None:
    """Compare with the floor of the newest torch."""
    if not interpreter.version or api.at_least(interpreter.version, RECOMMENDED):
        return None
    return api.Finding(
        found=f"Python {interpreter.version}; the newest torch needs {RECOMMENDED}",
        cure=NEW_ENVIRONMENT,
        cure_note="creates a new environment; the present one continues to work",
    )


OLDEST = "3.8"
"""First Python of torch 2. Source: torch_wheels.json."""
OLDEST_FOR_NEW = "3.9"
"""Below it transformers 5 and torch 2.5 and newer have no wheel."""
BROKEN_PATCH = "3.13.8"
"""Source: a regression of this CPython release, gone in 3.13.9; a report confirmed by the fix."""
SETTLE = (
    'python -c "import platform as p, struct as s; '
    "print(p.python_version(), 8 * s.calcsize('P'), p.platform(), p.machine())\""
)


@api.check(
    "python-unsupported",
    uses=(
        api.Errors,
        api.Host,
        api.IndexAnswer,
        api.Interpreter,
        api.Packages,
        api.Runtime,
        api.TorchBuild,
    ),
)
def python_unsupported(facts: api.Facts, torch: api.TorchBuild | api.Unknown | None) -> api.Result:
    """Judge the version alone, then with the installed or missing torch, then pip's messages."""
    own = facts.interpreter
    why = api.refused(facts.index_answer, own, facts.host)
    if why is not None and why.cause != "python-unsupported":
        return None
    if why is not None:
        return _report_refused(why, examined=bool(own))
    if not own:
        return _find_in_errors(facts)
    stage = facts.runtime.stage("import torch")
    if stage is not None and stage.outcome == "ok":
        return None
    finding = _check_version(facts, absent=torch is None)
    return finding or (None if isinstance(torch, api.TorchBuild) else _find_in_errors(facts))


def _report_refused(why: api.Refused, *, examined: bool) -> api.Finding:
    """Report that pip refused a wheel or a release; `examined`: the target's Python is known."""
    error = why.found
    unsettled = not examined and (why.file or "from versions: none" in error)
    if why.file:
        return api.Finding(
            title="The wheel file is for another Python",
            found=error,
            means="pip rejects the file and installs nothing",
            cure=api.tell("python -m pip debug --verbose"),
            cure_note=(
                "lists the tags that this Python accepts: choose the file with a matching cp tag, "
                "or install by name"
            ),
            settle=SETTLE if unsettled else "",
            said=error,
        )
    return api.Finding(
        found=error,
        means="pip and uv find no wheel for this Python and install nothing",
        cure=NEW_ENVIRONMENT,
        cure_note=(
            "creates a new environment with a Python that the release is built for; "
            "doctor wheel --python 3.12 names it"
        ),
        settle=SETTLE if unsettled else "",
        said=error,
    )


def _check_version(facts: api.Facts, *, absent: bool) -> api.Finding | None:
    own = facts.interpreter
    if own.implementation != "cpython" or not api.parts(own.version):
        return None
    where = api.family(facts.host, own) if facts.host else ""
    why = _why_too_old(own.version, absent=absent) or (_why_no_torch(own, where) if absent else "")
    if not why and api.within(own.version, f"=={BROKEN_PATCH}"):
        return _report_broken_patch(own, facts.torch.described if facts.torch else "")
    installed = facts.packages.get("torch") if facts.torch and not facts.torch.conda else None
    required = installed.requires_python if installed else ""
    if not why and required and api.within(own.version, required) is False:
        # its own metadata excludes this Python
        why = f"{facts.torch.described} requires Python {required}, but this is {own.version}"
    if not why:
        return None
    return api.Finding(
        found=f"{why} ({own.executable})" if own.executable else why,
        cure=NEW_ENVIRONMENT,
        cure_note=(
            "creates a new environment with a Python that torch is built for, 3.10 to 3.13; then "
            "run doctor check --target ~/train"
        ),
    )


def _why_too_old(version: str, *, absent: bool) -> str:
    """Return why a Python is too old; a 3.x with a torch of its time keeps working."""
    two = api.parts(version)[:1] < (3,)
    if api.at_least(version, OLDEST) or not (absent or two):
        return ""
    return f"Python {version} reached its end of life{' in 2020' if two else ''}; torch 2 needs {OLDEST} or newer"


def _why_no_torch(own: api.Interpreter, where: api.Family) -> str:
    """Return why no torch exists for this Python; "" if one does."""
    if not api.at_least(own.version, OLDEST_FOR_NEW):
        return f"Python {own.version} reached its end of life; no torch since 2.5 and no transformers 5 is built for it"
    tag = api.python_tag(own)
    releases: dict[str, Any] = api.table("torch_wheels")["releases"]["items"]
    if where and not any(api.has_wheel(version, tag, where) for version in releases):
        return f"no torch has a wheel for Python {tag} on this system"
    return ""


def _report_broken_patch(own: api.Interpreter, torch: str) -> api.Finding:
    uv = own.kind in ("venv", "standalone")
    place = f" at {own.executable}" if own.executable else ""
    with_torch = f", with {torch}" if torch else ""
    return api.Finding(
        title="Python 3.13.8 breaks import torch",
        found=f"Python {own.version}{place}{with_torch}",
        means=(
            "import torch fails with 'IndentationError: expected an indented block'; only this "
            "patch release has the bug"
        ),
        cure=api.tell("uv python upgrade 3.13" if uv else "conda install python=3.13.9"),
        cure_note="or install Python 3.13.9 in any other way; then create the venv again",
    )


def _find_in_errors(facts: api.Facts) -> api.Finding | None:
    if facts.error_text("/3-13-8"):
        return _report_broken_patch(api.Interpreter(executable="python", version=BROKEN_PATCH), "")
    own, excluded = facts.interpreter.version, _exclusion_by_pip(facts)
    if error := facts.error_text("/compile"):
        return api.Finding(
            title="torch.compile of this PyTorch does not support this Python",
            means="torch.compile fails; code without it runs",
            cure=facts.pip("install", "--upgrade", "torch"),
            cure_note=(
                "newer releases support it; or do not use torch.compile, or use an older Python"
            ),
            said=error,
        )
    if excluded:
        return api.Finding(
            found=f"the message '{excluded}'",
            means="pip finds no such torch for this Python and installs nothing",
            cure=NEW_ENVIRONMENT,
            cure_note="creates a new environment with a Python that the release is built for",
            said=excluded,
        )
    if (api.parts(own) and not api.at_least(own, "3.10")) and (error := facts.error_text("/union")):
        return api.Finding(
            title="A library needs a newer Python",
            found=f"the error '{error}' with Python {own}: types joined by | need Python 3.10",
            means="the library is written for Python 3.10 or newer",
            cure=NEW_ENVIRONMENT,
            cure_note="then install the stack there",
            said=error,
        )
    error = api.find_error(facts.errors, facts.expression("/none-fit").pattern)
    if not error:
        return None
    old = "0.1.2" in error  # for a Python without wheels pip offers only source archives from 2016
    return api.Finding(
        found=f"the error '{error}'" + (f" for Python {own}" if own else ""),
        means="no torch wheel fits the Python or the system that pip ran on",
        cure=NEW_ENVIRONMENT,
        cure_note=(
            "wheels exist for 64-bit Python 3.10 to 3.13 on Linux, Windows x64 or Apple silicon"
        ),
        settle="" if facts.interpreter or old else SETTLE,
        said=error,
    )


def _exclusion_by_pip(facts: api.Facts) -> str:
    """Return pip's or uv's sentence that a torch needs another Python, or ""."""
    if error := facts.error_text("/excluded-by-pip"):
        return error
    match = re.search(r"torch==(\d[\d.]*\d)", facts.error_text("/asked"))
    if match is None:
        return ""
    return api.find_error(
        facts.errors,
        r"Ignored the following versions that require a different python version: [^\n]{0,300}?(?<![\d.])"
        + re.escape(match[1])
        + r" Requires-Python",
    )


@api.check("target-missing", uses=(api.Host, api.Target))
def target_missing(
    facts: api.Facts,
    interpreter: api.Interpreter | api.Unknown | None,
    runtime: api.Runtime | api.Unknown | None,
) -> api.Result:
    """Find a live target without an interpreter, or one that fails before any script runs."""
    if not facts.target or facts.target.chosen_by == "none":
        return None
    if isinstance(interpreter, api.Interpreter):
        return _report_startup_failure(facts, interpreter, runtime)
    why = facts.target.problem or (interpreter.why if isinstance(interpreter, api.Unknown) else "")
    if isinstance(interpreter, api.Unknown) and re.search("doctor check --deep|--timeout", why):
        return interpreter  # its files do not show it, or the time ran out
    requested = facts.target.asked
    found = f"{requested}, named by {facts.target.chosen_by}: {why or 'there is no interpreter'}"
    if lost := facts.search("/lost", why):
        return api.Finding(
            title="The environment has lost its pyvenv.cfg",
            found=found,
            cure=api.tell(f"{lost[1]} -m venv --without-pip {requested}"),
            cure_note="creates the file again and leaves the packages as they are",
        )
    return api.Finding(
        found=found,
        cure=api.tell("doctor envs"),
        cure_note=(
            "lists your environments; choose one with --target. If its base Python is gone, "
            "doctor fix --new creates another"
        ),
    )


def _report_startup_failure(
    facts: api.Facts, own: api.Interpreter, runtime: api.Runtime | api.Unknown | None
) -> api.Result:
    """Report the file in which the target's Python fails before any script runs."""
    why = runtime.why if isinstance(runtime, api.Unknown) else ""
    match = facts.search("/said", why)
    # Windows reads .pth files by its code page
    place = match[2] if match else "" if facts.host.os == "windows" else own.unread_pth
    place = place or (own.may_end if facts.search("/stopped", why) else "")
    if place:
        found = f"{own.executable} fails at startup in {place}"
        return api.Finding(
            title="The target's Python fails at startup",
            found=f"{found}: {match[1]}" if match else found,
            means="no program starts there, neither training nor pip",
            cure=api.tell(f"mv {shlex.quote(place)} {shlex.quote(place)}.off"),
            cure_note="the file is yours, not part of a library; a .pth file has to be UTF-8",
            said=match[1] if match else "",
        )
    if own.may_end and not isinstance(runtime, api.Runtime):
        why = (
            f"{own.may_end} runs each time this Python starts and can end it: doctor check --deep "
            "finds out"
        )
        return api.Unknown(why=why)
    return None
