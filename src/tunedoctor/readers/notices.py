"""Lines that healthy runs print and that sound like a fault."""

from collections.abc import Sequence

from tunedoctor.tables.load import table


def without_notices(lines: Sequence[str]) -> list[str]:
    """Return the lines with empty ones in place of notices, so that all keep their numbers."""
    whole = "\n".join(lines).lower()
    held = [one["text"] for one in table("notices")["notices"] if one["text"] in whole]
    if not held:
        return list(lines)
    return ["" if any(map(line.lower().__contains__, held)) else line for line in lines]
