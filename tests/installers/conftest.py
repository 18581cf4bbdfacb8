"""The index of libraries on loopback."""

from libraries.fixtures import index, uv_cache

__all__ = ["index", "uv_cache"]
