"""What libraries say when they look at the versions of their neighbours while they are imported.

The version that they name is the one in the running process: it counts where no list tells another.
"""

import re
from typing import NamedTuple

from tunedoctor.facts import BrokenDistribution, Requirement
from tunedoctor.readers.installing.sentences import Text
from tunedoctor.readers.lists.ledger import Entry, Told, entry
from tunedoctor.readers.lists.names import NAME, SPECIFIER, VERSION, compact, known, normalised


class _Guard(NamedTuple):
    """One wording. Groups: name or the fixed name, spec or floor, have, by."""

    pattern: "re.Pattern[str]"
    by: str = ""
    name: str = ""
    comparison: str = ""
    """What stands in front of the version in group `floor`."""


_SAID = (
    r"(?:(?:but|and|we|was|is|you|have|has|only|version|instead|currently|installed|using|got|found|current|your|the) ?[:=-]? ?)"
    rf"{{1,6}}`?(?:{NAME}==)?"
)

_GUARDS = (
    # transformers.dependency_versions_check, and others that copied it
    _Guard(
        re.compile(
            rf"(?<![\w.-])(?P<name>{NAME})(?P<spec>{SPECIFIER}) is required for a normal functioning of this module, "
            rf"but found {NAME}==(?P<have>{VERSION})"
        )
    ),
    # transformers 5
    _Guard(
        re.compile(
            rf"Disabling \w{{2,20}} because (?P<name>{NAME}) ?(?P<spec>{SPECIFIER}) is required but found (?P<have>{VERSION})"
        ),
        by="transformers",
    ),
    # peft, for torchao; and any of the same wording
    _Guard(
        re.compile(
            rf"[Ff]ound an incompatible version of (?P<name>{NAME})\. Found version (?P<have>{VERSION}), "
            rf"but only versions (?:above|from|newer than|greater than|>=?) ?(?P<floor>{VERSION}) (?:and above )?are supported"
        ),
        by="peft",
        comparison=">=",
    ),
    # torchao, the newer wording
    _Guard(
        re.compile(
            rf"[Pp]lease upgrade to (?P<name>{NAME}) ?(?P<spec>{SPECIFIER}) ?\((?:found|you have|got|current:?|installed:?) (?P<have>{VERSION})\)"
        )
    ),
    # xformers at import
    _Guard(
        re.compile(
            rf"xFormers was built for:? PyTorch (?P<floor>{VERSION}) with CUDA \S{{1,8}} \(you have (?P<have>{VERSION})\)"
        ),
        by="xformers",
        name="torch",
        comparison="==",
    ),
    # DeepSpeed ops
    _Guard(
        re.compile(
            rf"[Ii]nstall(?:ed)? torch (?:cuda )?version ?=? ?(?P<floor>{VERSION}),? [Rr]untime torch (?:cuda )?version ?=? ?(?P<have>{VERSION})"
        ),
        by="deepspeed",
        name="torch",
        comparison="==",
    ),
    _Guard(
        re.compile(
            r"compiled using NumPy (?P<floor>1)\.x cannot be run in NumPy (?P<have>\d[\w.]{1,20})"
        ),
        name="numpy",
        comparison="<2,>=",
    ),
    # transformers on torch.load
    _Guard(
        re.compile(
            r"serious vulnerability issue in `?torch\.load`?.{0,120}?upgrade (?P<name>torch) to at least v?(?P<floor>\d[\d.]{0,10})"
        ),
        by="transformers",
        comparison=">=",
    ),
    # "requires `accelerate>=0.26.0`: Please run", "requires torch >= 2.4, but found torch==2.3", "needs transformers version >= 4.40"
    _Guard(
        re.compile(
            rf"(?:requires?|requiring|needs?|required:) (?:at least |the |a )?`?(?P<name>{NAME})`? ?(?:version )?(?P<spec>{SPECIFIER})`?"
            rf"(?:[,.;:]? ?\(?{_SAID}(?P<have>{VERSION}))?"
        )
    ),
    # "torch>=2.4 is required", "torch 2.4 or higher is required", "PyTorch version must be at least 2.1"
    _Guard(
        re.compile(
            rf"(?<![\w./-])(?P<name>{NAME})`? ?(?:version )?(?P<spec>{SPECIFIER})`? (?:is|are) required"
            rf"(?:[,.;:]? ?\(?{_SAID}(?P<have>{VERSION}))?"
        )
    ),
    _Guard(
        re.compile(
            rf"(?<![\w./-])(?P<name>{NAME}) (?:version )?(?:must be |should be )?(?:at least |>= )?(?P<floor>{VERSION}) "
            rf"(?:or (?:higher|newer|later|above|greater)|and (?:above|newer|later)|\+)(?: (?:is|are))? (?:required|needed)"
            rf"(?:[,.;:]? ?\(?{_SAID}(?P<have>{VERSION}))?"
        ),
        comparison=">=",
    ),
    _Guard(
        re.compile(
            rf"(?:requires?|needs?) (?:at least )?(?P<name>{NAME}) (?:version )?(?:at least )?v?(?P<floor>{VERSION}) or (?:higher|newer|later|above|greater)"
            rf"(?:[,.;:]? ?\(?{_SAID}(?P<have>{VERSION}))?"
        ),
        comparison=">=",
    ),
    # diffusers, optimum: "{name} must be version X or higher"; "you have version X"
    _Guard(
        re.compile(
            rf"minimum (?:required )?version of `?(?P<name>{NAME})`? (?:is|of) (?P<floor>{VERSION})"
            rf"(?:[,.;:]? ?\(?{_SAID}(?P<have>{VERSION}))?"
        ),
        comparison=">=",
    ),
    _Guard(
        re.compile(
            r"version of (?P<name>PEFT|peft|transformers|accelerate|bitsandbytes|trl) you (?:are using|have) is not compatible, "
            rf"please use a version that is greater than (?P<floor>{VERSION})"
        ),
        comparison=">",
    ),
)

