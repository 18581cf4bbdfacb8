"""Read a pasted text with every reader and put what they found into one Snapshot."""

from collections.abc import Callable, Sequence

from msgspec import structs

from tunedoctor.facts import (
    KINDS,
    Absent,
    Container,
    Errors,
    ErrorText,
    Fact,
    IndexAnswer,
    NvidiaAnswer,
    Packages,
    Resembles,
)
from tunedoctor.ranking.rank import resembled
from tunedoctor.readers import (
    installs,
    messages,
    named_values,
    nvidia_smi,
    prompts,
    rocm,
    runs,
    system,
)
from tunedoctor.readers.digest import bounded
from tunedoctor.readers.merge import Missing, merged
from tunedoctor.readers.tidy import tidied
from tunedoctor.snapshot import NOT_TOLD, Answer, Snapshot

Reader = Callable[[list[str]], list[Fact]]


def read_report(
    text: str,
    numbers: Sequence[int] = (),
    failed: Callable[[Reader, Exception], None] | None = None,
) -> Snapshot:
    """Return what a text tells, and what it resembles. A reader that fails is left out.

    `numbers` tells for each line of a digest which line of the whole log it is. `failed` hears of a reader that
    raised.
    """
    lines, numbers = bounded(*tidied(text, numbers))
    facts: list[Fact] = []
    for reader in _READERS:
        try:
            facts += reader(lines)
        except Exception as error:  # noqa: BLE001  a crash is the result of that reader alone
            if failed is not None:
                failed(reader, error)
    answers: dict[type[Fact], Answer] = dict.fromkeys(KINDS, NOT_TOLD)
    answers[Container] = Absent(why="the report tells of no container")
    answers[IndexAnswer] = Absent(why="the report holds no failed install")
    answers[NvidiaAnswer] = Absent(why="the report holds no failure of the NVIDIA tools")
    for fact in facts:
        if isinstance(fact, Missing):
            continue
        kind = type(fact)
        before = answers.get(kind)
        answers[kind] = fact if not isinstance(before, kind) else merged(before, fact)
    kinds = {kind.__name__: kind for kind in KINDS}
    for fact in facts:
        listed = answers.get(Packages)
        elsewhere = (
            isinstance(listed, Packages) and listed.get(fact.package)
            if isinstance(fact, Missing)
            else None
        )
        if (
            isinstance(fact, Missing)
            and answers.get(kinds[fact.kind]) is NOT_TOLD
            and not elsewhere
        ):
            answers[kinds[fact.kind]] = Absent(why=fact.why)
    errors = answers.get(Errors)
    if numbers and isinstance(errors, Errors):
        answers[Errors] = _renumbered(errors, numbers)
    answers[Resembles] = resembled(lines)
    return Snapshot(answers)


def _renumbered(errors: Errors, numbers: Sequence[int]) -> Errors:
    """Name the lines of the whole log."""
    found: list[ErrorText] = []
    for error in errors.errors:
        place, _, number = error.where.partition(" ")
        if place == "line" and number.isdecimal() and 0 < int(number) <= len(numbers):
            found.append(structs.replace(error, where=f"line {numbers[int(number) - 1]}"))
        else:
            found.append(error)
    return Errors(errors=tuple(found))


_READERS: tuple[Reader, ...] = (
    rocm.read,
    system.read,
    named_values.read,
    nvidia_smi.read,
    messages.read,
    installs.read,
    prompts.read,
    runs.read,
)
