"""Cases as data: a file of JSON holds a row each line, and a row of `rows.jsonl` is a call and what it gives.

    {"call": "probes.system:model", "args": ["@root"], "files": {"etc/nv_tegra_release": ""}, "gives": "NVIDIA Jetson"}

`files` lie below a folder of the row's own, which "@root" stands for, as `plant` writes them. A value
with "call" is what that call gives, with "bytes" bytes, with "path" a path there; "$name" stands for what a row with
"define" says. A row may tell a part of what is given: some fields of a struct, in "is" its type, in "in" some text.
"then" calls methods of it, or is the name of a field.
"""

import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec
from planting import plant

__all__ = ["plant"]
HERE = Path(__file__).parent


def rows(place: str) -> list[Any]:
    return [json.loads(line) for line in (HERE / place).read_text(encoding="utf-8").splitlines()]


def words(of: str) -> list[str]:
    """Return pieces of text that readers of a kind could stumble over."""
    return json.loads((HERE / "words.json").read_bytes())[of]


def made(value: Any, root: Path, known: dict[str, Any]) -> Any:  # noqa: C901, PLR0911
    match value:
        case str():
            if value in known:
                return made(known[value], root, known)
            return root if value == "@root" else value.replace("@root", str(root))
        case {"bytes": text} if len(value) == 1:
            return text.encode("latin-1")
        case {"path": text} if len(value) == 1:
            return root / text
        case {"text": text} if len(value) == 1:
            return text.replace("@root", str(root))
        case {"json": as_it_is}:
            return as_it_is
        case {"call": path, **rest}:
            module, _, name = path.partition(":")
            function = getattr(import_module(f"tunedoctor.{module}"), name)
            args, kw = (
                made(rest.get(part, none), root, known) for part, none in (("args", []), ("kw", {}))
            )
            struct = isinstance(function, type) and issubclass(function, msgspec.Struct)
            given = msgspec.convert(kw, function) if struct else function(*args, **kw)
            for step in rest.get("then", ()):
                name, *more = [step] if isinstance(step, str) else step
                given = getattr(given, name)
                given = given if isinstance(step, str) else given(*made(more, root, known))
            return list(given) if isinstance(given, Iterator) else given
        case dict():
            return {key: made(one, root, known) for key, one in value.items()}
        case list():
            return tuple(made(one, root, known) for one in value)
    return value


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
