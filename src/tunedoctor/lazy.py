"""Regular expressions that are compiled when they are first used.

Sixty modules hold expressions for texts that a live check seldom sees; compiling them all costs an eighth of its time.
"""

import re
from typing import Any, cast


def pattern(text: str, flags: int = 0) -> re.Pattern[str]:
    """Return what stands for `re.compile(text, flags)`, and is compiled at its first use.

    Raises:
        re.error: at that use, where the expression is wrong.
    """
    return cast("re.Pattern[str]", _Lazy(text, flags))


class _Lazy:
    """Stands for a compiled expression."""

    def __init__(self, text: str, flags: int) -> None:
        self._text = text
        self._flags = flags

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  any attribute of a compiled expression
        value = getattr(re.compile(self._text, self._flags), name)
        setattr(self, name, value)
        return value
