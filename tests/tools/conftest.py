"""The index on loopback of tests/refresh."""

from refresh.conftest import index, table

__all__ = ["index", "table"]
