"""The text of a config.json, from wherever it is: parsed, cleaned, and each key once."""

import json
from typing import Any

from tunedoctor.facts.clean import clean_text, cleaned
from tunedoctor.memory.shape import MemoryModelError

LARGEST = 2 << 20
"""Bytes of a config.json; those with a name for each of 20,000 labels have 1 MB. Parsed it can be 50 times as large."""


def parsed(data: bytes) -> Any:  # noqa: ANN401  JSON of somebody
    """Return parsed JSON without what acts on a terminal. Raises MemoryModelError where it is none.

    The standard library's parser: configs of Mamba hold Infinity, which JSON has not.
    """
    if data[:4] == b"GGUF" or data[8:10] == b'{"':
        what = "these are weights; the doctor reckons by the config.json of the model"
        raise MemoryModelError(what)
    if not data.strip():
        raise MemoryModelError("it is empty")
    try:
        return cleaned(json.loads(data.decode("utf-8-sig"), object_pairs_hook=_object))
    except UnicodeDecodeError:
        what = "it is no JSON: not UTF-8 text"
    except RecursionError:
        what = "its JSON is nested too deep"
    except ValueError as error:
        what = f"it is no JSON: {str(error)[:100]}"
    raise MemoryModelError(what) from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found and found[key] != value:
            what = f"{clean_text(key)[:60]} stands there twice, with different values"
            raise MemoryModelError(what)
        found[key] = value
    return found
