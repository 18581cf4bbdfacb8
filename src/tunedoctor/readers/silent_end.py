"""A run that ended while it loaded weights, without a word: the progress bar stands, and the prompt comes back."""

from tunedoctor.facts import Errors, ErrorText, Fact
from tunedoctor.readers.installing.said import shape

ENDED = "ended without an error"


def read(lines: list[str]) -> list[Fact]:
    """Return one error that says how far the loading came, where an empty prompt follows the bar; else nothing."""
    bars = [
        (number, found)
        for number, line in enumerate(lines, 1)
        for found in shape("bar").finditer(line[:4000])
    ]
    number, last = bars[-1] if bars else (0, None)
    after = next((line for line in lines[number : number + 40] if line.strip()), "")
    if last is None or int(last["percent"]) >= 100 or not shape("prompt").match(after or "-"):
        return []
    text = f"{last['what']} {ENDED} at {last['percent']} %"
    return [Errors(errors=(ErrorText(text=text, where=f"line {number}"),))]
