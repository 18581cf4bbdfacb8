"""Results of imports in an environment: collected from a run or from files, compared with before, and cached."""

import os
import re
from collections.abc import Collection, Mapping
from contextlib import suppress

import msgspec

from tunedoctor import __version__
from tunedoctor import facts as kinds
from tunedoctor.facts.clean import clean_text
from tunedoctor.model.snapshot import Lack, Snapshot
from tunedoctor.probes.probing import probe
from tunedoctor.state.folder import Look, read_look, write_look
from tunedoctor.tables.load import table
from tunedoctor.tables.small import is_import, module_of

RuntimeOrLack = kinds.Runtime | Lack
"""What importing the libraries has shown, or why nothing is known."""
NOT_READ = kinds.Absent(
    why="the files of the libraries were not read; doctor check --deep reads them"
)
_DEAD = ("failed", "crashed", "hung")
_CONTRACTS, _IMPORTS = "contracts", "imports"
"""Names of cached results."""
_OLDEST = 30 * 86_400.0
"""Seconds after which a cached result is no longer used: what is outside the environment changes."""
_GPU = ("init gpu", "device ", "matmul ", "attention ", "compile")
"""Prefixes of stages that concern the GPU."""
_LINKER = "/etc/ld.so.cache"
"""This file changes when system libraries are installed or removed."""


@probe(kinds.Errors, deep=True)
def errors(runtime: kinds.Runtime) -> kinds.Errors | kinds.Absent:
    """Return the errors of failed stages and of the GPU's initialisation."""
    all_errors = [text for stage in runtime.stages for text in texts(stage)]
    if runtime.gpu_error:
        all_errors.append(kinds.ErrorText(text=runtime.gpu_error, where="init gpu"))
    distinct = {error.text: error for error in reversed(all_errors)}
    if not distinct:
        return kinds.Absent(why="every stage went well")
    return kinds.Errors(errors=tuple(reversed(distinct.values())))


def texts(stage: kinds.Stage) -> list[kinds.ErrorText]:
    """Return the exceptions of a failed stage, the original cause first, each with its frames."""
    if stage.outcome in ("ok", "skipped"):
        return []
    if stage.outcome != "failed":
        return [kinds.ErrorText(text=stage.error, where=stage.name)]
    error_texts: list[kinds.ErrorText] = []
    frames: list[kinds.Frame] = []
    message: list[str] = []
    for line in stage.error.splitlines():
        frame = _FRAME.match(line)
        if not (frame or line.startswith("  module ")):
            message.append(line)
            continue
        if message:  # the next exception begins
            error_texts.append(_error_text(stage, message, frames))
            frames, message = [], []
        if frame:
            frames.append(kinds.Frame(file=frame[1], line=int(frame[2]), function=frame[3]))
    error_texts.append(_error_text(stage, message, frames))
    return [error for error in error_texts if error.text]


_FRAME = re.compile(r'  File "([^"\n]{1,4096})", line (\d{1,9}), in (\S{1,200})')
"""A frame as printed by the script in the target."""
_TYPE = re.compile(r"([A-Za-z_][\w.]{0,120})(?::|$)", re.ASCII)


def _error_text(
    stage: kinds.Stage, message: list[str], frames: list[kinds.Frame]
) -> kinds.ErrorText:
    text = "\n".join(message).strip()
    type_ = _TYPE.match(text)
    name = type_[1] if type_ else ""
    return kinds.ErrorText(text=text, where=stage.name, type=name, frames=tuple(frames))


def with_imports(snapshot: Snapshot, answer: RuntimeOrLack) -> Snapshot:
    """Return the snapshot with the result of an import."""
    error_fact = errors(answer) if isinstance(answer, kinds.Runtime) else answer
    answers = snapshot.answers()
    answers[kinds.Runtime], answers[kinds.Errors] = answer, error_fact
    return Snapshot(answers, taken=snapshot.taken, doctor=snapshot.doctor)


def deaths(answer: RuntimeOrLack) -> dict[str, kinds.Stage]:
    """Return the stages in which a library failed to import, by name; {} if unknown."""
    stages = answer.stages if isinstance(answer, kinds.Runtime) else ()
    return {
        stage.name: stage for stage in stages if is_import(stage.name) and stage.outcome in _DEAD
    }


def worse(before: RuntimeOrLack, after: RuntimeOrLack) -> list[str]:
    """Return what worked before and fails now, one sentence each; what was not tried before is not reported."""
    if not isinstance(before, kinds.Runtime):
        return []
    working = {stage.name for stage in before.stages if stage.outcome == "ok"}
    failing = ((name, last(stage)) for name, stage in deaths(after).items() if name in working)
    return [f"{name} fails, but worked before: {message}" for name, message in failing]


