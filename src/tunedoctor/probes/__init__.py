"""One file per source of facts about this machine and the target."""

from importlib import import_module
from pathlib import Path
from types import FunctionType

from tunedoctor.probes.probing import Probe


def builtin_probes(*, deep: bool) -> tuple[Probe, ...]:
    """Return all probes; those that execute the target's packages only where `deep`."""
    found: dict[Probe, None] = {}
    names = {file.stem for place in __path__ for file in Path(place).glob("*.py")}
    for name in sorted(names - {"__init__"}):
        for value in vars(import_module(f"{__name__}.{name}")).values():
            # an expression, asked for an attribute, would compile itself
            one = vars(value).get("tunedoctor_probe") if isinstance(value, FunctionType) else None
            if isinstance(one, Probe) and (deep or not one.deep):
                found[one] = None
    return tuple(found)
