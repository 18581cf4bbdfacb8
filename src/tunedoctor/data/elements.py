"""The rows of one JSON document: an array, an object that holds one, or objects one after the other.

Read in a window, so that a large file needs little memory. Behind damage the next row is looked for by the first key
of the last good row; what lies between is told with its line.
"""

import codecs
import json
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

WINDOW = 1 << 20
"""Characters in front of the reader while a row is read."""
LARGEST = 32 << 20
"""Characters of one row."""
_HOLDER = re.compile(
    r'\s*\{\s*(?:"[^"\\]{0,60}"\s*:\s*(?:"[^"\\]{0,200}"|[\d.]+|null|true|false)\s*,\s*){0,9}"([^"\\]{1,60})"\s*:\s*\[\s*(?=\{)'
)
"""An object whose first list is of objects: {"version": 1, "data": [{..."""
_TALKS = ("messages", "conversations", "conversation", "chosen", "rejected", "prompt", "completion")
_KEY = re.compile(r'\{\s*"([^"\\]{1,200})"\s*:')
_BETWEEN = re.compile(r"[\s,]*")
_BAD = re.compile("[\udc80-\udcff]")


class Element(NamedTuple):
    """A row, or damage: `fault` and `detail` are of faults.KINDS."""

    line: int
    value: object
    fault: str = ""
    detail: str = ""


class _Window:
    """Text in front of the reader."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks = iter(blocks)
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self.text = ""
        self.at = 0
        self.line = 1
        self.ended = False

    def fill(self, wanted: int = WINDOW) -> None:
        """Have at least `wanted` characters in front, unless the file ends."""
        if self.ended or len(self.text) - self.at >= wanted:
            return
        parts = [self.text[self.at :]]
        self.at = 0
        have = len(parts[0])
        while have < 2 * wanted:
            block = next(self._blocks, None)
            if block is None:
                self.ended = True
                parts.append(self._decoder.decode(b"", final=True))
                break
            parts.append(self._decoder.decode(block))
            have += len(parts[-1])
        self.text = "".join(parts)

    def move(self, to: int) -> None:
        """Go on to a place, and count the lines."""
        self.line += self.text.count("\n", self.at, to)
        self.at = to


def elements(blocks: Iterable[bytes]) -> Iterator[Element]:
    """Yield each row with the line where it begins."""
    window = _Window(blocks)
    window.fill()
    start = _BETWEEN.match(window.text)
    window.move(start.end() if start else 0)
    held = _HOLDER.match(window.text, window.at)
    inside = False
    if window.text.startswith("[", window.at):
        window.move(window.at + 1)
        inside = True
    elif held and held[1] not in _TALKS:
        window.move(held.end())
        inside = True
    yield from _rows(window, inside=inside)


def _rows(window: _Window, *, inside: bool) -> Iterator[Element]:
    scan = json.JSONDecoder().raw_decode
    key, count = "", 0
    while True:
        window.fill()
        gap = _BETWEEN.match(window.text, window.at)
        window.move(gap.end() if gap else window.at)
        window.fill()
        if window.at >= len(window.text):
            if window.ended:
                break
            continue
        if inside and window.text[window.at] == "]":
            return
        line = window.line
        value, end, why = _one(window, scan)
        if why:
            yield Element(line, None, "ends-early" if why.startswith("cut") else "no-json", why)
            if not _skip(window, key or _first_key(window)):
                return
            continue
        if bad := _BAD.search(window.text, window.at, end):
            at = line + window.text.count("\n", window.at, bad.start())
            yield Element(at, value, "not-utf8", f"byte 0x{ord(bad[0]) - 0xDC00:02x}")
        else:
            yield Element(line, value)
        count += 1
        if isinstance(value, dict) and value:
            key = next(iter(value))
        window.move(end)
    if inside:
        yield Element(
            window.line, None, "ends-early", f"the list has no end; {count} rows came before"
        )


def _one(window: _Window, scan: "object") -> tuple[object, int, str]:
    """Return a value, where it ends, and why there is none."""
    size = WINDOW
    while True:
        try:
            value, end = scan(window.text, window.at)  # type: ignore[operator]
            if end < len(window.text) or window.ended:
                return value, end, ""
            why = "cut off"
        except json.JSONDecodeError as error:
            cut = error.msg.startswith("Unterminated") or error.pos >= len(window.text) - 8
            line = window.line + window.text.count("\n", window.at, error.pos)
            why = f"{'cut off' if cut and window.ended else 'broken'} in line {line}"
            if window.ended or not cut:
                return None, window.at, why
        except RecursionError:
            return None, window.at, "nested too deep"
        size *= 4
        if size > LARGEST:
            return None, window.at, "one row is longer than the doctor reads at once"
        window.fill(size)


def _first_key(window: _Window) -> str:
    """Return the first key of the damaged row, which is what the others begin with; "" where it has none."""
    found = _KEY.match(window.text, window.at)
    return found[1] if found else ""


def _skip(window: _Window, key: str) -> bool:
    """Go on to what looks like the next row; False where none comes."""
    wanted = rf"\{{\s*{re.escape(json.dumps(key))}\s*:" if key else r"\n\s*\{"
    look = re.compile(wanted)
    first = window.at + 1
    while True:
        if found := look.search(window.text, first):
            window.move(found.start() + (0 if key else found[0].index("{")))
            return True
        if window.ended:
            window.move(len(window.text))
            return False
        window.move(max(first, len(window.text) - 200))
        window.fill()
        first = window.at
