"""Tell a line that states a fault from prose and from the rest of a log."""

from collections.abc import Sequence

from tunedoctor.lazy import pattern
from tunedoctor.tables.load import table

_MARK = pattern(
    r"\w(?:Error|Exception|Warning|Interrupt|Exit)\b.{0,40}[:(]|^\W{0,3}(?:Error|Exception|Warning|WARNING)\s?[:(]"
    r"|\b[Ee](?:rror|RROR)(?: code)?(?:\s?[:=#(\[]|:? (?:code )?-?(?:0x)?\d)"
    r"|^\W{0,3}(?:[Ee]rror|ERROR|[Ff]atal|FATAL|E:)\s?\S"
    r"|^\W{0,3}FAILED\b|^\W{0,3}Failed\b|\b[Ff]ail(?:ed|ure|s)?(?::|\.?$| (?:to|with|in|at|for|on|due|because)\b)"
    r"|\bexit(?:ed|s)?(?: with)?(?: exit)?(?: status)?(?: (?:code|status))?:? ?-?(?:0x[0-9a-fA-F]{4,8}|[1-9]\d{0,9})\b"
    r"|\bexitcode {0,4}[:=] ?-?[1-9]"
    r"|^(?:MemoryError|std::bad_alloc)$|\bline \d{1,6}: +\d{1,9} Killed\b|^\[\d{1,4}\] +[+-]? *\d{0,9} *[Kk]ille"
    r"d\b|^zsh: killed\b"
    r"|\\libbitsandbytes_\w{1,40}\.so\b"  # a library of Linux in a folder of Windows
    r"|^\s{0,8}swiglu\.fused\.p\.cpp:\s{1,60}not built$"  # a compiled part that xformers did not load
    r"|^Killed\b|\bKilled$|^Aborted\b|\bXid\b|\berrno\b|0x[cC]000[0-9a-fA-F]{4}|\bSIG(?:SEGV|KILL|BUS|ILL|ABRT|FPE)\b"
    r"|Requirement already satisfied: .{1,80} in [^ ]{0,60}\.local\b"
    r"|^\s{0,8}\(\d{1,2}\.\d\) - \(\d{1,2}\.\d\)$"  # capabilities that a torch supports, in a warning of three lines
    r"|\b40[134] (?:Client|Unauthorized|Forbidden|Not Found)|\brequires? (?:a |the )?[^ ]{1,60} ?(?:[<>=!~]|to be)"
    r"|[\w.-] \d[^ ]{0,40} (?:requires|depends on|has requirement)\b|^\W{0,3}Because .{1,200} (?:depends on|has no)\b"
)
"""How programs mark a fault, whatever it is; letters' case counts."""
_A_VALUE = pattern(
    r"\W{0,4}[\w .()/?`-]{1,60}\bversion\b[^:]{0,20}:\s*(?:not installed|N/A|None|not available)"
)
"""A row of a report on versions."""

_A_CELL = pattern(r"(?:^|[|:,]|(?<=\s\s))\s{0,4}\[?Not Supported\]?(?=\s{0,80}(?:$|[|,]))")
"""What nvidia-smi prints of a figure that a GPU does not have."""
_BY_LENGTH: tuple[str, ...] = tuple(sorted(table("sayings")["sayings"], key=len))


def signs_in(text: str) -> tuple[str, ...]:
    """Return the signs of a fault that a whole text holds, shorter ones first: only those can stand in its lines."""
    low = text.lower()
    return tuple(sign for sign in _BY_LENGTH if sign in low)


def states_a_fault(text: str, among: Sequence[str] = _BY_LENGTH) -> bool:
    """Tell whether a line states a fault, or a warning that tells of one; the word "error" alone is none.

    `among`: the signs that its text holds, as `signs_in` returns them.
    """
    if _A_VALUE.match(text):
        return False
    if _MARK.search(text):
        return True
    if "Not Supported" in text:
        text = _A_CELL.sub(" ", text)
    low = text.lower()
    for sign in among:
        if len(sign) > len(low):
            return False
        if sign in low:
            return True
    return False
