"""Attributes of a library that some releases lack."""

from __future__ import annotations

from typing import Any

from .telling import Missing


def reach(root: Any, path: str) -> Any:
    """Return root.a.b for "a.b".

    Raises:
        Missing: an attribute is not there.
    """
    found = root
    for name in path.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            msg = f"{getattr(root, '__name__', 'it')} has no {path}"
            raise Missing(msg) from None
    return found


def attempt(root: Any, path: str, *arguments: Any) -> Any:
    """Call root.path(*arguments); None where it is not there or fails."""
    try:
        return reach(root, path)(*arguments)
    except Exception:  # an answer less
        return None


def text_of(root: Any, path: str) -> str:
    """Return root.path as text, "" where it is not there or None."""
    try:
        value = reach(root, path)
    except Missing:
        return ""
    return "" if value is None else str(value)
