"""Find files that a traceback proves to be imported in place of a standard module or a library."""

import sys
from collections.abc import Iterable, Iterator
from itertools import pairwise

from tunedoctor.facts import ErrorText, Frame, Shadow, Shadows
from tunedoctor.readers.paste import search
from tunedoctor.tables.small import distribution_of


def shadows(errors: Iterable[ErrorText]) -> list[Shadows]:
    """Return one Shadows fact where installed code imported a file of the user's; else nothing.

    What the user's own code imports is the user's to name. Only a single file counts: a folder can be a checkout.
    """
    found = {one.path: one for error in errors for one in _of(error.frames)}
    return [Shadows(shadows=tuple(found.values()))] if found else []


def _of(frames: tuple[Frame, ...]) -> Iterator[Shadow]:
    for importer, imported in pairwise(frames):
        asked = search("shadow.imports", importer.code)
        file = search("shadow.file", imported.file)
        if not asked or not file or not search("shadow.installed", importer.file):
            continue
        module = asked["name"] or asked["source"]
        if module != file["stem"] or search("shadow.installed", imported.file):
            continue
        own = module in sys.stdlib_module_names
        if own or distribution_of(module):
            hides = f"Python's own {module}" if own else f"the installed {module}"
            yield Shadow(module=module, path=imported.file, hides=hides, where="path")
