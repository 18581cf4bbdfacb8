"""The form of the table of import contracts."""

from typing import Annotated

import msgspec

Name = Annotated[str, msgspec.Meta(pattern=r"\A[a-z0-9][a-z0-9-]{0,80}\Z")]
Release = Annotated[str, msgspec.Meta(pattern=r"\A\d[\w.!]{0,40}\Z")]
Text = Annotated[str, msgspec.Meta(pattern=r"\A[\w.]{1,200}(?:[:(]\w{1,100})?\Z")]
Place = Annotated[int, msgspec.Meta(ge=0, le=10_000)]


class ContractRow(msgspec.Struct, frozen=True, array_like=True):
    """Names that releases of a library import, and releases of another library that lack them.

    Numbers are positions in `releases`; both ends are included, and so are releases made in between.
    """

    library: Name
    neighbour: Name
    asks: tuple[tuple[Place, Place], ...]
    lacks: tuple[tuple[Place, Place], ...]
    names: tuple[Text, ...]
    """"module:name", "module" for one that is gone, "name of a call(keyword" for a keyword that is not accepted."""


class Contracts(msgspec.Struct, frozen=True):
    """import_contracts.json: which releases break each other's imports."""

    releases: dict[Name, tuple[Release, ...]]
    """For each library, oldest first."""
    rows: tuple[ContractRow, ...]
    as_of: str = ""
