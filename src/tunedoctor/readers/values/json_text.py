"""JSON objects in a text: the environment files of coqui, lightning and others."""

from collections.abc import Iterator, Sequence

from tunedoctor.readers.values.names import key_of, normal
from tunedoctor.readers.values.said import Said
from tunedoctor.tables.load import table

MOST = 8
"""Objects of a text that are tried."""
_LONGEST, _DEEPEST = 65_536, 4


def objects(lines: Sequence[str]) -> Iterator[Said]:
    """Yield what objects that begin a line say; anything that is no JSON is passed over."""
    begins = [number for number, line in enumerate(lines) if line.lstrip().startswith("{")]
    for number in begins[:MOST]:
        text = "\n".join(lines[number : number + 400])[:_LONGEST].lstrip()
        import json  # noqa: PLC0415  few texts have an object

        try:
            value, _ = json.JSONDecoder().raw_decode(text)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            yield from (one._replace(line=number) for one in _walk(value, "", 0))


def _walk(node: dict[str, object], parent: str, depth: int) -> Iterator[Said]:
    section = table("labels")["sections"].get(parent, {})
    for name, value in list(node.items())[:500]:
        if isinstance(value, dict) and depth < _DEEPEST:
            yield from _walk(value, name.lower(), depth + 1)
            continue
        key = section.get(normal(name)) or key_of(name)[0]
        values = value if isinstance(value, list) else [value]
        for one in values[:64] if key else ():
            if isinstance(one, str | int | float | bool) or one is None:
                yield Said(key, str(one))
