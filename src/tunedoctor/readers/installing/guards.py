"""What libraries say when they look at the versions of their neighbours while they are imported.

The version that they name is the one in the running process: it counts where no list tells another.
"""

import re
from typing import NamedTuple

from tunedoctor.facts import BrokenDistribution, Requirement
from tunedoctor.lazy import pattern
from tunedoctor.readers.installing.sentences import Text, sentences
from tunedoctor.readers.lists.ledger import Entry, Told
from tunedoctor.readers.lists.names import NAME, SPECIFIER, VERSION, compact, known, normalised


class _Guard(NamedTuple):
    """One wording. Groups: name or the fixed name, spec or floor, have, by."""

    pattern: re.Pattern[str]
    by: str = ""
    name: str = ""
    comparison: str = ""
    """What stands in front of the version in group `floor`."""
    words: tuple[str, ...] = ("requir", "need")
    """Without one of them there is no such sentence."""


_SAID = (
    r"(?:[,.;:]? ?\(?(?:(?:but|and|we|was|is|you|have|has|only|version|instead|currently|installed|using|got"
    rf"|found|current|your|the) ?[:=-]? ?){{1,6}}`?(?:{NAME}==)?v?(?P<have>{VERSION}))?"
)
"""What tells the version that is there: ", but found torch==2.3.0", " (you have 2.3.0)", "; installed version: 2.3"."""
_OR_HIGHER = r"(?:or (?:higher|newer|later|above|greater)|and (?:above|newer|later)|\+)"


def _guard(
    *pieces: str,
    by: str = "",
    name: str = "",
    comparison: str = "",
    words: tuple[str, ...] = ("requir", "need"),
) -> _Guard:
    return _Guard(pattern("".join(pieces)), by, name, comparison, words)


_GUARDS = (
    # transformers.dependency_versions_check, and others that copied it
    _guard(
        rf"(?<![\w.-])(?P<name>{NAME})(?P<spec>{SPECIFIER}) is required for a normal functioning of this module, ",
        rf"but found {NAME}==(?P<have>{VERSION})",
    ),
    # transformers 5
    _guard(
        rf"Disabling \w{{2,20}} because (?P<name>{NAME}) ?(?P<spec>{SPECIFIER}) is required ",
        rf"but found (?P<have>{VERSION})",
        by="transformers",
    ),
    # peft, of torchao
    _guard(
        rf"[Ff]ound an incompatible version of (?P<name>{NAME})\. Found version (?P<have>{VERSION}), ",
        r"but only versions (?:above|from|newer than|greater than|>=?) ?",
        rf"(?P<floor>{VERSION}) (?:and above )?are supported",
        by="peft",
        comparison=">=",
        words=("incompatible version of",),
    ),
    # torchao, newer wording
    _guard(
        rf"[Pp]lease upgrade to (?P<name>{NAME}) ?(?P<spec>{SPECIFIER}) ?",
        rf"\((?:found|you have|got|current:?|installed:?) (?P<have>{VERSION})\)",
        words=("pgrade to",),
    ),
    _guard(
        rf"xFormers was built for:? PyTorch (?P<floor>{VERSION}) with CUDA \S{{1,8}} ",
        rf"\(you have (?P<have>{VERSION})\)",
        by="xformers",
        words=("xFormers was built",),
        name="torch",
        comparison="==",
    ),
    _guard(
        rf"[Ii]nstall(?:ed)? torch (?:cuda )?version ?=? ?(?P<floor>{VERSION}),? ",
        rf"[Rr]untime torch (?:cuda )?version ?=? ?(?P<have>{VERSION})",
        by="deepspeed",
        words=("untime torch",),
        name="torch",
        comparison="==",
    ),
    _guard(
        r"compiled using NumPy 1\.x cannot be run in NumPy (?P<have>\d[\w.]{1,20})(?P<floor>)",
        name="numpy",
        words=("cannot be run in NumPy",),
        comparison="<2",
    ),
    # transformers, of torch.load
    _guard(
        r"serious vulnerability issue in `?torch\.load`?.{0,120}?",
        r"upgrade (?P<name>torch) to at least v?(?P<floor>\d[\d.]{0,10})",
        words=("serious vulnerability",),
        by="transformers",
        comparison=">=",
    ),
    # Trainer, of accelerate; unsloth, of torchvision; models with remote code
    _guard(
        r"(?:requires?|requiring|needs?|required:) (?:at least |the |a )?",
        rf"`?(?P<name>{NAME})`? ?(?:version )?(?P<spec>{SPECIFIER})`?",
        _SAID,
    ),
    _guard(
        rf"(?<![\w./-])(?P<name>{NAME})`? ?(?:version )?(?P<spec>{SPECIFIER})`? (?:is|are) required",
        _SAID,
    ),
    _guard(
        rf"(?<![\w./-])(?P<name>{NAME}) (?:version )?(?:must be |should be )?(?:at least )?",
        rf"(?P<floor>{VERSION}) {_OR_HIGHER}(?: (?:is|are))? (?:required|needed)",
        _SAID,
        comparison=">=",
    ),
    _guard(
        rf"(?:requires?|needs?) (?:at least )?(?P<name>{NAME}) (?:version )?(?:at least )?",
        rf"v?(?P<floor>{VERSION}) {_OR_HIGHER}",
        _SAID,
        comparison=">=",
    ),
    _guard(
        rf"minimum (?:required )?version of `?(?P<name>{NAME})`? (?:is|of) (?P<floor>{VERSION})",
        _SAID,
        comparison=">=",
        words=("minimum",),
    ),
    # transformers, of peft
    _guard(
        rf"version of (?P<name>{NAME}) you (?:are using|have) is not compatible, ",
        rf"please use a version that is greater than (?P<floor>{VERSION})",
        comparison=">",
        words=("is not compatible",),
    ),
)

