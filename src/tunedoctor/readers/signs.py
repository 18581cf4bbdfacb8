"""Tell a line that states a fault from prose and from the rest of a log.

How programs mark a fault, whatever it is, is `fault_marks` of outputs.json; letters' case counts there.
"""

from collections.abc import Sequence

from tunedoctor.readers.paste import search, shape
from tunedoctor.tables.load import table

_BY_LENGTH: tuple[str, ...] = tuple(sorted(table("sayings")["sayings"], key=len))


def signs_in(text: str) -> tuple[str, ...]:
    """Return the signs of a fault that a whole text holds, shorter ones first: only those can stand in its lines."""
    low = text.lower()
    return tuple(sign for sign in _BY_LENGTH if sign in low)


def states_a_fault(text: str, among: Sequence[str] = _BY_LENGTH) -> bool:
    """Tell whether a line states a fault, or a warning that tells of one; the word "error" alone is none.

    `among`: the signs that its text holds, as `signs_in` returns them.
    """
    if search("fault.version", text):  # a row of a report on versions
        return False
    if search("fault_marks", text):
        return True
    if "Not Supported" in text:  # what nvidia-smi prints of a figure that a GPU does not have
        text = shape("fault.cell").sub(" ", text)
    low = text.lower()
    for sign in among:
        if len(sign) > len(low):
            return False
        if sign in low:
            return True
    return False
