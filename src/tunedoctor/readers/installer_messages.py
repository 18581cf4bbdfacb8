"""Read why an install failed: what the indexes answered, and the interpreter and system that the lines show."""

from collections.abc import Iterator

from msgspec import structs

from tunedoctor.facts import Errors, ErrorText, Fact, IndexAnswer, Refusal
from tunedoctor.lazy import pattern
from tunedoctor.readers.installing.conflicts import conflicts
from tunedoctor.readers.installing.refusals import refused_by_others, refused_by_pip, united
from tunedoctor.readers.installing.sentences import Text, joined
from tunedoctor.readers.installing.tags import surroundings
from tunedoctor.readers.installing.uv_refusals import refused_by_uv

MOST = 200
"""Refusals and messages that are kept."""

_MESSAGES = pattern(
    r"No solution found when resolving [^\n]{3,1200}"
    r"|ERROR: Cannot install [^\n]{3,1200}?conflicting dependencies\.?(?: The conflict is caused by:[^\n]{0,1200})?"
    r"|ResolutionImpossible: [^\n]{3,300}"
    r"|(?:LibMamba)?UnsatisfiableError: [^\n]{3,1200}"
    r"|PackagesNotFoundError: [^\n]{3,300}"
    r"|error: externally-managed-environment"
    r"|Ignored the following versions that require a different python version: [^\n]{3,300}?(?= ERROR|\n|$)"
)

_SOLVED = pattern(r" version solving failed")
_LONGEST_REASON = 1200

_WRAPPED = pattern(
    r"Could not find a version that satisfies the requirement [^\n]{1,600}?\(from versions: [^()\n]{0,20000}\)"
    r"|xFormers can't load [^\n]{3,200}?xFormers was built for:? PyTorch \S{3,60} with CUDA \S{1,8} "
    r"\(you have \S{3,60}\)"
    r"|(?<!\S)\S{1,100} \S{1,60} (?:requires|has requirement) [^\n]{3,300}?, but you(?:'ll)? have "
    r"[^\n]{3,160}?incompatible"
)
"""Messages of one line, which checks look for: told here where the text has them wrapped over several."""


def read(lines: list[str]) -> list[Fact]:
    """Return IndexAnswer, Interpreter, Host and the messages that stand on several lines."""
    text = joined(lines)
    refusals = united((*refused_by_pip(text), *refused_by_uv(text), *refused_by_others(text)))
    facts: list[Fact] = []
    refusals = tuple(_of_index(one, lines) for one in refusals)
    if refusals:
        facts.append(IndexAnswer(refusals=refusals[:MOST]))
    facts += surroundings(text, lines, conflicts(text).python)
    facts += _messages(text)
    return facts


def _of_index(one: Refusal, lines: list[str]) -> Refusal:
    """Name the index of a refusal that names none, where the text asks one index of one variant alone."""
    if one.index or one.offered is not None or one.installer != "uv":
        return one
    asked = {m[1] for line in lines if "/whl/" in line for m in _VARIANT.finditer(line[:2000])}
    return structs.replace(one, index=asked.pop()) if len(asked) == 1 else one


_VARIANT = pattern(
    r"(?:--(?:extra-)?index-url|--index|--default-index|-i)"
    r"[ =]\"?(\S{0,200}/whl/(?:cu\d{2,3}|cpu|xpu|rocm[\d.]{1,6}))\b"
)


def _solved(text: Text) -> Iterator[tuple[int, str]]:
    """Yield poetry's and pub's "Because … version solving failed", found from its end: "Because" is often said."""
    after = 0
    for end in _SOLVED.finditer(text.text):
        window = text.text[max(after, end.start() - _LONGEST_REASON) : end.start()]
        window = window[window.rfind("\n") + 1 :]
        at = window.find("Because ")
        if at >= 0:
            yield text.line(end.start() - len(window) + at), window[at:] + end[0]
        after = end.end()


def _messages(text: Text) -> list[Fact]:
    found = [(text.line(m.start()), m[0]) for m in _MESSAGES.finditer(text.text)]
    found += _solved(text)
    if "from versions" in text.text or "incompatible" in text.text or "xFormers" in text.text:
        found += [
            (text.line(m.start()), m[0])
            for m in _WRAPPED.finditer(text.text)
            if text.line(m.start()) != text.line(m.end() - 1)
        ]
    errors = [ErrorText(text=said.strip(), where=f"line {line + 1}") for line, said in found]
    return [Errors(errors=tuple(errors[:MOST]))] if errors else []
