"""The shape of import_contracts.json: which releases break each other's imports."""

from typing import Annotated

import msgspec

Name = Annotated[str, msgspec.Meta(pattern=r"\A[a-z0-9][a-z0-9-]{0,80}\Z")]
Release = Annotated[str, msgspec.Meta(pattern=r"\A\d[\w.!]{0,40}\Z")]
Text = Annotated[str, msgspec.Meta(pattern=r"\A[\w.]{1,200}(?:[:(]\w{1,100})?\Z")]
Place = Annotated[int, msgspec.Meta(ge=0, le=10_000)]


class Row(msgspec.Struct, frozen=True, array_like=True):
    """Names that releases of a library ask for, and releases of a neighbour that lack them.

    Numbers are places in `releases`; both ends belong to a run, and what was released within a run is of it.
    """

    library: Name
    neighbour: Name
    asks: tuple[tuple[Place, Place], ...]
    lacks: tuple[tuple[Place, Place], ...]
    names: tuple[Text, ...]
    """"module:name", "module" for one that is gone, "what is called(keyword" for one that is not taken."""


class Contracts(msgspec.Struct, frozen=True):
    """The table."""

    releases: dict[Name, tuple[Release, ...]]
    """Of each library, oldest first."""
    rows: tuple[Row, ...]
    as_of: str = ""
