"""Where the parts of a transaction lie: beside what they change, and named after it.

Of /home/me/llm/.venv and the transaction ID: .venv.doctor-ID is the other state of the environment (the clone before
the switch, the old one after it); with .journal, .wheels and .log at its end, the rest.
The other state lies at the same depth, so that relative links hold in it.
"""

import glob
import re
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

MARK = ".doctor-"
_TIME = "%Y%m%dT%H%M%S%f"
_ID = re.compile(r"\d{8}T\d{12}-[0-9a-f]{4}")


class Places(NamedTuple):
    """Paths of one transaction."""

    base: Path
    """The folder that holds them all."""
    stem: str
    """Name of what is changed."""
    id: str

    @property
    def live(self) -> Path:
        """What is changed."""
        return self.base / self.stem

    @property
    def token(self) -> str:
        """What tells the other state's path from the live one."""
        return f"{MARK}{self.id}"

    @property
    def other(self) -> Path:
        """The other state."""
        return self.base / f"{self.stem}{self.token}"

    @property
    def aside(self) -> Path:
        """Where the live one stands for a moment while two renames swap it."""
        return self.other.with_name(self.other.name + ".aside")

    @property
    def journal(self) -> Path:
        """The journal; it stays as long as the state."""
        return self.other.with_name(self.other.name + ".journal")

    @property
    def wheels(self) -> Path:
        """What was fetched."""
        return self.other.with_name(self.other.name + ".wheels")

    @property
    def log(self) -> Path:
        """The installer's words."""
        return self.other.with_name(self.other.name + ".log")

    @property
    def lock(self) -> Path:
        """One for all transactions of an environment."""
        return self.base / f"{self.stem}{MARK}lock"


def new(base: Path, stem: str) -> Places:
    """Return places for a transaction that begins now. Ids sort by time, even where the clock was set back."""
    now = datetime.now(UTC)
    last = max((one.id.partition("-")[0] for one in known(base, stem)), default="")
    if last and last >= now.strftime(_TIME):
        now = datetime.strptime(last, _TIME).replace(tzinfo=UTC) + timedelta(microseconds=1)
    return Places(base, stem, f"{now.strftime(_TIME)}-{secrets.token_hex(2)}")


def known(base: Path, stem: str) -> list[Places]:
    """Return the places of all transactions that left a journal, oldest first."""
    start = f"{stem}{MARK}"
    names = (p.name for p in base.glob(f"{glob.escape(start)}*.journal"))
    ids = (n.removeprefix(start).removesuffix(".journal") for n in names)
    return [Places(base, stem, one) for one in sorted(ids) if _ID.fullmatch(one)]
