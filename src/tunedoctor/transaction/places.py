"""Where the parts of a transaction lie.

Beside /home/me/llm/.venv, for the transaction ID: .venv.doctor-ID is the other state of the environment (the clone
before the switch, the old one after it), and with .wheels at its end what was fetched; both carry marks. The other
state lies at the same depth, so that relative links hold in it. What is believed of them stands in the user's state
folder.
"""

import re
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from tunedoctor.state.state_folder import entry_of

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
    entry: Path
    """The environment's folder in the user's state folder."""

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
    def wheels(self) -> Path:
        """What was fetched."""
        return self.other.with_name(self.other.name + ".wheels")

    @property
    def journal(self) -> Path:
        """The journal; it stays as long as the state."""
        return self.entry / f"{self.id}.journal"

    @property
    def log(self) -> Path:
        """The installer's words."""
        return self.entry / f"{self.id}.log"


def new(base: Path, stem: str, entry: Path) -> Places:
    """Return places for a transaction that begins now. Ids sort by time, even where the clock was set back."""
    now = datetime.now(UTC)
    last = max((one.id.partition("-")[0] for one in known(base, stem)), default="")
    if last and last >= now.strftime(_TIME):
        now = datetime.strptime(last, _TIME).replace(tzinfo=UTC) + timedelta(microseconds=1)
    return Places(base, stem, f"{now.strftime(_TIME)}-{secrets.token_hex(2)}", entry)


def known(base: Path, stem: str) -> list[Places]:
    """Return the places of all transactions that left a journal, oldest first."""
    entry = entry_of(base / stem)
    if entry is None:
        return []
    ids = (p.name.removesuffix(".journal") for p in entry.glob("*.journal"))
    return [Places(base, stem, one, entry) for one in sorted(ids) if _ID.fullmatch(one)]
