"""Find out whether code imports a requirement that is declared but not installed.

A declared requirement can be unused: then `pip check` complains, but everything works. So only if a requirement is
missing, the source of the package that requires it is searched for imports of it. Nothing is run.

Only imports outside functions, conditions and try blocks count. Libraries of the stack load much of their code late,
so such an import counts in any of their files, except tests and files that only a command runs. In their dependencies,
it has to be in a file that every import of the package runs, and the stack has to import that package in the same way.
"""

import os
import re
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import islice

from tunedoctor.contracts.requirements import OPTIONAL, STACK, Unmet, unmet_by_all
from tunedoctor.facts import Distribution, Interpreter, MissingImport, Packages
from tunedoctor.model.versions import normalised, requirement
from tunedoctor.system import reading
from tunedoctor.tables.small import modules_of

_LARGEST = 2 << 20
"""Largest source file to read, in bytes."""
_MOST_FILES = 8000
_MOST_GAPS = 20
_MOST_STEPS = 12
"""Most packages between the stack and the package that has a missing requirement."""
_LARGEST_RECORD = 8 << 20
_LEFT_OUT = re.compile(
    rb"/(?:tests?|testing|benchmarks|examples|docs|cli)/|/_?cli\w*\.py,|/__main__\.py,"
)
"""RECORD lines of files that no training imports."""
_WHOLE = frozenset({"torch"})
"""Too large to be searched for modules that it does not require itself."""
_FROM = re.compile(
    rb"^from[ \t]+([.\w]+)[ \t]+import[ \t]+(\([^)]{0,20000}\)|[^\n]*)", re.MULTILINE
)
_IMPORT = re.compile(rb"^import[ \t]+([^\n#;]+)", re.MULTILINE)
_TOP = re.compile(rb"^(\w+)(?:/__init__)?\.py,", re.MULTILINE)
_ELSEWHERE = ("nvidia-", "cuda-", "torch")
"""Prefixes of distributions whose absence other checks report."""


def missing_imports(packages: Packages, interpreter: Interpreter) -> tuple[MissingImport, ...]:
    """Return a row for each missing requirement of the stack and of its dependencies."""
    gaps = (
        unmet
        for unmet in unmet_by_all(packages, interpreter)
        if not (unmet.installed or unmet.name in OPTIONAL or unmet.name.startswith(_ELSEWHERE))
    )
    search = _Search(packages)
    return tuple(search.row(gap) for gap in islice(gaps, _MOST_GAPS))


