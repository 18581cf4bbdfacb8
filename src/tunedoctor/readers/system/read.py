"""Find what the system's own tools printed in any text, and messages of kernels and engines known by their words."""

from tunedoctor.facts import Errors, ErrorText, Fact, PciBus
from tunedoctor.readers.paste import Paste
from tunedoctor.readers.system.containers import container, image, killed
from tunedoctor.readers.system.disks import disks
from tunedoctor.readers.system.import_torch import import_torch
from tunedoctor.readers.system.interpreters import interpreters
from tunedoctor.readers.system.kernel import hung, kernel_log, module
from tunedoctor.readers.system.libraries import libraries
from tunedoctor.readers.system.pci import bus
from tunedoctor.readers.system.tools import intel, rocm_devices

_MOST = 100
_LONGEST = 1500
"""Characters of a line: container engines put all that went wrong on one."""


def read(lines: list[str]) -> list[Fact]:
    """Return the facts of machine, kernel, container and interpreter that the lines tell. Never raises."""
    paste = Paste(lines)
    on_bus = bus(paste)
    single: list[Fact | None] = [
        container(paste),
        killed(paste),
        PciBus(devices=on_bus.devices) if on_bus.devices else None,
        module(paste, on_bus),
        rocm_devices(paste),
        intel(paste, on_bus),
        _said(paste),
        kernel_log(paste),
    ]
    found = [one for one in single if one is not None]
    several = (image, disks, libraries, interpreters, import_torch)
    return [*found, *(fact for reader in several for fact in reader(paste))]


def _said(paste: Paste) -> Errors | None:
    """Return one Errors fact with the messages of `said`, each once; None where there are none."""
    by_line: dict[int, str] = {}
    for line, _, found in paste.each("said", longest=_LONGEST):
        by_line.setdefault(line, found[0])
    errors: dict[str, ErrorText] = {}
    for line, text in by_line.items():
        if len(errors) < _MOST:
            errors.setdefault(text, ErrorText(text=text, where=f"line {line + 1}"))
    told = (*errors.values(), *hung(paste))
    return Errors(errors=told) if told else None
