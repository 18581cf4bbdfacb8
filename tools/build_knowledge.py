"""Read every cause's file, checks/NAME.toml, and write what ships: tables/causes.json and tables/messages.json.

    python tools/build_knowledge.py

Ends with 1 and one line where a file is not sound.
"""

import sys
from pathlib import Path

import msgspec

from tunedoctor.messages.cause import Cause, CauseError, Message, id_of, read_cause, rows_of
from tunedoctor.messages.row import Row, with_anchors

ROOT = Path(__file__).parents[1]
TABLES = ROOT / "src" / "tunedoctor" / "tables"
_SHOWN = 5
"""Examples, at most, on the page of a cause without code."""
_LEGENDS = {
    "causes": "Causes as checks/NAME.toml tell of them, by id; of those with code what the code does not say",
    "messages": "What errors say: cause, part, certain, text with slots, its key (longest literal), a word of the key",
}


def main() -> int:
    """Write the tables; returns the exit code."""
    try:
        held = read()
    except CauseError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for name, rows in tables(held).items():
        (TABLES / f"{name}.json").write_bytes(rows)
    return 0


def read() -> dict[str, tuple[Cause, tuple[Message, ...]]]:
    """Return causes and messages by id.

    Raises:
        CauseError: a file is not sound.
    """
    return {id_of(file): read_cause(file) for file in sorted((ROOT / "checks").glob("*.toml"))}


def tables(held: dict[str, tuple[Cause, tuple[Message, ...]]]) -> dict[str, bytes]:
    """Return what each table of the package holds."""
    causes = {id_: _with_examples(cause, said) for id_, (cause, said) in held.items()}
    rows = with_anchors(
        [row for id_, (cause, said) in held.items() for row in rows_of(id_, cause, said)]
    )
    return {"causes": _lines("causes", causes), "messages": _lines("messages", rows)}


def _with_examples(cause: Cause, said: tuple[Message, ...]) -> Cause:
    if not cause.page:
        return cause
    seen = [text for one in said for text in one.examples[:1]][:_SHOWN]
    lines = "".join(f"    {line}\n" for text in seen for line in text.splitlines())
    return msgspec.structs.replace(cause, page=f"{cause.page.strip()}\n\nSeen as\n{lines}")


def _lines(name: str, rows: dict[str, Cause] | list[Row]) -> bytes:
    """Return a table with a row a line, so that a change is read as one."""
    if isinstance(rows, dict):
        body = ",\n".join(f"  {_json(id_)}: {_json(one)}" for id_, one in rows.items())
        body = f"{{\n{body}\n }}"
    else:
        body = ",\n".join(f"  {_json(one)}" for one in rows)
        body = f"[\n{body}\n ]"
    head = f' "schema": "doctor.{name}/1",\n "legend": {_json(_LEGENDS[name])},\n'
    return f'{{\n{head} "rows": {body}\n}}\n'.encode()


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


if __name__ == "__main__":
    raise SystemExit(main())
