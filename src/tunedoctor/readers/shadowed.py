"""Find files that a traceback proves to be imported in place of a standard module or a library."""

import sys
from collections.abc import Iterable, Iterator
from itertools import pairwise

from tunedoctor.facts import ErrorText, Frame, Shadow, Shadows
from tunedoctor.lazy import pattern
from tunedoctor.tables.small import distribution_of

_INSTALLED = pattern(
    r"[\\/](?:site|dist)-packages[\\/]|[\\/]lib(?:64)?[\\/]python\d|[\\/][Ll]ib[\\/]|^<|\.zip[\\/]"
)
"""Where the interpreter keeps what it brings and what was installed."""
_IMPORTS = pattern(r"(?:import (?P<name>\w{1,60})|from (?P<source>\w{1,60})[\w.]{0,80} import)\b")
_FILE = pattern(r"(?:^|[\\/])(?P<stem>\w{1,60})\.py$")


def shadows(errors: Iterable[ErrorText]) -> list[Shadows]:
    """Return one Shadows fact where installed code imported a file of the user's; else nothing.

    What the user's own code imports is the user's to name. Only a single file counts: a folder can be a checkout.
    """
    found = {one.path: one for error in errors for one in _of(error.frames)}
    return [Shadows(shadows=tuple(found.values()))] if found else []


def _of(frames: tuple[Frame, ...]) -> Iterator[Shadow]:
    for importer, imported in pairwise(frames):
        asked = _IMPORTS.match(importer.code)
        file = _FILE.search(imported.file)
        if not asked or not file or not _INSTALLED.search(importer.file):
            continue
        module = asked["name"] or asked["source"]
        if module != file["stem"] or _INSTALLED.search(imported.file):
            continue
        if module in sys.stdlib_module_names:
            yield Shadow(
                module=module, path=imported.file, hides=f"Python's own {module}", where="path"
            )
        elif distribution_of(module):
            yield Shadow(
                module=module, path=imported.file, hides=f"the installed {module}", where="path"
            )
