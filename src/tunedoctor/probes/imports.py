"""The errors that stages of the deep probe printed, and what dies at its import, held against the state before."""

from collections.abc import Collection, Mapping

from tunedoctor.clean import clean_text
from tunedoctor.facts import Absent, Errors, ErrorText, Runtime, Stage, Unknown
from tunedoctor.lazy import pattern
from tunedoctor.probing import probe
from tunedoctor.snapshot import Snapshot
from tunedoctor.tables.small import is_import, module_of

_FRAME = pattern(r'  (?:File "|module )')


@probe(Errors, deep=True)
def errors(runtime: Runtime) -> Errors | Absent:
    """Collect what failed stages and the start of the GPU said."""
    found = [one for stage in runtime.stages for one in texts(stage)]
    if runtime.gpu_error:
        found.append(ErrorText(text=runtime.gpu_error, where="init gpu"))
    distinct = {one.text: one for one in reversed(found)}
    if not distinct:
        return Absent(why="every stage went well")
    return Errors(errors=tuple(reversed(distinct.values())))


def texts(stage: Stage) -> list[ErrorText]:
    """Return the exceptions of a stage that failed, its first cause first, without their frames."""
    if stage.outcome in ("ok", "skipped"):
        return []
    if stage.outcome != "failed":
        return [ErrorText(text=stage.error, where=stage.name)]
    blocks: list[list[str]] = [[]]
    for line in stage.error.splitlines():
        if not _FRAME.match(line):
            blocks[-1].append(line)
        elif blocks[-1]:
            blocks.append([])
    return [
        ErrorText(text=text, where=stage.name)
        for block in blocks
        if (text := "\n".join(block).strip())
    ]


Answer = Runtime | Absent | Unknown
_DEAD = ("failed", "crashed", "hung")


def with_imports(snapshot: Snapshot, answer: Answer) -> Snapshot:
    """Return a snapshot that knows what an import told."""
    said: Errors | Absent | Unknown
    said = errors(answer) if isinstance(answer, Runtime) else answer
    return Snapshot(
        {**snapshot.answers(), Runtime: answer, Errors: said},
        taken=snapshot.taken,
        doctor=snapshot.doctor,
    )


def deaths(answer: Answer) -> dict[str, Stage]:
    """Return the stages in which a library did not come up, by name; {} where nobody could tell."""
    stages = answer.stages if isinstance(answer, Runtime) else ()
    return {one.name: one for one in stages if is_import(one.name) and one.outcome in _DEAD}


def worse(before: Answer, after: Answer) -> list[str]:
    """Return what came up before and does not now, one sentence each; what was not tried before accuses nobody."""
    if not isinstance(before, Runtime):
        return []
    good = {one.name for one in before.stages if one.outcome == "ok"}
    return [
        f"{name} dies, which it did not before: {last(stage)}"
        for name, stage in deaths(after).items()
        if name in good
    ]


def last(stage: Stage) -> str:
    """Return the line that says why a stage ended."""
    lines = [one for one in stage.error.splitlines() if one.strip() and not one.startswith("  ")]
    return clean_text((lines[0] if lines else stage.error.strip() or stage.outcome)[:200])


def unheld(
    asks: Mapping[str, Collection[str]],
    dead: Mapping[str, Stage],
    also: Mapping[str, tuple[str, ...]],
) -> dict[str, str]:
    """Return the findings whose own library still does not come up, with the sentence that says so."""
    found: dict[str, str] = {}
    for id_, names in asks.items():
        modules = {m for name in names for m in also.get(name, ())}
        for name, stage in dead.items():
            if module_of(name) in modules:
                found.setdefault(id_, f"{name} still dies: {last(stage)}")
    return found


def up(answer: Answer) -> tuple[str, ...]:
    """Return the modules that came up."""
    stages = answer.stages if isinstance(answer, Runtime) else ()
    down = {module_of(name) for name in deaths(answer)}
    names = (
        module_of(s.name) for s in stages if s.outcome == "ok" and s.name.startswith("import ")
    )
    return tuple(name for name in names if name not in down)
