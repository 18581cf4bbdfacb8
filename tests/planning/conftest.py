"""The index of libraries on loopback."""

import sys
from pathlib import Path

# test files are imported by path: their neighbours are found only so
sys.path.insert(0, str(Path(__file__).parents[1]))

from libraries.fixtures import index, uv_cache

__all__ = ["index", "uv_cache"]
