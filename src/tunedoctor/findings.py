"""What checks are and what they return."""

from collections.abc import Callable
from typing import Literal

import msgspec
from msgspec import structs

from tunedoctor.cure import Cure
from tunedoctor.facts import Unknown

Body = Callable[..., "Result"]
Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
LONGEST_TITLE = 60
"""Characters of a title."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong, in the four parts that `docs/architecture.md` asks for.

    `found`: facts with numbers and places. `means`: what goes wrong in training. `cure`: what to do, as
    steps. `cure_note`: who does it, what it costs (size, reboot, root). `evidence`: where the facts were read.
    `title`, `severity`, `means` and `cure_note` are those of the check's file where they are left out.
    """

    found: str
    cure: Cure
    means: str = ""
    cure_note: str = ""
    evidence: tuple[str, ...] = ()
    severity: Severity | None = None
    title: str = ""
    said: str = ""
    """The error of the run that the check goes by, as it was printed; "" where facts alone tell. It ranks."""
    certain: bool = False
    """Proved by what releases hold: nothing that the words of a text resemble outweighs it."""
    settle: str = ""
    """Where the facts leave other causes open: the command whose answer settles it. Then no error is claimed."""

    def saying(self, said: str) -> "Finding":
        """Return the same finding, which goes by this error of the run."""
        return structs.replace(self, said=said)

    def proved(self) -> "Finding":
        """Return the same finding, which no resemblance of the text outweighs."""
        return structs.replace(self, certain=True)

    def told_by(self, check: "Check") -> "Finding":
        """Return the same finding; what it leaves out is as its check says, and so is the title of a longer one."""
        return structs.replace(
            self,
            title=self.title if len(self.title) <= LONGEST_TITLE else "",
            means=self.means or check.means,
            cure_note=self.cure_note or check.cure_note,
            evidence=tuple(filter(None, self.evidence)),
        )


Result = Finding | Unknown | None
"""What a check returns: None where all is well, Unknown where the facts do not tell."""


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """A check as the registry holds it."""

    id: str
    title: str = ""
    severity: Severity = "error"
    explains: tuple[str, ...] = ()
    """Ids of findings that follow from this one."""
    advice: bool = False
    """A recommendation: ranked after what is wrong."""
    run: Callable[..., Result]
    origin: str
    """The module it stands in; of one without code its file, checks/NAME.toml."""
    means: str = ""
    cure_note: str = ""
    page: str = ""
    """The manual page; of one built in the table of pages holds it."""
    group: str = ""
    """What it is about: "driver", "data" …"""
    settle: str = "doctor check"
    """What to run where it is only suspected: the answer tells."""
    by_words: bool = False
    """It has no code: what errors say is all that tells of it, so a text without it tells nothing either way."""


def check(
    id: str,  # noqa: A002  the word that users see
    title: str = "",
    severity: Severity = "error",
    *,
    explains: tuple[str, ...] | list[str] = (),
    advice: bool = False,
) -> Callable[[Body], Body]:
    """Mark a pure function as a check; its parameters name the facts that it needs.

    It returns a Finding, None where all is well, or Unknown(why) where the facts do not tell. What is said of it
    stands in NAME.toml beside it; a plug-in of one module says it here, and has its page as the docstring.
    """

    def mark(function: Body) -> Body:
        function.tunedoctor_check = Check(  # type: ignore[attr-defined]
            id=id,
            title=title,
            severity=severity,
            explains=tuple(explains),
            advice=advice,
            run=function,
            page=function.__globals__["__doc__"] or "",
            origin=function.__module__,
        )
        return function

    return mark
