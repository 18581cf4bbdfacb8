"""The probes of the package, in one list."""

from importlib import import_module
from pkgutil import iter_modules

from tunedoctor import probes as package
from tunedoctor.probing import Probe


def builtin_probes(*, deep: bool) -> tuple[Probe, ...]:
    """Return all probes; those that execute the target's packages only where `deep`."""
    found: list[Probe] = []
    for module in iter_modules(package.__path__):
        if module.name == __name__.rpartition(".")[2]:
            continue
        for value in vars(import_module(f"{package.__name__}.{module.name}")).values():
            one = getattr(value, "tunedoctor_probe", None)
            if isinstance(one, Probe) and one not in found and (deep or not one.deep):
                found.append(one)
    return tuple(found)
