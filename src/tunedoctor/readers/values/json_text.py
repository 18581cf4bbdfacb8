"""JSON objects in a text: the environment files of coqui, lightning and others."""

from collections.abc import Iterator, Sequence

from tunedoctor.readers.values.libraries import library_of
from tunedoctor.readers.values.names import key_of
from tunedoctor.readers.values.said import Said

MOST = 8
"""Objects of a text that are tried."""
_LONGEST = 65_536
_UNDER = {
    ("cuda", "available"): "available",
    ("cuda", "version"): "torch_cuda",
    ("cuda", "gpu"): "gpu",
    ("system", "version"): "kernel",
    ("system", "python"): "python",
    ("packages", "pytorch_version"): "torch",
    ("packages", "torch"): "torch",
}


def objects(lines: Sequence[str]) -> Iterator[Said]:
    """Yield what objects that begin a line say; anything that is no JSON is passed over."""
    tried = 0
    for number, line in enumerate(lines):
        if not line.lstrip().startswith("{"):
            continue
        tried += 1
        if tried > MOST:
            return
        text = "\n".join(lines[number : number + 400])[:_LONGEST].lstrip()
        import json  # noqa: PLC0415  few texts have an object

        try:
            value, _ = json.JSONDecoder().raw_decode(text)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            yield from (one._replace(line=number) for one in _walk(value, "", 0))


def _walk(node: dict[str, object], parent: str, depth: int) -> Iterator[Said]:
    for name, value in list(node.items())[:500]:
        if isinstance(value, dict) and depth < 4:
            yield from _walk(value, str(name).lower(), depth + 1)
            continue
        key = _UNDER.get((parent, name.lower())) or key_of(name)[0]
        library = library_of(name) if not key else ""
        key = key or (f"library {library}" if library else "")
        values = value if isinstance(value, list) else [value]
        for one in values[:64] if key else ():
            if isinstance(one, str | int | float | bool) or one is None:
                yield Said(key, str(one))
