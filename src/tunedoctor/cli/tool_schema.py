"""JSON Schema of a function for an agent: what it takes, from its signature, and what it returns, from its type.

Names, types, choices, limits and descriptions are those of the annotations:
`rank: Annotated[int | None, Meta(ge=1, description="LoRA rank.")] = None`.
"""

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from os import PathLike
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import UNSET, Meta, UnsetType

WORD, TEXT, ENTRIES = 4096, 4 << 20, 100
"""The most characters of a string, those of a text such as a log, and entries of a list."""
_SHORT, _LONG = Meta(max_length=WORD), Meta(min_length=1, max_length=TEXT)


def input_type(
    function: Callable[..., object],
    names: Collection[str],
    *,
    required: Collection[str] = (),
    texts: Collection[str] = (),
    more: Mapping[str, Any] | None = None,
) -> type[msgspec.Struct]:
    """Return a struct of the parameters that an agent may give; `arguments_of` checks what it sends.

    A parameter without a default is required, and so are those of `required`. `texts` are those that can be long.
    `more`: name -> type of optional arguments that the function does not have.
    """
    hints = get_type_hints(function, include_extras=True)
    parameters = inspect.signature(function).parameters
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    for name in names:
        kind = _json_type(hints[name], _LONG if name in texts else _SHORT)
        if name in required or parameters[name].default is inspect.Parameter.empty:
            fields.append((name, kind))
        else:
            fields.append((name, kind | UnsetType, UNSET))
    fields += [(name, kind | UnsetType, UNSET) for name, kind in (more or {}).items()]
    return msgspec.defstruct("Input", fields, kw_only=True, forbid_unknown_fields=True)


def _json_type(hint: Any, text: Meta) -> Any:  # noqa: ANN401  an annotation
    """Return the type that JSON has for an annotation: no paths, no None (it is left out), and bounded lengths."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Annotated:
        inner, *metas = parts
        return Annotated[(_json_type(inner, text), *metas)]
    if origin in (Union, UnionType):
        kinds = [
            part for part in parts if part is not NoneType and get_origin(part) is not PathLike
        ]
        return Union[tuple(_json_type(kind, text) for kind in kinds)]  # noqa: UP007  of a tuple
    if origin is Sequence:
        return Annotated[list[_json_type(parts[0], text)], Meta(max_length=ENTRIES)]  # type: ignore[misc]
    return Annotated[str, text] if hint is str else hint


def input_schema(kind: type[msgspec.Struct], function: Callable[..., object]) -> dict[str, Any]:
    """Return the JSON Schema of an input type, with the function's defaults that are informative."""
    schema: dict[str, Any] = msgspec.json.schema(kind)["$defs"]["Input"]
    parameters = inspect.signature(function).parameters
    for name, row in schema["properties"].items():
        default = parameters[name].default if name in parameters else None
        if isinstance(default, str | int | float) and default:
            row["default"] = default
    # every agent reads this, so it is short
    return {key: row for key, row in schema.items() if key != "title" and row != []}


def output_schema(kind: type[msgspec.Struct], names: Sequence[str]) -> dict[str, Any]:
    """Return the JSON Schema of a result: these keys of a struct; it can have others.

    It says of each key only whether it is text, a number, a list or an object, and which texts it can be. A long answer
    is cut inside lists and objects, so it would not match a schema for those. No key is required, because empty ones
    are left out.
    """
    whole = msgspec.json.schema(kind)
    rows = whole["$defs"][whole["$ref"].rpartition("/")[2]]["properties"]
    return {"type": "object", "properties": {name: _outline(rows[name]) for name in names}}


def _outline(row: Mapping[str, Any]) -> dict[str, Any]:
    kinds = [alternative for alternative in row.get("anyOf", ()) if alternative != {"type": "null"}]
    if len(kinds) == 1:
        return _outline(kinds[0])
    if "$ref" in row:
        return {"type": "object"}
    return {key: row[key] for key in ("type", "enum") if key in row}


def arguments_of(kind: type[msgspec.Struct], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments that an agent gave. Raises msgspec.ValidationError if they are not of the type."""
    # to JSON Schema 2.0 is an integer too
    whole = {
        name: int(value) if isinstance(value, float) and value.is_integer() else value
        for name, value in values.items()
    }
    converted = msgspec.convert(whole, kind)
    return {
        name: value
        for name, value in msgspec.structs.asdict(converted).items()
        if value is not UNSET
    }


def summary(function: Callable[..., object]) -> str:
    """Return the first paragraph of a function's docstring, as plain text in one line."""
    return " ".join((inspect.getdoc(function) or "").partition("\n\n")[0].replace("`", "").split())
