"""The probes of the package, in one list."""

from importlib import import_module
from pathlib import Path
from types import FunctionType

from tunedoctor import probes as package
from tunedoctor.probing import Probe


def builtin_probes(*, deep: bool) -> tuple[Probe, ...]:
    """Return all probes; those that execute the target's packages only where `deep`."""
    found: list[Probe] = []
    names = (p.stem for place in package.__path__ for p in Path(place).glob("*.py"))
    for name in sorted(set(names) - {"__init__", __name__.rpartition(".")[2]}):
        for value in vars(import_module(f"{package.__name__}.{name}")).values():
            # an expression, asked for an attribute, would compile itself
            one = vars(value).get("tunedoctor_probe") if isinstance(value, FunctionType) else None
            if isinstance(one, Probe) and one not in found and (deep or not one.deep):
                found.append(one)
    return tuple(found)
