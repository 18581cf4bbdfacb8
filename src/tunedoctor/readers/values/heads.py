"""What stands before the words of a line: bullets, quotation, ranks, time stamps and levels of logs."""

import re

from tunedoctor.lazy import pattern

_HEAD = pattern(
    r"""\A\s{0,80}(?:\[(?:rank|stderr|stdout|\d)[^\]\n]{0,20}\]:?\s*|\([A-Za-z]{1,30} (?:pid|rank)=\d{1,9}\)\s*)?
    (?:[|│║]\s*|[*•·\u2013\u2014+-]\s+|[-\u2013*#>]{1,3}\s*(?=[A-Za-z`'"*])|\d{1,2}[.)]\s+|\[[ xX]\]\s+){0,4}""",
    re.VERBOSE,
)
_LOG = pattern(
    r"""\A\s{0,80}(?:\[?\d{4}-\d\d-\d\d[ T]|\[?\d\d:\d\d:\d\d\b|\[?(?:INFO|DEBUG|WARNING|ERROR|LOG)\b)
    [^A-Za-z]{0,30}(?:[\w.]{1,40}:[\w<>.]{1,40}:\d{1,6}\s*[|-]?\s*)?
    (?:\[?(?:INFO|DEBUG|WARNING|ERROR|I|W)\]?\b[\s:|>-]*)?
    (?:\d\d-\d\d\s\d\d:\d\d:\d\d\s*)?(?:\[[\w./ :]{1,60}:\d{1,6}\]\s*)?""",
    re.VERBOSE,
)
_OF_LOG = ("[", "INFO", "WARN", "ERROR", "DEBUG")


def headless(line: str) -> str:
    """Return a line without what stands before its words."""
    text = line.lstrip()
    if not text[:1].isalpha():
        text = _HEAD.sub("", line, count=1)
    if text[:1].isdigit() or text.startswith(_OF_LOG):
        text = _HEAD.sub("", _LOG.sub("", text, count=1), count=1)
    return text