class _Search:
    """The sources of an environment's distributions."""

    def __init__(self, packages: Packages) -> None:
        self.owners = {distribution.name: distribution for distribution in packages.distributions}
        self.always_imported = cache(self._always_imported)
        self.top_modules = cache(self._top_modules)

    def row(self, gap: Unmet) -> MissingImport:
        """Return where the package with a missing requirement imports it, if the stack reaches that code."""
        modules = modules_of(gap.name)
        location = self.imported(gap.owner, modules)
        if not (location and self._used(gap.owner.name, 0)):
            location = self.by_the_stack(modules)
        file, line = location or ("", 0)
        return MissingImport(owner=gap.owner.name, name=gap.name, file=file, line=line)

    def imported(self, owner: Distribution, modules: Iterable[str]) -> tuple[str, int] | None:
        """Return the file and line in which a distribution imports one of these modules."""
        choice = b"|".join(re.escape(module.encode()) for module in modules)
        pattern = re.compile(
            rb"^(?:from[ \t]+(?:%s)[ \t.]|import[ \t]+(?:[\w., \t]*,[ \t]*)?(?:%s)(?![\w]))"
            % (choice, choice),
            re.MULTILINE,
        )
        late = owner.name in STACK
        for path in self.sources(owner) if late else self.always_imported(owner.name):
            text = self.read(owner, path)
            if match := pattern.search(text):
                return path, text.count(b"\n", 0, match.start()) + 1
        return None

    def by_the_stack(self, modules: Iterable[str]) -> tuple[str, int] | None:
        """Return the file and line in which a library of the stack imports one of some modules, required or not."""
        stack = (owner for owner in self.owners.values() if owner.name in STACK - _WHOLE)
        return next(filter(None, (self.imported(owner, modules) for owner in stack)), None)

    def _used(self, name: str, steps: int) -> bool:
        """Return whether the stack imports a distribution, directly or through others that it imports."""
        if name in STACK:
            return True
        if steps > _MOST_STEPS:
            return False
        modules = self.top_modules(name) or modules_of(name)
        if self.by_the_stack(modules):
            return True
        askers = (
            owner
            for owner in self.owners.values()
            if owner.name != name and any(_asks(line, name) for line in owner.requires)
        )
        return any(
            self.imported(asker, modules) and self._used(asker.name, steps + 1) for asker in askers
        )

    def sources(self, owner: Distribution) -> Iterator[str]:
        """Yield the source files of a distribution below its folder, without its tests and commands."""
        paths = (
            line.partition(b",")[0].decode("utf-8", "replace")
            for line in self._record(owner).splitlines()
            if b".py," in line and not _LEFT_OUT.search(line)
        )
        yield from islice(paths, _MOST_FILES)

    def read(self, owner: Distribution, path: str) -> bytes:
        """Return a source file; empty if it can't be read."""
        return reading.start(os.path.join(owner.location, path), _LARGEST) or b""  # noqa: PTH118

    def _record(self, owner: Distribution) -> bytes:
        file = os.path.join(owner.location, owner.metadata, "RECORD")  # noqa: PTH118
        return reading.start(file, _LARGEST_RECORD) or b""

    def _top_modules(self, name: str) -> tuple[str, ...]:
        record = self._record(self.owners[name])
        return tuple(dict.fromkeys(module.decode() for module in _TOP.findall(record)))

    def _always_imported(self, name: str) -> tuple[str, ...]:
        """Return the files of a distribution that an import of its packages runs."""
        owner = self.owners[name]
        sources = {*self.sources(owner)}
        todo = [f"{top}/__init__.py" for top in self.top_modules(name)]
        todo += [f"{top}.py" for top in self.top_modules(name)]
        imported_files: dict[str, None] = {}
        while todo and len(imported_files) < _MOST_FILES:
            path = todo.pop()
            if path not in sources or path in imported_files:
                continue
            imported_files[path] = None
            for module in _imported_modules(self.read(owner, path), path):
                parts = module.split(".")
                for count in range(1, len(parts) + 1):
                    base = "/".join(parts[:count])
                    todo += (f"{base}.py", f"{base}/__init__.py")
        return tuple(imported_files)


def _asks(line: str, name: str) -> bool:
    """Return whether a requirement names a distribution."""
    if name.replace("-", "") not in re.sub(r"[-_.]", "", line.lower()):
        return False
    parsed = requirement(line)
    return parsed is not None and normalised(parsed.name) == name


def _imported_modules(text: bytes, path: str) -> Iterator[str]:
    """Yield the full names of the modules that a file imports outside of functions, conditions and try."""
    folder = path.rpartition("/")[0].split("/") if "/" in path else []
    for match in _FROM.finditer(text):
        dotted, names = match[1].decode("ascii", "replace"), match[2].decode("ascii", "replace")
        rest = dotted.lstrip(".")
        level = len(dotted) - len(rest)
        base = folder[: len(folder) - level + 1] if level else []
        parts = [*base, *filter(None, rest.split("."))]
        for name in re.findall(r"\w+", re.sub(r"#[^\n]*|\bas\b[ \t]+\w+", "", names)):
            yield ".".join([*parts, name])
    for match in _IMPORT.finditer(text):
        for part in match[1].decode("ascii", "replace").split(","):
            yield part.strip().partition(" ")[0]
