"""Find checks and fixes: the built-in ones, then those of plug-ins that the configuration names.

A check is a module with a function, or a .toml file without one.
"""

import sys
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from tunedoctor.messages.cause import CauseError, causes, check_of, told_by
from tunedoctor.model.findings import Check

if TYPE_CHECKING:
    from tunedoctor.model.plan import Fix

GROUP = "tunedoctor.checks"
"""Entry point group of plug-ins: each names a module with functions marked as checks or fixes."""


class RegistryError(ValueError):
    """Checks or plug-ins do not fit together; the message says why."""


def all_checks(plugins: Iterable[str] = ()) -> tuple[Check, ...]:
    """Return built-in checks by id, causes without code, and those of the named plug-ins; other plug-ins don't run.

    Raises:
        RegistryError: a plug-in is missing, can't be loaded, or uses an id that is taken.
    """
    described, coded = causes(), builtin_code()
    checks = [
        told_by(described[i], check) if i in described else check
        for i, check in sorted(coded.items())
    ]
    checks += [
        check_of(id_, described[id_], f"checks/{id_.replace('-', '_')}.toml")
        for id_ in sorted(described.keys() - coded.keys())
    ]
    modules = _plugins(plugins)
    every: tuple[Check, ...] = _distinct("check", [*checks, *(c for m in modules for c in _of(m))])
    if untitled := next((check for check in every if not check.title), None):
        msg = (
            f"{untitled.id} ({untitled.origin}) has no title: give one to @check or write a .toml file of its name, "
            "which tools/build_knowledge.py reads"
        )
        raise RegistryError(msg)
    return every


def builtin_code() -> dict[str, Check]:
    """Return the checks of the modules in checks/ by id, without what the .toml files add."""
    return {check.id: check for module in _builtin("checks") for check in marked(module, "check")}


def all_fixes(plugins: Iterable[str] = ()) -> "tuple[Fix, ...]":
    """Return the fixes of the named plug-ins, then the built-in ones: what the user names comes first.

    Raises:
        RegistryError: a plug-in is missing, can't be loaded, or uses an id that is taken.
    """
    modules = [*_plugins(plugins), *_builtin("fixes")]
    return _distinct("fix", [fix for module in modules for fix in marked(module, "fix")])


def marked(module: ModuleType, kind: str) -> list[Any]:
    """Return the checks or fixes (`kind`) that a module marks, in order of definition."""
    # getattr on a lazy regular expression would compile it
    functions = (value for value in vars(module).values() if isinstance(value, FunctionType))
    marks = (vars(function).get(f"tunedoctor_{kind}") for function in functions)
    return [mark for mark in marks if mark is not None and mark.origin == module.__name__]


def installed_plugins() -> dict[str, str]:
    """Return the plug-ins installed next to doctor, name -> module, without running them."""
    from importlib.metadata import entry_points  # noqa: PLC0415  100 ms, and few have plug-ins

    return {point.name: point.value for point in entry_points(group=GROUP)}


def source_of(check: Check) -> str:
    """Return the path of a check in the repository: checks/driver_too_old.py."""
    if check.by_words:
        return check.origin
    return "/".join(Path(sys.modules[check.origin].__file__ or check.origin).parts[-2:])


def _builtin(room: str) -> list[ModuleType]:
    package = import_module(f"tunedoctor.{room}")
    names = (p.stem for place in package.__path__ for p in Path(place).glob("*.py"))
    return [import_module(f"{package.__name__}.{name}") for name in sorted({*names} - {"__init__"})]


def _plugins(names: Iterable[str]) -> list[ModuleType]:
    result: list[ModuleType] = []
    installed = installed_plugins() if (requested := tuple(names)) else {}
    for name in requested:
        if name not in installed:
            msg = f"there is no plug-in {name!r}; installed: {', '.join(installed) or 'none'}"
            raise RegistryError(msg)
        try:
            result.append(import_module(installed[name]))
        except Exception as error:
            msg = f"plug-in {name!r} ({installed[name]}) could not be loaded: {type(error).__name__}: {error}"
            raise RegistryError(msg) from error
    return result


def _of(module: ModuleType) -> list[Check]:
    """Return the checks of a plug-in; its .toml files are in its package, or one is named like its module."""
    coded = marked(module, "check")
    code = Path(module.__file__ or "")
    packed = "." in module.__name__ or code.stem == "__init__"
    files = sorted(code.parent.glob("*.toml" if packed else f"{code.stem}.toml"))
    if not files:
        return coded
    from tunedoctor.messages.file import checks_of  # noqa: PLC0415  few plug-ins have any

    try:
        return checks_of(files, coded)
    except CauseError as error:
        raise RegistryError(str(error)) from None


def _distinct(kind: str, marked_objects: Iterable[Any]) -> tuple[Any, ...]:
    by_id: dict[str, Any] = {}
    for marked_object in marked_objects:
        if marked_object.id in by_id:
            what = "two checks" if kind == "check" else "two fixes"
            msg = f"{what} are called {marked_object.id}: {by_id[marked_object.id].origin} and {marked_object.origin}"
            raise RegistryError(msg)
        by_id[marked_object.id] = marked_object
    return tuple(by_id.values())
