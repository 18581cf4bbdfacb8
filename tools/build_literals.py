"""Read the expressions of all tables and modules for words that each match contains; write tables/literals.json.

    python tools/build_literals.py

An expression that is not in the file is tried on every text, which is never wrong, only slower.
"""

import gc
import json
import pkgutil
import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import tunedoctor
from tunedoctor.advice.error_texts import expression
from tunedoctor.diagnosis.engine import diagnose
from tunedoctor.diagnosis.registry import all_checks
from tunedoctor.facts import Errors, ErrorText
from tunedoctor.model.lazy import SHIPPED, key_of
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.readers.installer_output import wording
from tunedoctor.tables.load import table

SHORTEST = 2
"""Least length of a word that is worth searching."""
_MOST = 24
"""Most words to search: with more, the expression itself is as fast."""


def read_literals(source: str, flags: int) -> tuple[str, ...]:
    """Return the words according to Python's own parser; () if it refuses the expression."""
    try:
        parsed = import_module("re._parser").parse(source, flags)
    except re.error:
        return ()
    if parsed.state.flags & re.IGNORECASE and not flags & re.IGNORECASE:
        return ()
    words = _words(parsed)
    if flags & re.IGNORECASE:
        # the longest ASCII part of each
        parts = (re.split(r"[^\x00-\x7f]+", word) for word in words)
        words = tuple(max(some, key=len).lower() for some in parts)
    return words if all(len(word) >= SHORTEST for word in words) else ()


def _words(parsed: Any) -> tuple[str, ...]:  # noqa: ANN401  the parser's own types have no names
    """Return the best words of a sequence: the longest, with the fewest alternatives."""
    best: tuple[str, ...] = ()
    run = ""
    pairs: list[tuple[str, Any]] = [*((str(kind), value) for kind, value in parsed), ("", None)]
    for kind, value in pairs:
        if kind == "LITERAL":
            run += chr(value)
            continue
        found: list[tuple[str, ...]] = [(run,)] if len(run) >= SHORTEST else []
        run = ""
        if kind == "SUBPATTERN" and not value[1] & re.IGNORECASE:
            found.append(_words(value[3]))
        elif kind == "ATOMIC_GROUP":
            found.append(_words(value))
        elif kind == "ASSERT":
            found.append(_words(value[1]))
        elif kind.endswith("_REPEAT") and value[0]:
            found.append(_words(value[2]))
        elif kind == "BRANCH" and all(each := [_words(one) for one in value[1]]):
            found.append(tuple(word for words in each for word in words))
        best = max((best, *found), key=_worth)
    return best


def _worth(words: tuple[str, ...]) -> int:
    fits = 0 < len(words) <= _MOST
    return 100 + 10 * min(10, *map(len, words)) - len(words) if fits else 0


def sources() -> Iterator[tuple[str, int]]:
    """Yield the expressions, with their flags."""
    for expressions in table("reads")["rows"].values():
        yield from ((one, 0) for one in expressions)
    for section in table("outputs")["rows"].values():
        for one in section.values():
            yield one.removeprefix("(?i)"), re.IGNORECASE if one.startswith("(?i)") else 0
    for row in table("known_bad")["rows"]:
        yield row.get("symptom", ""), 0
    for row in table("installer_messages")["rows"]:
        yield wording(row).pattern, 0
    known = table("misfits")
    for texts in (known["compares"], known["given_up"], known["named"], known["shapes"].values()):
        yield from ((one.pattern, one.flags) for one in map(expression, texts))
    yield from ((expression("|".join(some)).pattern, 0) for some in known["of_classes"].values())
    for module in pkgutil.walk_packages(tunedoctor.__path__, "tunedoctor."):
        if not module.name.startswith(("tunedoctor.target", "tunedoctor.__main__")):
            import_module(module.name)
    # expressions that checks build when there is an error
    diagnose(Snapshot({Errors: Errors(errors=(ErrorText(text="-"),))}), all_checks(()))
    lazy = [one for one in gc.get_objects() if type(one).__name__ == "_Lazy"]
    yield from sorted((one.pattern, one.flags) for one in lazy)


def built() -> dict[str, tuple[str, ...]]:
    """Return the words by expression."""
    return {key_of(one, flags): read_literals(one, flags) for one, flags in sources() if one}


if __name__ == "__main__":
    rows = (f"{json.dumps(key)}: {json.dumps(words)}" for key, words in built().items())
    SHIPPED.write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")
