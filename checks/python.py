import re
from typing import Any

from tunedoctor import api


@api.check("python-32bit")
def python_32bit(facts: api.Facts) -> api.Finding | None:
    """Find a pointer of 32 bits, or an install that failed for such a Python."""
    own = facts.interpreter
    why = api.refused(facts.index_answer, own, facts.host)
    if own.bits != 32 and (why is None or why.cause != "python-32bit"):
        return None
    case = ":windows" if facts.host.os == "windows" else ":else"
    error = why.found if why is not None else ""
    return facts.worded(case, found="" if own.bits == 32 else error, said=error)


@api.check("python-headers-missing")
def python_headers_missing(facts: api.Facts) -> api.Finding | None:
    """Use an error first; otherwise find Triton with a GPU and a compiler but no headers on Linux."""
    error, own = facts.heard(), facts.interpreter
    gpu = facts.nvidia or facts.amd
    triton = any(facts.packages.get(name) for name in api.TRITON)
    lacks = own.headers is False and facts.compilers.cc
    if not error and not (lacks and triton and gpu and facts.host.os in ("linux", "")):
        return None
    system = "debian" if not facts.host or facts.host.distro in ("debian", "ubuntu") else "else"
    numbers = ".".join(map(str, api.parts(own.version)[:2])) if own else "3"
    return facts.worded(f":{system}", ":said" if error else ":seen", said=error, numbers=numbers)


RECOMMENDED = "3.11"
"""Floor of torch 2.15. Source: torch_wheels.json."""


@api.check("python-old")
def python_old(facts: api.Facts, interpreter: api.Interpreter) -> api.Finding | None:
    """Compare with the floor of the newest torch."""
    if not interpreter.version or api.at_least(interpreter.version, RECOMMENDED):
        return None
    return facts.worded(version=interpreter.version)


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


@api.check("python-unsupported")
def python_unsupported(facts: api.Facts, torch: api.TorchBuild | api.Unknown | None) -> api.Result:
    """Judge the version alone, then with the installed or missing torch, then pip's messages."""
    own = facts.interpreter
    why = api.refused(facts.index_answer, own, facts.host)
    if why is not None and why.cause != "python-unsupported":
        return None
    if why is not None:
        settle = SETTLE if why.file or "from versions: none" in why.found else ""
        key = "/file" if why.file else "/refused"
        error = why.found
        return facts.worded(key, found=error, said=error, settle="" if own else settle)
    if not own:
        return _from_errors(facts)
    stage = facts.runtime.stage("import torch")
    if stage is not None and stage.outcome == "ok":
        return None
    finding = _check_version(facts, absent=torch is None)
    return finding or (None if isinstance(torch, api.TorchBuild) else _from_errors(facts))


def _check_version(facts: api.Facts, *, absent: bool) -> api.Finding | None:
    own = facts.interpreter
    if own.implementation != "cpython" or not api.parts(own.version):
        return None
    where = api.family(facts.host, own) if facts.host else ""
    why = _too_old(own.version, absent=absent) or (_absent(own, where) if absent else "")
    if not why and api.within(own.version, f"=={BROKEN_PATCH}"):
        return _patch(facts, own, facts.torch.named if facts.torch else "")
    installed = facts.packages.get("torch") if facts.torch and not facts.torch.conda else None
    required = installed.requires_python if installed else ""
    if not why and required and api.within(own.version, required) is False:
        # its own metadata excludes this Python
        why = f"{facts.torch.named} requires Python {required}, but this is {own.version}"
    return facts.worded(why=why) if why else None


def _too_old(version: str, *, absent: bool) -> str:
    """Return why a Python is too old; a 3.x with a torch of its time keeps working."""
    two = api.parts(version)[:1] < (3,)
    if api.at_least(version, OLDEST) or not (absent or two):
        return ""
    return f"Python {version} reached its end of life{' in 2020' if two else ''}; torch 2 needs {OLDEST} or newer"


def _absent(own: api.Interpreter, where: api.Family) -> str:
    """Return why no torch exists for this Python; "" if one does."""
    if not api.at_least(own.version, OLDEST_FOR_NEW):
        return f"Python {own.version} reached its end of life; no torch since 2.5 and no transformers 5 is built for it"
    tag = api.python_tag(own)
    releases: dict[str, Any] = api.table("torch_wheels")["releases"]["items"]
    if where and not any(api.has_wheel(version, tag, where) for version in releases):
        return f"no torch has a wheel for Python {tag} on this system"
    return ""


def _patch(facts: api.Facts, own: api.Interpreter, torch: str) -> api.Finding:
    uv = own.kind in ("venv", "standalone")
    cure = api.tell("uv python upgrade 3.13" if uv else "conda install python=3.13.9")
    return facts.worded("/3-13-8", cure=cure, own=own, torch=torch)


def _from_errors(facts: api.Facts) -> api.Finding | None:
    if facts.heard("/3-13-8"):
        return _patch(facts, api.Interpreter(executable="python", version=BROKEN_PATCH), "")
    own, excluded = facts.interpreter.version, _excluded_by_pip(facts)
    if compiled := facts.if_heard("/compile"):
        return compiled
    if excluded:
        return facts.worded("/excluded", said=excluded)
    if (api.parts(own) and not api.at_least(own, "3.10")) and (union := facts.if_heard("/union")):
        return union
    error = api.told(facts.errors, facts.expression("/none-fit").pattern)
    if not error:
        return None
    old = "0.1.2" in error  # for a Python without wheels pip offers only source archives from 2016
    return facts.worded("/none-fit", said=error, settle="" if facts.interpreter or old else SETTLE)


def _excluded_by_pip(facts: api.Facts) -> str:
    """Return pip's or uv's sentence that a torch needs another Python, or ""."""
    if error := facts.heard("/excluded-by-pip"):
        return error
    match = re.search(r"torch==(\d[\d.]*\d)", facts.heard("/asked"))
    if match is None:
        return ""
    return api.told(
        facts.errors,
        r"Ignored the following versions that require a different python version: [^\n]{0,300}?(?<![\d.])"
        + re.escape(match[1])
        + r" Requires-Python",
    )


@api.check("target-missing")
def target_missing(
    facts: api.Facts,
    interpreter: api.Interpreter | api.Unknown | None,
    runtime: api.Runtime | api.Unknown | None,
) -> api.Result:
    """Find a live target without an interpreter, or one that fails before any script runs."""
    if not facts.target or facts.target.chosen_by == "none":
        return None
    if isinstance(interpreter, api.Interpreter):
        why, may_end = runtime.why if isinstance(runtime, api.Unknown) else "", interpreter.may_end
        match = facts.search("/said", why)
        # Windows reads .pth files by its code page
        place = match[2] if match else "" if facts.host.os == "windows" else interpreter.unread_pth
        if place := place or (may_end if facts.search("/stopped", why) else ""):
            return facts.worded("/stops", place=place, said=match[1] if match else "")
        why = f"{may_end} runs each time this Python starts and can end it: doctor check --deep finds out"
        return api.Unknown(why=why) if may_end and not isinstance(runtime, api.Runtime) else None
    why = facts.target.problem or (interpreter.why if isinstance(interpreter, api.Unknown) else "")
    if isinstance(interpreter, api.Unknown) and re.search("doctor check --deep|--timeout", why):
        return interpreter  # its files do not show it, or the time ran out
    lost = facts.search("/lost", why)
    return facts.worded("/lost" if lost else "", "target-missing", why=why, base=lost and lost[1])
