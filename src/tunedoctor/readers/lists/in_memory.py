"""What a running Python says of a library, beside what pip or conda say that is installed."""

from collections.abc import Mapping, Sequence

from tunedoctor.facts import InMemory
from tunedoctor.lazy import pattern
from tunedoctor.readers.lists.ledger import Entry
from tunedoctor.readers.prompts import typed_in
from tunedoctor.readers.values.kinds import version as version_in
from tunedoctor.readers.values.session import answers

_NOTEBOOK = pattern(r"^\s{0,12}In ?\[\d{0,5}\]:")
_INSTALLS = pattern(
    r"\b(?:pip3?|uv|conda|mamba|micromamba)\b.{0,30}\b(?:install|uninstall|update|upgrade|add|sync|remove)\b"
)
_FOUND = pattern(r"Found existing installation: (?P<name>[\w.-]{1,60}) (?P<version>\d[\w.+]{0,40})")
_NEW = pattern(r"([A-Za-z][\w.-]{0,60}?)-(\d[\w.+]{0,40})(?=\s|$)")
_ANSWER = pattern(r"^\s{0,12}(?:Out ?\[\d{0,5}\]:\s{0,4})?['\"]?(\d[\w.+]{0,40})['\"]?\s*$")
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
            notebook=bool(_NOTEBOOK.match(lines[line][:_LONGEST])),
        )
        for name, (version, line) in versions.items()
        if name in state and line > last and _differ(version, state[name])
    )


def _replaced(lines: Sequence[str]) -> InMemory | None:
    """Return the package whose old version a notebook's cell answers right below the install that replaced it."""
    before: dict[str, str] = {}
    for number, whole in enumerate(lines):
        line = whole[:_LONGEST]
        if found := _FOUND.search(line):
            before[found["name"].lower()] = found["version"]
        elif before and "Successfully installed " in line:
            below = next((one for one in lines[number + 1 : number + 4] if one.strip()), "")
            answer = _ANSWER.match(below[:_LONGEST])
            for name, version in _NEW.findall(line.partition("Successfully installed ")[2]):
                old = before.get(name.lower(), "")
                if answer and answer[1] == old != version:
                    return InMemory(name=name, version=old, installed=version, notebook=True)
    return None


def _installs(line: str) -> bool:
    """Tell whether a line installs: a command, or its result; an advice to install does not."""
    plain = line.lstrip()
    if plain.startswith("Successfully "):
        return True
    return bool(_INSTALLS.search(typed_in(line)))


def _differ(version: str, listed: Entry) -> bool:
    told = listed.conda.partition(" ")[0] or listed.version
    return bool(told) and not listed.weak and version.partition("+")[0] != told.partition("+")[0]
