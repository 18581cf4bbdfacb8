"""Read the expressions of all tables and modules for the words that each match has, and write tables/literals.json.

    python tools/build_literals.py

An expression that is not in it is read when it is used; so it is never wrong, at most slower.
"""

import gc
import importlib
import json
import pkgutil
import re
from collections.abc import Iterator

import tunedoctor
from tunedoctor.advice.told import expression
from tunedoctor.diagnosis.engine import diagnose
from tunedoctor.diagnosis.registry import all_checks
from tunedoctor.facts import Errors, ErrorText
from tunedoctor.model.lazy import SHIPPED, key_of, read_literals
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.readers.ledger import wording
from tunedoctor.tables.load import table


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
            importlib.import_module(module.name)
    # what checks put together when there is an error
    diagnose(Snapshot({Errors: Errors(errors=(ErrorText(text="-"),))}), all_checks(()))
    lazy = [one for one in gc.get_objects() if type(one).__name__ == "_Lazy"]
    yield from sorted((one.pattern, one.flags) for one in lazy)


def built() -> dict[str, tuple[str, ...]]:
    """Return the words by expression."""
    return {key_of(one, flags): read_literals(one, flags) for one, flags in sources() if one}


if __name__ == "__main__":
    rows = (f"{json.dumps(key)}: {json.dumps(words)}" for key, words in built().items())
    SHIPPED.write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")
