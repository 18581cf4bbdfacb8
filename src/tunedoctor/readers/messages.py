"""Find error messages and telling warnings in a text, whatever stands around them."""

import re

from tunedoctor.facts import Errors, ErrorText, Fact

MOST = 200
"""Messages that are kept: the first and the last of a longer log."""

_SIGN = re.compile(
    r"(?:[A-Za-z_.]*(?:Error|Exception|Warning|Interrupt)\b.{0,40}[:(]|\berror\b|\bfailed\b|\bfailure\b"
    r"|cannot open shared object|undefined symbol|not compatible with|No such file"
    r"|cuda capabilit|arch_list|is too old|current device\s*:|requires the .{1,60} library|WinError \d"
    r"|from versions:|found version \d|no kernel image|core dumped|^Killed|Segmentation fault|Bus error)",
    re.IGNORECASE,
)
_PREFIX = re.compile(r"^\s*(?:\[[^\]\n]{1,40}\]:?\s*|[|│]\s*)+")


def read(lines: list[str]) -> list[Fact]:
    """Return one Errors fact with the lines that state a fault; nothing where there are none."""
    found: list[ErrorText] = []
    for number, line in enumerate(lines, 1):
        text = _PREFIX.sub("", line[:2000]).strip()
        if text and _SIGN.search(text):
            found.append(ErrorText(text=text, where=f"line {number}"))
    if len(found) > MOST:
        found = found[: MOST // 2] + found[-MOST // 2 :]
    return [Errors(errors=tuple(found))] if found else []
