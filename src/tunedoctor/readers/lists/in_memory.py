"""What a running Python says of a library, beside what pip or conda say that is installed."""

from collections.abc import Mapping, Sequence

from tunedoctor.facts import InMemory
from tunedoctor.readers.installing.packages import split
from tunedoctor.readers.installing.said import joined, shape
from tunedoctor.readers.lists.ledger import Entry
from tunedoctor.readers.lists.names import normalised
from tunedoctor.readers.prompts import typed_in
from tunedoctor.readers.values.kinds import version as version_in
from tunedoctor.readers.values.session import answers

_ASKS = (".__version__", ".__file__", "version(")
_LONGEST = 1000


def in_memory(lines: Sequence[str], state: Mapping[str, Entry]) -> tuple[InMemory, ...]:
    """Return the libraries whose imported version is another one than the list's; in a later install either counts.

    `state` is what lists and installers tell, by name of the distribution.
    """
    if not state or not any(ask in line for line in lines for ask in _ASKS):
        return ()
    if held := _replaced(lines):
        return (held,)
    last = max((n for n, line in enumerate(lines) if _installs(line[:_LONGEST])), default=-1)
    versions: dict[str, tuple[str, int]] = {}
    files: dict[str, str] = {}
    for one in answers(lines):
        kind, _, name = one.key.partition(" ")
        name = name or kind
        if kind == "file":
            files[name] = one.value
        elif kind in ("library", "torch") and (version := version_in(one.value)):
            versions[name] = version, one.line
    return tuple(
        InMemory(
            name=name,
            version=version,
            installed=state[name].conda.partition(" ")[0] or state[name].version,
            file=files.get(name, ""),
            notebook=bool(shape("notebook").match(lines[line][:_LONGEST])),
        )
        for name, (version, line) in versions.items()
        if name in state and line > last and _differ(version, state[name])
    )


def _replaced(lines: Sequence[str]) -> InMemory | None:
    """Return the package whose old version a notebook's cell answers right below the install that replaced it."""
    before: dict[str, str] = {}
    for one in joined([line[:_LONGEST] for line in lines]).said("there"):
        if "name" in one.fields:
            before[normalised(one.fields["name"])] = one.fields["version"]
    installed = (n for n, line in enumerate(lines) if before and "Successfully installed " in line)
    for number in installed:
        below = next((one for one in lines[number + 1 : number + 4] if one.strip()), "")
        answer = shape("answer").match(below[:_LONGEST])
        for token in lines[number][:_LONGEST].partition("Successfully installed ")[2].split():
            name, version = split(token)
            if answer and answer["version"] == before.get(name) != version:
                return InMemory(
                    name=name, version=answer["version"], installed=version, notebook=True
                )
    return None


def _installs(line: str) -> bool:
    """Tell whether a line installs: a command, or its result; an advice to install does not."""
    plain = line.lstrip()
    if plain.startswith("Successfully "):
        return True
    return bool(shape("installs").search(typed_in(line)))


def _differ(version: str, listed: Entry) -> bool:
    told = listed.conda.partition(" ")[0] or listed.version
    return bool(told) and not listed.weak and version.partition("+")[0] != told.partition("+")[0]
