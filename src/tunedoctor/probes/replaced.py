"""Find out whether a package's __init__.py that differs from RECORD can still be the package's own, edited code.

Users edit library files, so a different size alone proves nothing. A file counts as replaced if importing it cannot
succeed, or if it no longer defines what every release of the package defines. Nothing is run.
"""

import ast
import os
import re
import sys
from collections.abc import Iterator

from tunedoctor.probes.wheel_tags import Abi
from tunedoctor.system import reading
from tunedoctor.tables.load import table

_LARGEST = 4 << 20
_CUT = 0.75
"""Share of its recorded size that an edited file still has."""
_LONG_SLEEP = 60
"""Seconds; no package waits that long while it is imported."""
_EXITS = frozenset({"exit", "quit", "_exit", "abort"})


def replaced(place: str, path: str, size: int, recorded: int, abi: Abi | None) -> str:
    """Return why a package's __init__.py is not the package's own code, "" if it may be; `path` is below `place`."""
    text = reading.start(os.path.join(place, path), _LARGEST)  # noqa: PTH118
    if text is None:
        return ""
    module = path.partition("/")[0]
    basic: list[str] = table("contract_libraries")["elementary"].get(module, [])
    if why := _stops(text, abi):
        return f"{path}: {why}"
    if basic and size < recorded * _CUT:
        return f"{path}: {size} of {recorded} bytes"
    words = {*re.findall(rb"\w+", text)}
    gone = [name for name in basic if name.encode() not in words]
    if gone and b"import *" not in text:
        return f"{path}: it does not define {gone[0]}"
    return ""


def _stops(text: bytes, abi: Abi | None) -> str:
    """Return why every import of a file fails or never ends; "" if it may succeed."""
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        # a Python newer than doctor's may have syntax that is unknown here
        newer = abi is None or (abi.major, abi.minor) > sys.version_info[:2]
        return "" if newer else f"line {error.lineno} is not valid Python"
    except (ValueError, RecursionError, MemoryError, OverflowError):
        return ""
    return next(filter(None, map(_ends, _always_run(tree.body))), "")


def _always_run(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements that every import runs: those at the top level, outside conditions and try blocks."""
    for node in body:
        if isinstance(node, (ast.With, ast.AsyncWith)):
            yield from node.body
        else:
            yield node


def _ends(node: ast.stmt) -> str:
    """Return how a statement ends an import, "" if it does not."""
    if isinstance(node, ast.Raise):
        return f"line {node.lineno} raises an exception in every import"
    if isinstance(node, ast.While) and isinstance(node.test, ast.Constant) and node.test.value:
        leaves = (ast.Break, ast.Return, ast.Raise)
        if not any(isinstance(inner, leaves) for inner in ast.walk(node)):
            return f"line {node.lineno} is a loop without end"
    call = node.value if isinstance(node, ast.Expr) else None
    if not isinstance(call, ast.Call):
        return ""
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    if name in _EXITS:
        return f"line {node.lineno} ends the interpreter in every import"
    first = call.args[0] if call.args else None
    long = isinstance(first, ast.Constant) and isinstance(first.value, (int, float))
    if name == "sleep" and long and first.value > _LONG_SLEEP:  # type: ignore[union-attr]
        return f"line {node.lineno} waits for {first.value} s"  # type: ignore[union-attr]
    return ""
