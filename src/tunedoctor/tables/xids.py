"""What an Xid of the kernel log asks for, over xids.json."""

from typing import Literal

import msgspec

from tunedoctor.tables.load import table


class XidMeaning(msgspec.Struct, frozen=True):
    """An Xid that tells of the GPU, not of the program that ran on it."""

    name: str
    asks: Literal["reset", "reboot", "power", "replace", "idle"]
    """`idle`: a restart of the program is enough for now, and a reset once the GPU is idle."""
    says: tuple[str, ...] = ()
    """Words of which its text has one where it is one of those; without, it is harmless."""


def xid_meaning(number: int, text: str = "") -> XidMeaning | None:
    """Return what an Xid asks for; None for one that is an application's fault, or not known.

    `text`: what the driver wrote behind the number. Links report under one number what is fatal and what is not.
    """
    row = table("xids")["xids"].get(str(number))
    if not row:
        return None
    meaning = msgspec.convert(row, XidMeaning)
    low = text.lower()
    return None if meaning.says and not any(word in low for word in meaning.says) else meaning
