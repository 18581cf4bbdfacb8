"""Turn the bytes of a report into text: UTF-8, or the UTF-16 that PowerShell writes; what fits neither is marked."""

import codecs

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_LOOKED_AT = 4096


def encoding(start: bytes) -> tuple[str, int]:
    """Return the encoding of a text that begins so, and how many bytes of a mark to pass over."""
    for mark, name in _MARKS:
        if start.startswith(mark):
            return name, len(mark)
    head = start[:_LOOKED_AT]
    if len(head) >= 4 and head.count(0) > len(head) // 4:
        odd, even = head[1::2].count(0), head[::2].count(0)
        if odd > 4 * even:
            return "utf-16-le", 0
        if even > 4 * odd:
            return "utf-16-be", 0
    return "utf-8", 0


def decoded(data: bytes) -> str:
    """Return the text of a whole report. Never raises: bytes of no meaning become U+FFFD."""
    name, skipped = encoding(data)
    return data[skipped:].decode(name, "replace")
