"""Find checks and fixes: those built in, then those of plug-ins that the configuration names."""

import sys
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING

from tunedoctor.findings import Check

if TYPE_CHECKING:
    from tunedoctor.fixing import Fix

GROUP = "tunedoctor.checks"
"""Entry point group of plug-ins: each names a module whose functions are marked as checks or fixes."""


class RegistryError(ValueError):
    """Checks or plug-ins do not fit together; the message says how."""


def builtin_checks() -> tuple[Check, ...]:
    """Return the checks of the package, by file name."""
    import tunedoctor.checks as package  # noqa: PLC0415  65 modules, loaded when asked for

    found: list[Check] = []
    for place in package.__path__:
        for name in sorted(p.stem for p in Path(place).glob("*.py") if p.stem != "__init__"):
            found += checks_in(import_module(f"tunedoctor.checks.{name}"))
    return tuple(found)


def checks_in(module: ModuleType) -> list[Check]:
    """Return the checks that a module defines, in order of definition."""
    marked = (getattr(value, "tunedoctor_check", None) for value in _functions(module))
    return [c for c in marked if isinstance(c, Check) and c.origin == module.__name__]


def builtin_fixes() -> "tuple[Fix, ...]":
    """Return the fixes of the package, by file name."""
    import tunedoctor.fixes as package  # noqa: PLC0415  only doctor fix and doctor list need them

    found: list[Fix] = []
    for place in package.__path__:
        for name in sorted(p.stem for p in Path(place).glob("*.py") if p.stem != "__init__"):
            found += fixes_in(import_module(f"tunedoctor.fixes.{name}"))
    return tuple(found)


def fixes_in(module: ModuleType) -> "list[Fix]":
    """Return the fixes that a module defines, in order of definition."""
    from tunedoctor.fixing import Fix  # noqa: PLC0415  a check does without

    marked = (getattr(value, "tunedoctor_fix", None) for value in _functions(module))
    return [f for f in marked if isinstance(f, Fix) and f.origin == module.__name__]


def _functions(module: ModuleType) -> list[FunctionType]:
    """Return the functions of a module; its expressions, asked for an attribute, would compile themselves."""
    return [value for value in vars(module).values() if isinstance(value, FunctionType)]


def plugin_checks(names: Iterable[str]) -> tuple[Check, ...]:
    """Load the plug-ins of these names; no other plug-in runs.

    Raises:
        RegistryError: no installed plug-in has that name, or it fails to load.
    """
    return tuple(check for module in _plugins(names) for check in checks_in(module))


def _plugins(names: Iterable[str]) -> list[ModuleType]:
    wanted = tuple(names)
    if not wanted:
        return []
    installed = installed_plugins()
    found: list[ModuleType] = []
    for name in wanted:
        if name not in installed:
            msg = f"no plug-in is called {name!r}; installed: {', '.join(installed) or 'none'}"
            raise RegistryError(msg)
        try:
            found.append(import_module(installed[name]))
        except Exception as error:
            msg = f"plug-in {name!r} ({installed[name]}) does not load: {type(error).__name__}: {error}"
            raise RegistryError(msg) from error
    return found


def installed_plugins() -> dict[str, str]:
    """Return the plug-ins installed beside the doctor, name -> module. Nothing of them is run."""
    from importlib.metadata import entry_points  # noqa: PLC0415  100 ms, and few have plug-ins

    return {point.name: point.value for point in entry_points(group=GROUP)}


def all_checks(plugins: Iterable[str] = ()) -> tuple[Check, ...]:
    """Return built-in checks and those of the named plug-ins.

    Raises:
        RegistryError: a plug-in is not there, does not load, or uses an id that is taken.
    """
    checks = (*builtin_checks(), *plugin_checks(plugins))
    seen: dict[str, Check] = {}
    for one in checks:
        if one.id in seen:
            msg = f"two checks are called {one.id}: {seen[one.id].origin} and {one.origin}"
            raise RegistryError(msg)
        seen[one.id] = one
    return checks


def all_fixes(plugins: Iterable[str] = ()) -> "tuple[Fix, ...]":
    """Return the fixes of the named plug-ins, then those built in: what somebody names comes first.

    Raises:
        RegistryError: a plug-in is not there, does not load, or uses an id that is taken.
    """
    fixes = (*(fix for module in _plugins(plugins) for fix in fixes_in(module)), *builtin_fixes())
    seen: dict[str, Fix] = {}
    for one in fixes:
        if one.id in seen:
            msg = f"two fixes are called {one.id}: {seen[one.id].origin} and {one.origin}"
            raise RegistryError(msg)
        seen[one.id] = one
    return fixes


def source_of(check: Check) -> str:
    """Return the file of a check as the repository names it: checks/driver_too_old.py."""
    module = sys.modules[check.origin]
    return "/".join(Path(module.__file__ or check.origin).parts[-2:])
