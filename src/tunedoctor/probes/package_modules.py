"""Choose the modules that a deep check imports in addition to the stack: its requirements, and frameworks built on it.

A library that the stack requires can be damaged without the stack's own `__init__` files importing it: aiohttp
is only needed when datasets loads from the hub. And a framework such as lightning or FlagEmbedding is imported by the
user's own script.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from tunedoctor.contracts.requirements import marker_environment, reach, requirements
from tunedoctor.facts import Distribution, Interpreter, Packages
from tunedoctor.system.reading import read
from tunedoctor.tables.load import table
from tunedoctor.tables.small import brought_by

_LARGEST_RECORD = 8 << 20
_MODULE = re.compile(r"([A-Za-z]\w*)(?:/__init__)?\.py", re.ASCII)
"""A top-level module or package, as its file is listed in RECORD."""
NO_LIBRARY = frozenset({"test", "tests", "docs", "examples", "benchmarks", "scripts", "setup"})
"""Top-level modules that packages install by mistake: importing them proves nothing."""
_MOST = 100
"""Most modules of each kind; an environment for training has about 50."""


class ExtraModules(NamedTuple):
    """Modules to import in addition to the stack."""

    required: tuple[str, ...] = ()
    """Modules of distributions that the installed stack requires, directly or not."""
    frameworks: tuple[str, ...] = ()
    """Modules of distributions that require torch and that no other distribution requires."""


def extra_modules(packages: Packages, interpreter: Interpreter) -> ExtraModules:
    """Return the modules to import in addition to the stack: one for each distribution, none of damaged ones."""
    environment = marker_environment(interpreter, None)
    installed = {distribution.name: distribution for distribution in packages.distributions}
    requires = {
        name: {other for other, _ in requirements(distribution.requires, environment)}
        & installed.keys()
        for name, distribution in installed.items()
    }
    stack = _stack() & installed.keys()
    damaged = {broken.name for broken in packages.broken}
    required = reach(stack, requires) - stack - damaged
    needed = {other for name, others in requires.items() for other in others if other != name}
    tops = installed.keys() - needed - stack - damaged
    frameworks = (name for name in tops if "torch" in reach([name], requires))
    return ExtraModules(_modules(required, installed), _modules(frameworks, installed))


def _stack() -> set[str]:
    """Return the distributions whose modules a deep check imports anyway."""
    return {"numpy", "torch", *(brought_by(row["module"]) for row in table("imports")["stack"])}


def _modules(names: Iterable[str], installed: Mapping[str, Distribution]) -> tuple[str, ...]:
    modules = (_module_of(installed[name]) for name in sorted(names))
    return tuple(filter(None, modules))[:_MOST]


def _module_of(distribution: Distribution) -> str:
    """Return the module with the distribution's name, else its first one; "" if it has none."""
    import csv  # noqa: PLC0415  only what runs the packages reads these files
    import io  # noqa: PLC0415

    if not (distribution.location and distribution.metadata):
        return ""
    text = read(Path(distribution.location, distribution.metadata, "RECORD"), _LARGEST_RECORD) or ""
    paths = (row[0] for row in csv.reader(io.StringIO(text)) if row)
    try:
        modules = {match[1] for path in paths if (match := _MODULE.fullmatch(path))} - NO_LIBRARY
    except csv.Error:
        return ""
    like = distribution.name.replace("-", "_")
    return min(modules, key=lambda module: (module.lower() != like, module), default="")
