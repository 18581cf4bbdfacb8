"""Text in the characters that an encoding has."""

import codecs
import unicodedata

_SPELLED = {
    "\u00d7": "x", "✗": "x", "✖": "x", "✘": "x", "✓": ".", "✔": ".", "•": "*", "·": "-", "▶": ">",
    "→": "->", "←": "<-", "⇒": "=>", "…": "...", "\u2013": "-", "\u2014": "-", "\u2212": "-", "\u2011": "-",
    "≥": ">=", "≤": "<=", "≠": "!=", "≈": "~", "±": "+/-", "°": " deg ", "µ": "u", "™": "(TM)", "©": "(C)",
    "\u2018": "'", "\u2019": "'", "“": "'", "”": "'", "€": "EUR", "█": "#", "░": ".", "▏": "|",
    **dict(zip("▁▂▃▄▅▆▇", ".:-=+*%", strict=True)),
    **dict.fromkeys("─━═", "-"), **dict.fromkeys("│┃║", "|"), **dict.fromkeys("└├┌╰╭┏┗╯┛┘┐┤┬┴┼", "+"),
}  # fmt: skip
_ERRORS = "spelled"


def spelled(text: str, encoding: str) -> str:
    """Return text with stand-ins for characters the encoding lacks: `→` is `->`, `é` is `e`, `中` is `<U+4E2D>`."""
    return text.encode(encoding, _ERRORS).decode(encoding)


def _stand_ins(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_stand_in, error.object[error.start : error.end])), error.end


def _stand_in(character: str) -> str:
    if character in _SPELLED or character.isspace():
        return _SPELLED.get(character, " ")
    bare = "".join(
        c for c in unicodedata.normalize("NFKD", character) if not unicodedata.combining(c)
    )
    return bare if character.isalpha() and bare.isascii() else f"<U+{ord(character):04X}>"


codecs.register_error(_ERRORS, _stand_ins)
