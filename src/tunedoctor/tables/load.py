"""Read a table of the package."""

from functools import cache
from pathlib import Path
from typing import Any

import msgspec


@cache
def table(name: str) -> Any:  # noqa: ANN401  the loaders beside this file give it types
    """Return the parsed JSON of `tables/NAME.json`, read once."""
    return msgspec.json.decode((Path(__file__).parent / f"{name}.json").read_bytes())
