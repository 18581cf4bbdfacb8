"""The modules of a path, and whether they define a name. What counts as defined is whatever a module could bind."""

from __future__ import annotations

import ast
import os
import re
import stat
import sys
from typing import Iterable, NamedTuple, Sequence

from .source import ParsedSource, parsed

LARGEST = 4 << 20
"""Bytes of a source file that is parsed."""
MOST_TEXT = 256 << 20
"""Bytes of one package that are searched for a word."""
DEEPEST = 24
"""Parts of a module's name, and stars that lead to stars."""
ENDINGS = (".so", ".pyd", ".pyc", ".dylib")
STANDARD = {"__main__", *getattr(sys, "stdlib_module_names", ()), *sys.builtin_module_names}

_PATCHES = re.compile(rb"\.(\w+)[ \t]*=(?!=)|setattr\([^)\n\"\']{0,100}[\"\'](\w+)[\"\']")
_DEFINED = re.compile(rb"^(?:class|def) (\w+)", re.MULTILINE)


class ModulePlace(NamedTuple):
    """The location of a module."""

    name: str
    file: str
    """Its source; "" where there is none."""
    folders: tuple[str, ...]


def _decoded(names: Iterable[bytes]) -> set[str]:
    return {one.decode("ascii", "replace") for one in names}


def absolute(place: ModulePlace, module: str, level: int) -> str:
    """Return the full name of a relative import of `module` with `level` dots in a file at `place`."""
    if not level:
        return module
    parts = place.name.split(".")
    parts = parts[: max(len(parts) - level + bool(place.folders), 0)]
    return ".".join([*parts, module] if module else parts)


def _read(path: str) -> bytes | None:
    told = os.stat(path)
    if not stat.S_ISREG(told.st_mode) or told.st_size > LARGEST:
        return None
    with open(path, "rb") as file:
        return file.read(LARGEST)


