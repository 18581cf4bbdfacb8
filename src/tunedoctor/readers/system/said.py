"""Messages of kernels, drivers, ROCm and container engines that are known by their words."""

from tunedoctor.facts import Errors, ErrorText
from tunedoctor.readers.paste import Paste
from tunedoctor.readers.system.kernel_log import hung

_MOST = 100
_LONGEST = 1500
"""Characters of a line: container engines put all that went wrong on one."""


def said(paste: Paste) -> Errors | None:
    """Return one Errors fact with these messages, each once; None where there are none."""
    by_line: dict[int, str] = {}
    for line, _, found in paste.each("said", longest=_LONGEST):
        by_line.setdefault(line, found[0])
    errors: dict[str, ErrorText] = {}
    for line, text in by_line.items():
        if len(errors) < _MOST:
            errors.setdefault(text, ErrorText(text=text, where=f"line {line + 1}"))
    told = (*errors.values(), *hung(paste))
    return Errors(errors=told) if told else None
