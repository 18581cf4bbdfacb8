"""Data of tests that lies in files of JSON, a row each line, and what a row may say of a result."""

import json
from pathlib import Path
from typing import Any

import msgspec

HERE = Path(__file__).parent


def rows(place: str) -> list[Any]:
    return [json.loads(line) for line in (HERE / place).read_text(encoding="utf-8").splitlines()]


def words(of: str) -> list[str]:
    """Return pieces of text that readers of a kind could stumble over."""
    return json.loads((HERE / "words.json").read_bytes())[of]


def told(found: Any, root: Path) -> Any:
    """Return what a call gave as data, the folder of its row named as there."""
    plain = msgspec.to_builtins(found, enc_hook=str, builtin_types=(bytes,))
    text = json.dumps(plain, default=lambda one: one.decode("latin-1"))
    return json.loads(text.replace(json.dumps(str(root))[1:-1], "@root"))


def holds(found: Any, wanted: Any) -> bool:
    """Tell whether what was found is what is wanted, or has it as a part."""
    match wanted:
        case {"in": text}:
            return text in (found if isinstance(found, str) else json.dumps(found))
        case dict() if isinstance(found, dict):
            return all(holds(found[k], v) if k in found else not v for k, v in wanted.items())
        case list() if isinstance(found, list):
            return len(found) == len(wanted) and all(map(holds, found, wanted))
    return bool(found == wanted)