def last(stage: kinds.Stage) -> str:
    """Return the line that says why a stage ended."""
    lines = [
        line for line in stage.error.splitlines() if line.strip() and not line.startswith("  ")
    ]
    return clean_text((lines[0] if lines else stage.error.strip() or stage.outcome)[:200])


def unheld(
    asks: Mapping[str, Collection[str]],
    dead: Mapping[str, kinds.Stage],
    also: Mapping[str, tuple[str, ...]],
) -> dict[str, str]:
    """Return the findings whose own library still fails to import, with a sentence that says so."""
    result: dict[str, str] = {}
    for id_, names in asks.items():
        modules = {m for name in names for m in also.get(name, ())}
        for name, stage in dead.items():
            if module_of(name) in modules:
                result.setdefault(id_, f"{name} still fails: {last(stage)}")
    return result


def up(answer: RuntimeOrLack) -> tuple[str, ...]:
    """Return the modules that were imported."""
    stages = answer.stages if isinstance(answer, kinds.Runtime) else ()
    down = {module_of(name) for name in deaths(answer)}
    good = (s.name for s in stages if s.outcome == "ok" and s.name.startswith("import "))
    return tuple(name for name in map(module_of, good) if name not in down)


@probe(kinds.ImportContracts, seconds=120.0)
def import_contracts(
    target: kinds.Target, interpreter: kinds.Interpreter, packages: kinds.Packages
) -> kinds.ImportContracts | Lack:
    """Read files only on request; the cached result of the same environment is used, except in a deep check."""
    cache_key = (interpreter, _CONTRACTS, kinds.ImportContracts, _by)
    cached = read_look(*cache_key) if _steady(packages) else None
    if not target.read or (cached and not target.anew):
        return cached[0] if cached else NOT_READ
    from tunedoctor.contracts.look import contracts_of  # noqa: PLC0415  a plain check reads no file

    return contracts_of(interpreter, packages)


def _steady(packages: kinds.Packages) -> bool:
    """Return whether every package change leaves a trace; an editable package changes without one."""
    return not any(distribution.editable for distribution in packages.distributions)


def _by() -> str:
    return __version__


def remember(snapshot: Snapshot) -> None:
    """Cache what was read about imports and the results of running them, except GPU stages: the machine can change."""
    interpreter, packages = snapshot.find(kinds.Interpreter), snapshot.find(kinds.Packages)
    contracts, runtime = snapshot.find(kinds.ImportContracts), snapshot.find(kinds.Runtime)
    if interpreter and packages and contracts and not contracts.cut and _steady(packages):
        write_look(interpreter, _CONTRACTS, contracts, _by)
    if interpreter is None or runtime is None or runtime.remembered:
        return
    # what hung, or was killed for lack of memory, may succeed the next time
    if any(s.outcome == "hung" or "SIGKILL" in s.error for s in runtime.stages):
        return
    stages = tuple(s for s in runtime.stages if not s.name.startswith(_GPU))
    write_look(interpreter, _IMPORTS, kinds.Runtime(stages=stages, strays=runtime.strays), _outside)


def remembered(snapshot: Snapshot) -> tuple[kinds.Runtime, Look] | None:
    """Return the result and time of the last deep check of this environment, if it is unchanged."""
    interpreter = snapshot.find(kinds.Interpreter)
    cached = read_look(interpreter, _IMPORTS, kinds.Runtime, _outside) if interpreter else None
    if cached is None or cached[1].age > _OLDEST:
        return None
    return msgspec.structs.replace(cached[0], remembered=cached[1].taken), cached[1]


def with_remembered(snapshot: Snapshot) -> Snapshot:
    """Return a quick snapshot plus the imports that failed in the last deep check; earlier successes are not used."""
    cached = remembered(snapshot)
    return with_imports(snapshot, cached[0]) if cached and deaths(cached[0]) else snapshot


def looked(snapshot: Snapshot, answer: RuntimeOrLack) -> Snapshot:
    """Return a snapshot with the result of an import that just ran, and cache it."""
    updated = with_imports(snapshot, answer)
    remember(updated)
    return updated


def _outside() -> str:
    """Return what an import depends on outside the environment: variables and system libraries."""
    steers = tuple(table("probes")["steers_imports"])
    lines = sorted(f"{k}={v}" for k, v in os.environ.items() if k.startswith(steers))
    with suppress(OSError):
        lines.append(str(os.stat(_LINKER).st_mtime_ns))  # noqa: PTH116  every check pays
    return "\0".join(lines)
