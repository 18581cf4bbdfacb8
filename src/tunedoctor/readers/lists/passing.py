"""Versions that somebody names in a sentence: "mine is huggingface_hub==0.17.3", "installed torch (v. 1.10.1)"."""

from tunedoctor.lazy import pattern
from tunedoctor.readers.lists.ledger import Entry, Told
from tunedoctor.readers.lists.names import NAME, known, normalised

_VERSION = r"\d\w{0,20}(?:[.+!-]\w{1,40}){0,8}"
_PIN = pattern(
    rf"(?<![\w.=<>!~-])(?P<name>{NAME}) ?={{2,3}} ?(?P<version>{_VERSION})(?!\.?[\w=<>*])"
)
_BRACKETS = pattern(
    rf"(?<![\w.=<>!~/-])(?P<name>{NAME}) ?\((?:v\.? ?|version:? ?)?(?P<version>\d{{1,4}}\.{_VERSION})\)"
)
_OWN = pattern(
    r"(?i)\b(?:my|mine|our|i(?:'m| am| have| use)|we (?:have|use)|using|versions?|installed|environment|env)\b"
)
_ASKED = pattern(
    r"(?i)\b(?:install|add|requires?|required|requirements?|needs?|depends|should|must|try|upgrad\w{1,3}|downgrad\w{1,3}"
    r"|pin(?:s|ned)?|fix(?:ed|es)?|solved?|works?|worked|recommend\w{0,3}|instead|want|conflicts?|incompatible|from)\b"
)
_LONGEST = 600


def in_passing(lines: list[str]) -> Told:
    """Return the packages that sentences state to be there, two or more of the stack with exact versions.

    They count only where no list tells. A sentence about what to install, what is required or what helped tells of
    other versions than those that fail.
    """
    found: list[Entry] = []
    for number, line in enumerate(lines):
        form = _PIN if "==" in line else _BRACKETS if "(" in line else None
        if form is None or len(line) > _LONGEST or _ASKED.search(line) or not _OWN.search(line):
            continue
        pins = [(normalised(p["name"]), p["version"]) for p in form.finditer(line)]
        stack = [(name, version) for name, version in pins if known(name)]
        if len(dict(stack)) >= 2 and len(dict(stack)) == len(stack):
            found += [Entry(number, name, version, weak=True) for name, version in stack]
    return Told(entries=tuple(found))
