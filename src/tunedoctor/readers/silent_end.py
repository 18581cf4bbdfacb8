"""A run that ended while it loaded weights, without a word: the progress bar stands, and the prompt comes back."""

from tunedoctor.facts import Errors, ErrorText, Fact
from tunedoctor.lazy import pattern

ENDED = "ended without an error"
_BAR = pattern(
    r"(Loading (?:checkpoint shards|pipeline components|weights|safetensors checkpoint shards))\D{0,20}?(\d{1,3})\s?%"
)
_PROMPT = pattern(
    r"^\s*(?:PS [A-Za-z]:\\[^>]{0,200}>|[A-Za-z]:\\[^>]{0,200}>|\S{0,80}[$#%\u276f\u279c])\s*$"
)


def read(lines: list[str]) -> list[Fact]:
    """Return one error that says how far the loading came, where an empty prompt follows the bar; else nothing."""
    last: tuple[int, str, int] | None = None
    for number, line in enumerate(lines, 1):
        for found in _BAR.finditer(line[:4000]):
            last = (number, found[1], int(found[2]))
    if last is None or last[2] >= 100:
        return []
    number, what, percent = last
    after = [line for line in lines[number : number + 40] if line.strip()]
    if not after or not _PROMPT.match(after[0]):
        return []
    text = f"{what} {ENDED} at {percent} %"
    return [Errors(errors=(ErrorText(text=text, where=f"line {number}"),))]
