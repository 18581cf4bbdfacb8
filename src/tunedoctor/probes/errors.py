"""The errors that stages of the probe printed, for the checks that know error texts."""

from tunedoctor.facts import Absent, Errors, ErrorText, Runtime, Stage
from tunedoctor.lazy import pattern
from tunedoctor.probing import probe

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