_SKIPPED = pattern(
    rf"incompatible torch version (?P<torch>{VERSION}) for (?P<name>{NAME}) version (?P<version>{VERSION})"
)
"""torchao's older wording: both versions, no requirement."""
_XFORMERS_PYTHON = pattern(
    r"Python ? ?3\.\d[\d.]{1,6} \(you have (?P<python>3\.\d{1,2}\.\d{1,3})\)"
)
_NONE_FOUND = pattern(
    rf"Unable to compare versions for (?P<name>{NAME})(?:{SPECIFIER})?: need=\S{{1,40}} found=None"
)
_LEFTOVER = pattern(
    r"Ignoring invalid distribution ~?(?P<rest>-?[\w.-]{1,80}|-) \((?P<place>[^()\n]{2,300})\)"
)


def guards(text: Text) -> Told:
    """Return the requirements and versions that such sentences tell, and the distributions that they call broken."""
    entries: list[Entry] = []
    wanted: list[Requirement] = []
    python = ""
    body = text.text
    for guard in _GUARDS:
        for line, found in sentences(text, guard.pattern, *guard.words):
            one = _requirement(guard, found)
            if one is None:
                continue
            wanted.append(one)
            if one.have and one.name != "python":
                entries.append(Entry(line, one.name, one.have, weak=True))
    for found in _SKIPPED.finditer(body):
        line = text.line(found.start())
        entries.append(Entry(line, "torch", found["torch"].rstrip("."), weak=True))
        entries.append(
            Entry(line, normalised(found["name"]), found["version"].rstrip("."), weak=True)
        )
    if "xFormers was built for" in body and (other := _XFORMERS_PYTHON.search(body)):
        python = other["python"]
    return Told(
        entries=tuple(entries),
        wanted=tuple(dict.fromkeys(wanted)),
        broken=tuple(dict.fromkeys(_broken(body))),
        python=python,
    )


def _requirement(guard: _Guard, found: re.Match[str]) -> Requirement | None:
    groups = found.groupdict()
    name = normalised(guard.name or groups["name"])
    floor = (groups.get("floor") or "").rstrip(".")
    spec = compact(groups.get("spec") or f"{guard.comparison}{floor}")
    # the wordings at the end of the table are common speech: only what the stack is made of counts
    if not (known(name) or name == "python") or not spec:
        return None
    have = (groups.get("have") or "").rstrip(".-")
    return Requirement(name=name, specifier=spec, by=guard.by, have=have if "." in have else "")


def _broken(body: str) -> list[BrokenDistribution]:
    found = [
        BrokenDistribution(name=normalised(m["name"]), problem="no version", detail=m[0])
        for m in _NONE_FOUND.finditer(body)
    ]
    for one in _LEFTOVER.finditer(body):
        # pip leaves the first letter out and puts a dash: "-orch" is what is left of torch, the folder is ~orch
        folder = "~" + one["rest"].removeprefix("-").partition("-")[0]
        found.append(
            BrokenDistribution(
                name=folder, problem="leftover", detail=folder, location=one["place"]
            )
        )
    return found
