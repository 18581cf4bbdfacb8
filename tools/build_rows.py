"""Write the words without which no row of outputs.json matches: tables/row_words.json. Run it when a row changes.

python tools/build_rows.py
"""

import json
import re
from pathlib import Path

from tunedoctor.lazy import literals

TABLES = Path(__file__).parents[1] / "src" / "tunedoctor" / "tables"


def words() -> bytes:
    """Return the table as it is written: of each row the words, none where none is certain."""
    rows = json.loads((TABLES / "outputs.json").read_text(encoding="utf-8"))["rows"]
    found = {
        section: {name: _of(row) for name, row in one.items()} for section, one in rows.items()
    }
    about = "Words one of which stands in every line that a row of outputs.json matches, by section"
    table = {"about": about, "source": "tools/build_rows.py", "rows": found}
    return (json.dumps(table, ensure_ascii=False, indent=1) + "\n").encode()


def _of(source: str) -> list[str]:
    folds = source.startswith("(?i)")
    return list(literals(source.removeprefix("(?i)"), re.IGNORECASE if folds else 0))


if __name__ == "__main__":
    (TABLES / "row_words.json").write_bytes(words())