class World:
    """A search path and the files read from it."""

    def __init__(
        self, path: Sequence[str], sites: Iterable[str], siblings: frozenset[str] = frozenset()
    ) -> None:
        """Take folders of sys.path, those with distributions, and packages; calls are read in files that use these."""
        self.siblings, self.path, self.sites = siblings, path, frozenset(sites)
        self._listed: dict[str, frozenset[str]] = {}
        self._places: dict[str, ModulePlace | None] = {}
        self._gone: dict[str, bool] = {}
        self._sources: dict[str, ParsedSource | None] = {}
        self._texts: dict[str, list[bytes]] = {}
        self._exported: dict[str, set[str]] = {}
        self._defined: dict[tuple[str, str], bool | None] = {}

    def read(self, path: str) -> bytes | None:
        """Return the bytes of a regular file of bounded size; None for anything else."""
        try:
            return _read(path)
        except (OSError, ValueError):
            return None

    def below(self, folder: str) -> Iterable[str]:
        """Return the sources below a folder, without following links to folders."""
        for place, folders, names in os.walk(folder):
            folders.sort()
            yield from (os.path.join(place, one) for one in sorted(names) if one.endswith(".py"))

    def listed(self, folder: str) -> frozenset[str]:
        """Return the names in a folder."""
        if folder not in self._listed:
            try:
                self._listed[folder] = frozenset(os.listdir(folder))
            except (OSError, ValueError):
                self._listed[folder] = frozenset()
        return self._listed[folder]

    def find(self, name: str) -> ModulePlace | None:
        """Return the location of a module; None if no folder has it, which need not mean that it is missing."""
        if name not in self._places:
            parent, _, last = name.rpartition(".")
            above = self.find(parent) if parent and name.count(".") <= DEEPEST else None
            folders = self.path if not parent else above.folders if above else ()
            self._places[name] = self._in(folders, name, last) if last else None
        return self._places[name]

    def _in(self, folders: Iterable[str], name: str, last: str) -> ModulePlace | None:
        spaces: list[str] = []
        for folder in folders:
            names = self.listed(folder)
            inner = os.path.join(folder, last)
            if last in names:
                inside = self.listed(inner)
                if "__init__.py" in inside:
                    return ModulePlace(name, os.path.join(inner, "__init__.py"), (inner,))
                if any(n.startswith("__init__.") and n.endswith(ENDINGS) for n in inside):
                    return ModulePlace(name, "", (inner,))
                if inside:
                    spaces.append(inner)
            if last + ".py" in names:
                return ModulePlace(name, inner + ".py", ())
            if any(n.startswith(last + ".") and n.endswith(ENDINGS) for n in names):
                return ModulePlace(name, "", ())
        return ModulePlace(name, "", tuple(spaces)) if spaces else None

    def is_distributed(self, top: str) -> bool:
        """Return whether the source of a package is in a folder with distributions."""
        place = self.find(top)
        return bool(place and any(place.file.startswith(s + os.sep) for s in self.sites))

    def gone(self, name: str) -> bool:
        """Return whether importing a module certainly fails because it or a parent package is missing."""
        if name not in self._gone:
            parent, _, last = name.rpartition(".")
            self._gone[name] = bool(
                not self.find(name)
                and (self._part_gone(parent, last) if parent else self._top_gone(name))
            )
        return self._gone[name]

    def _top_gone(self, name: str) -> bool:
        """Return whether no folder contains a package and nothing on the path finds packages by other means."""
        if name in STANDARD or any(os.path.isfile(one) for one in self.path):
            return False
        for folder in self.sites:
            for one in self.listed(folder):
                if one.endswith((".pth", ".egg-link")) or one.startswith("__editable__"):
                    text = self.read(os.path.join(folder, one))
                    if text is None or name.encode() in text:
                        return False
        return True

    def _part_gone(self, parent: str, last: str) -> bool:
        place = self.find(parent)
        if place is None or not place.folders or parent.count(".") > DEEPEST:
            return False  # a part of a plain module, as six.moves, is made by code
        own = self.source(place)
        if place.file and (own is None or own.path_made):
            return False
        return not self._entered(parent, last)

    def _entered(self, package: str, last: str) -> bool:
        """Return whether code of a package adds a module with that name to sys.modules."""
        word = last.encode()
        return any(b"sys.modules" in t and word in t for t in self.package_texts(package))

    def source(self, place: ModulePlace) -> ParsedSource | None:
        """Return the Source of a place; None if there is none, or if it cannot be parsed."""
        if place.file not in self._sources:
            text = self.read(place.file) if place.file else None
            self._sources[place.file] = None if text is None else parsed(text, self.siblings)
        return self._sources[place.file]

    def spoilt(self, place: ModulePlace) -> tuple[str, int]:
        """Return the error with which importing a file fails before any of it runs, and the line; "" if it does not."""
        try:
            ast.parse(_read(place.file) or b"")
        except PermissionError as error:
            return f"PermissionError: {error.strerror}", 0
        except SyntaxError as error:
            return f"SyntaxError: {error.msg}", error.lineno or 0
        except ValueError as error:  # of NUL bytes, before Python 3.12
            return f"SyntaxError: {error}", 0
        except (OSError, RecursionError, MemoryError, OverflowError):
            pass
        return "", 0

    def holder(self, module: str, name: str, *, backends: bool = False) -> str:
        """Return the module of a package with a name that it exports lazily.

        A name with a stand-in is followed only if its backends are known to be installed.
        """
        for _ in range(DEEPEST):
            place = self.find(module)
            source = self.source(place) if place else None
            inner = source.lazy.get(name, "") if source and name not in source.names else ""
            if not inner or not self.find(module + "." + inner):
                break
            if not backends and place and name in self.stand_ins(place):
                break
            module += "." + inner
        return module

    def exists(self, package: str, _asked: str) -> bool:
        """Return whether a package exists for which a file tests before it imports it."""
        return bool(self.find(package))

    def through(self, module: str, names: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
        """Return a module and names with those of the names that are modules gone over to the module."""
        while len(names) > 1 and self.find(module + "." + names[0]):
            place = self.find(module)
            source = self.source(place) if place else None
            if source and place and names[0] in source.names:
                ask = source.bound.get(names[0])
                same = ask and ask.names == names[:1]
                if not (ask and same and absolute(place, ask.module, ask.level) == module):
                    break  # something else of that name
            elif source and names[0] in source.lazy:
                break
            module, names = module + "." + names[0], names[1:]
        return module, names

    def takes(self, module: str, names: tuple[str, ...], depth: int = 0) -> frozenset[str] | None:
        """Return the keywords that a definition in a module accepts; None if unknown."""
        module, names = self.through(module, names)
        if len(names) != 1 or depth > DEEPEST:
            return None
        place = self.find(self.holder(module, names[0], backends=True))
        source = self.source(place) if place else None
        own = source.signatures.get(names[0]) if source else None
        inner = source.bound.get(names[0]) if source else None
        if place is None or source is None or not (own or inner):
            return None
        if inner:
            return self.takes(absolute(place, inner.module, inner.level), inner.names, depth + 1)
        if own is None or own.keywords is None or not own.base:
            return own.keywords if own else None
        base = source.bound.get(own.base[0])
        if base:
            module, names = absolute(place, base.module, base.level), base.names + own.base[1:]
        else:
            module, names = place.name, own.base
        above = self.takes(module, names, depth + 1)
        return above if above is None else own.keywords | above

    def lacks(self, module: str, name: str) -> bool:
        """Return whether a module certainly does not define a name."""
        return self._has(module, name, 0) is False

    def _has(self, module: str, name: str, depth: int) -> bool | None:
        key = (module, name)
        if key not in self._defined:
            self._defined[key] = None  # while it is asked: stars lead in circles
            self._defined[key] = self._look(module, name, depth)
        return self._defined[key]

    def _look(self, module: str, name: str, depth: int) -> bool | None:
        place = self.find(module)
        source = self.source(place) if place else None
        if place is None or source is None or depth > DEEPEST or name.startswith("__"):
            return None
        written = (source.names, source.promised, source.strings)
        if any(name in one for one in written) or self.find(module + "." + name):
            return True
        told = [self._has(absolute(place, *star), name, depth + 1) for star in source.stars]
        if any(told):
            return True
        if None in told or source.compiled or (source.path_made and place.folders):
            return None
        return self._is_created(place, source, name) if source.dynamic else False

    def _is_created(self, place: ModulePlace, source: ParsedSource, name: str) -> bool | None:
        """Return whether a module that creates names dynamically creates this one."""
        folder = os.path.dirname(place.file)
        if any(name in self.exported(os.path.join(folder, one)) for one in source.scans):
            return True
        if self._entered(place.name, name):
            return None
        if source.tabled:
            return name in self.stand_ins(place)
        return None if self._somewhere(place.name, name) else False

    def exported(self, folder: str) -> set[str]:
        """Return the names in the `__all__` of all files below a folder, and what their decorators export."""
        if folder not in self._exported:
            found: set[bytes] = set()
            for text in self.texts(folder):
                for part in text.split(b"__all__")[1:]:
                    found.update(re.findall(rb"[\"'](\w+)[\"']", part.partition(b"]")[0]))
                if b"@requires" in text or b"@export" in text:
                    found.update(_DEFINED.findall(text))
            self._exported[folder] = _decoded(found)
        return self._exported[folder]

    def stand_ins(self, package: ModulePlace) -> set[str]:
        """Return the stand-ins of a lazy package for names whose backends are absent."""
        folder = os.path.join(os.path.dirname(package.file), "utils")
        if folder not in self._exported:
            files = [n for n in self.listed(folder) if n.startswith("dummy_") and n.endswith(".py")]
            texts = [self.read(os.path.join(folder, n)) or b"" for n in files]
            self._exported[folder] = _decoded(w for t in texts for w in _DEFINED.findall(t))
        return self._exported[folder]

    def texts(self, folder: str) -> list[bytes]:
        """Return the sources below a folder."""
        if folder not in self._texts:
            found, size = self._texts.setdefault(folder, []), 0
            for path in self.below(folder):
                text = (self.read(path) if size < MOST_TEXT else None) or b""
                found.append(text)
                size += len(text)
        return self._texts[folder]

    def package_texts(self, module: str) -> list[bytes]:
        """Return the sources of the complete package of a module."""
        place = self.find(module.partition(".")[0])
        return [text for one in (place.folders if place else ()) for text in self.texts(one)]

    def _somewhere(self, module: str, name: str) -> bool:
        """Return whether a name is defined, imported or mentioned anywhere in a package."""
        word = name.encode()
        defines = re.compile(
            rb"\b(?:def|class|as|import)[ \t]+%s\b|[\"']%s[\"']|^[ \t]*%s[ \t]*(?:[:,)]|=[^=]|$|as\b)"
            rb"|,[ \t]*%s[ \t]*(?:,|\)|$)" % (word, word, word, word),
            re.MULTILINE,
        )
        return any(word in text and defines.search(text) for text in self.package_texts(module))

    def patches(self, library: str) -> set[str]:
        """Return the names that a library itself sets on other modules: it can make them before it asks for them."""
        key = "patches of " + library
        if key not in self._exported:
            found = (w for t in self.package_texts(library) for w in _PATCHES.findall(t))
            self._exported[key] = _decoded(a or b for a, b in found)
        return self._exported[key]
