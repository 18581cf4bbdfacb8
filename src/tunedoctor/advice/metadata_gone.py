"""Find in an error the metadata of a package that are gone, and tell a process that an install left behind."""

import re
from typing import NamedTuple

from tunedoctor.facts import Errors, Typed, Unknown
from tunedoctor.lazy import pattern
from tunedoctor.versions import normalised

_GONE = pattern(
    r"No such file or directory: '[^'\n]{1,300}[\\/](?:site|dist)-packages[\\/](?P<name>[A-Za-z][\w.]{0,60}?)-"
    r"(?P<version>\d[^\s'\\/]{0,40})\.(?:dist|egg)-info[\\/](?:METADATA|RECORD|PKG-INFO)'"
)


class Gone(NamedTuple):
    """Whose metadata were looked for."""

    name: str
    version: str
    said: str


def metadata_gone(
    errors: Errors | Unknown | None, typed: Typed | Unknown | None, *, replaced: bool
) -> Gone | None:
    """Return the first package that an error misses the metadata of; None where there is none.

    `replaced`: only where a cell of the same notebook installed the package, so that the running process remembers the
    release before; else only where none did.
    """
    for error in errors.errors if isinstance(errors, Errors) else ():
        if found := _GONE.search(error.text):
            name = normalised(found["name"])
            if _in_notebook(name, typed) == replaced:
                return Gone(name, found["version"], found[0])
    return None


def _in_notebook(name: str, typed: Typed | Unknown | None) -> bool:
    word = pattern(rf"(?<![\w-]){re.escape(name).replace('-', '[-_.]')}(?![\w-])", re.IGNORECASE)
    return any(
        command.startswith(("!", "%")) and "install" in command and word.search(command)
        for command in (typed.commands if isinstance(typed, Typed) else ())
    )
