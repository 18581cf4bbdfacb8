"""What an Xid of the kernel log asks for, over xids.json."""

from typing import Literal

import msgspec

from tunedoctor.tables.load import table


class XidMeaning(msgspec.Struct, frozen=True):
    """An Xid that asks for more than a restart of the application."""

    name: str
    asks: Literal["reset", "reboot", "power", "replace"]


def xid_meaning(number: int) -> XidMeaning | None:
    """Return what an Xid asks for; None for one that is an application's fault, or not known."""
    row = table("xids")["xids"].get(str(number))
    return XidMeaning(**row) if row else None