_SKIPPED = re.compile(
    rf"incompatible torch version (?P<torch>{VERSION}) for (?P<name>{NAME}) version (?P<version>{VERSION})"
)
"""torchao's older wording: both versions, no requirement."""
_XFORMERS_PYTHON = re.compile(
    r"Python ? ?3\.\d[\d.]{1,6} \(you have (?P<python>3\.\d{1,2}\.\d{1,3})\)"
)
_NONE_FOUND = re.compile(
    rf"Unable to compare versions for (?P<name>{NAME})(?:{SPECIFIER})?: need=\S{{1,40}} found=None"
)
_LEFTOVER = re.compile(
    r"Ignoring invalid distribution ~?(?P<rest>-?[\w.-]{1,80}|-) \((?P<place>[^()\n]{2,300})\)"
)


def guards(text: Text) -> Told:
    """Return the requirements and versions that such sentences tell, and the distributions that they call broken."""
    entries: list[Entry] = []
    wanted: list[Requirement] = []
    python = ""
    body = text.text
    for guard in _GUARDS:
        for found in guard.pattern.finditer(body):
            one = _requirement(guard, found)
            if one is None:
                continue
            wanted.append(one)
            if one.have and one.name != "python":
                entries.append(entry(text.line(found.start()), one.name, one.have, weak=True))
    for found in _SKIPPED.finditer(body):
        line = text.line(found.start())
        entries.append(entry(line, "torch", found["torch"].rstrip("."), weak=True))
        entries.append(
            entry(line, normalised(found["name"]), found["version"].rstrip("."), weak=True)
        )
    if "xFormers was built for" in body and (other := _XFORMERS_PYTHON.search(body)):
        python = other["python"]
    return Told(
        entries=tuple(entries),
        wanted=tuple(dict.fromkeys(wanted)),
        broken=tuple(dict.fromkeys(_broken(body))),
        python=python,
    )


def _requirement(guard: _Guard, found: "re.Match[str]") -> Requirement | None:
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
