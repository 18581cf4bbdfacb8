"""Which value of HSA_OVERRIDE_GFX_VERSION lets an AMD GPU run a sibling's code, over rocm_overrides.json."""

from functools import cache
from typing import Literal

import msgspec

from tunedoctor.tables.load import table

Grade = Literal["works", "older", "stopgap", "fails"]


class Override(msgspec.Struct, frozen=True):
    """What is known of a GPU under the value that it is given."""

    gfx: str
    value: str
    """"10.3.0"."""
    grade: Grade
    """works: no wheel has the GPU's own code. older: only old wheels lack it. stopgap: seen to run, and to fail. fails:
    seen to hang, crash or count wrong."""

    @property
    def runs(self) -> str:
        """The target whose code runs: "10.3.0" -> gfx1030."""
        return "gfx" + self.value.replace(".", "")


def rocm_override(gfx: str) -> Override | None:
    """Return what is known of a GPU's target ("gfx1031"); None where no value was ever of use to it."""
    return _rows().get(gfx)


@cache
def _rows() -> dict[str, Override]:
    rows = msgspec.convert(table("rocm_overrides")["rows"], tuple[Override, ...])
    return {row.gfx: row for row in rows}
