"""Read TOML of somebody else's: a key of thousands of parts takes tomllib a time that grows with their cube."""

from typing import Any

from tunedoctor.lazy import pattern

LARGEST = 1 << 20
"""Bytes of a file of settings that are read."""
_PART = r"""(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')"""
_LONG_KEY = pattern(rf"(?<![\w-]){_PART}(?:[ \t]*+\.[ \t]*+{_PART}){{19}}")


def parsed(text: str) -> dict[str, Any]:
    """Return the tables of a text. Raises ValueError for what is no TOML, or none that anybody writes."""
    import tomllib  # noqa: PLC0415  8 ms, and few have such a file

    if _LONG_KEY.search(text):
        msg = "a key has more than 19 parts"
        raise ValueError(msg)
    try:
        return tomllib.loads(text)
    except RecursionError:
        msg = "it is nested too deeply"
        raise ValueError(msg) from None
