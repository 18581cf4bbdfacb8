"""What a running Python says of a library, beside what pip or conda say that is installed."""

from collections.abc import Mapping, Sequence

from tunedoctor.facts import InMemory
from tunedoctor.readers.installing.said import Text, shape
from tunedoctor.readers.lists.ledger import Entry
from tunedoctor.readers.lists.names import normalised
from tunedoctor.readers.prompts import typed_in
from tunedoctor.readers.values.kinds import version as version_in
from tunedoctor.readers.values.session import answers

_ASKS = (".__version__", ".__file__", "version(")
_LONGEST = 1000


def in_memory(lines: Sequence[str], text: Text, state: Mapping[str, Entry]) -> tuple[InMemory, ...]:
    """Return the libraries whose imported version is another one than the list's; in a later install either counts.

    `state` is what lists and installers tell, by name of the distribution.
    """
    if not state or not any(ask in line for line in lines for ask in _ASKS):
        return ()
    for held in text.said("held"):
        old, new = held.fields["version"], held.fields["installed"]
        if old != new:
            package = normalised(held.fields["name"])
            return (InMemory(name=package, version=old, installed=new, notebook=True),)
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


def _installs(line: str) -> bool:
    """Tell whether a line installs: a command, or its result; an advice to install does not."""
    done = line.lstrip().startswith("Successfully ")
    return done or bool(shape("installs").search(typed_in(line)))


def _differ(version: str, listed: Entry) -> bool:
    told = listed.conda.partition(" ")[0] or listed.version
    return bool(told) and not listed.weak and version.partition("+")[0] != told.partition("+")[0]
