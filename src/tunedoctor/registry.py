"""Find checks: those built in, then those of plug-ins that the configuration names."""

import sys
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from types import ModuleType

from tunedoctor.findings import Check

GROUP = "tunedoctor.checks"
"""Entry point group of plug-ins: each names a module whose functions are marked as checks."""


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
    marked = (getattr(value, "tunedoctor_check", None) for value in vars(module).values())
    return [c for c in marked if isinstance(c, Check) and c.origin == module.__name__]


def plugin_checks(names: Iterable[str]) -> tuple[Check, ...]:
    """Load the plug-ins of these names; no other plug-in runs.

    Raises:
        RegistryError: no installed plug-in has that name, or it fails to load.
    """
    wanted = tuple(names)
    if not wanted:
        return ()
    installed = installed_plugins()
    found: list[Check] = []
    for name in wanted:
        if name not in installed:
            msg = f"no plug-in is called {name!r}; installed: {', '.join(installed) or 'none'}"
            raise RegistryError(msg)
        try:
            found += checks_in(import_module(installed[name]))
        except Exception as error:
            msg = f"plug-in {name!r} ({installed[name]}) does not load: {type(error).__name__}: {error}"
            raise RegistryError(msg) from error
    return tuple(found)


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


def source_of(check: Check) -> str:
    """Return the file of a check as the repository names it: checks/driver_too_old.py."""
    module = sys.modules[check.origin]
    return "/".join(Path(module.__file__ or check.origin).parts[-2:])
