"""Find error messages and relevant warnings in any text; tracebacks first.

How programs mark faults in general is `fault_marks` in outputs.json, which is case-sensitive.
"""

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from msgspec.structs import replace

from tunedoctor.facts import Errors, ErrorText, Fact, Frame, Shadow, Shadows
from tunedoctor.messages.cause import causes
from tunedoctor.messages.match import matches, shipped
from tunedoctor.readers import tracebacks as traces
from tunedoctor.readers.output_rows import search, shape
from tunedoctor.readers.paste import Paste
from tunedoctor.readers.unwrap import wrapped
from tunedoctor.tables.load import table
from tunedoctor.tables.small import distribution_of


def states_a_fault(text: str, among: Sequence[str]) -> bool:
    """Return whether a line states a fault or a relevant warning; `among`: the known sayings in the whole text."""
    if search("fault.version", text):  # a row of a version report
        return False
    if search("fault_marks", text):
        return True
    if "Not Supported" in text:  # nvidia-smi prints this for a value that the GPU does not have
        text = shape("fault.cell").sub(" ", text)
    low = text.lower()
    return any(sign in low for sign in among)


def shadows(errors: Iterable[ErrorText]) -> list[Shadows]:
    """Return a Shadows fact if installed code imported a file of the user's; a folder can be a checkout."""
    by_path = {shadow.path: shadow for error in errors for shadow in _of(error.frames)}
    return [Shadows(shadows=tuple(by_path.values()))] if by_path else []


def _of(frames: tuple[Frame, ...]) -> Iterator[Shadow]:
    for importer, imported in pairwise(frames):
        requested = search("shadow.imports", importer.code)
        file = search("shadow.file", imported.file)
        if not requested or not file or not search("shadow.installed", importer.file):
            continue
        module = requested["name"] or requested["source"]
        if module != file["stem"] or search("shadow.installed", imported.file):
            continue
        own = module in sys.stdlib_module_names
        if own or distribution_of(module):
            hides = f"Python's own {module}" if own else f"the installed {module}"
            yield Shadow(module=module, path=imported.file, hides=hides, where="path")


MOST = 200
"""Most messages to keep: the first and last of a longer log."""
_LONGEST = 2000
_ALTOGETHER = 60_000
"""Most characters of all messages: every check searches them."""
_LONGEST_WORD = 800
_LABEL = shape("message.label")
"""Label in a thread title before the error that it quotes."""
_SIDES = "|\u2502 \t\v\f\x1c\x1d\x1e\x1f\x85\n\r"
"""Characters at both ends of a line in a box."""


def read(paste: Paste) -> list[Fact]:
    """Return one Errors fact in text order, and what its tracebacks prove; nothing if there are no errors."""
    log_lines = traces.undressed(paste.lines)
    raised, used_lines = traces.tracebacks(log_lines)
    traceback_lines = {line for error in raised for line in error.text.splitlines()}
    once: dict[str, ErrorText] = {}
    low = paste.text.lower()
    signs = [sign for sign in table("sayings")["sayings"] if sign in low]
    for stream in traces.by_stream(log_lines):
        for error in _bare(stream, used_lines, signs):
            if error.text not in traceback_lines:
                once.setdefault(error.text, error)
    errors = [*raised, *once.values()]
    errors += _in_rows(log_lines, Errors(errors=tuple(errors)))
    errors.sort(key=lambda error: int(error.where[5:]))
    if len(errors) > MOST:
        errors = errors[: MOST // 2] + errors[-MOST // 2 :]
    whole = sum(len(error.text) for error in errors) <= _ALTOGETHER
    most = _ALTOGETHER if whole else _ALTOGETHER // len(errors)
    errors = [replace(error, text=_shortened(error.text, most)) for error in errors]
    return [Errors(errors=tuple(errors)), *shadows(raised)] if errors else []


def _in_rows(log_lines: Sequence[traces.LogLine], errors: Errors) -> list[ErrorText]:
    """Return the matches of causes without code in the whole text, without those already in the errors."""
    already_matched = {(match.cause, match.row) for match in matches(errors)}
    bare = {id_ for id_, cause in causes().items() if not cause.coded}
    lines = [line for line in log_lines if line.text.strip()]
    return [
        ErrorText(text=match.line, where=f"line {lines[match.where[1]].number}")
        for match in shipped().matches("\n".join(line.text for line in lines))
        if match.cause in bare and (match.cause, match.row) not in already_matched
    ]


def _shortened(text: str, most: int) -> str:
    """Cut a long message in the middle, and words longer than any path, which would be slow to search for names."""
    if len(text) > _LONGEST_WORD:
        text = shape("message.endless").sub(lambda word: f"{word[0][:500]}…{word[0][-100:]}", text)
    return text if len(text) <= most else f"{text[: most // 2]} … {text[-most // 2 :]}"


def _bare(
    log_lines: Sequence[traces.LogLine], used_lines: set[int], signs: Sequence[str]
) -> list[ErrorText]:
    result: list[ErrorText] = []
    at = 0
    while at < len(log_lines):
        line = log_lines[at]
        text = line.text[:_LONGEST].strip(_SIDES)
        if not text or line.number in used_lines or not states_a_fault(text, signs):
            at += 1
            continue
        label = _LABEL.match(text)
        kind = traces.TYPE.match(text, label.end() if label else 0)
        if kind or text.endswith(traces.LOOK_UP):
            text, at = traces.message(log_lines, at)
            text = text.strip(_SIDES)[label.end() if label and kind else 0 :]
        else:
            text, at = _sentence(log_lines, at)
        text = shape("message.ticked").sub(_quoted, text) if "`" in text else text
        result.append(
            ErrorText(text=text, where=f"line {line.number}", type=kind["type"] if kind else "")
        )
    return result


def _quoted(ticked: re.Match[str]) -> str:
    module = f" from '{ticked['module']}'" if ticked["module"] else ""
    return f"{ticked['words']} '{ticked['name']}'{module}"


def _sentence(log_lines: Sequence[traces.LogLine], at: int) -> tuple[str, int]:
    whole = log_lines[at].text[:_LONGEST].strip(_SIDES)
    last = log_lines[at].text.rstrip()
    at += 1
    while at < len(log_lines) and wrapped(last, log_lines[at].text) and len(whole) < _LONGEST:
        last = log_lines[at].text.rstrip()
        whole += f" {last.strip()}"
        at += 1
    return whole, at
