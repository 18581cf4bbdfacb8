"""Find what the system's own tools printed in any text."""

from tunedoctor.facts import Fact, PciBus
from tunedoctor.readers.paste import Paste
from tunedoctor.readers.system.containers import container, killed
from tunedoctor.readers.system.host import host
from tunedoctor.readers.system.import_torch import import_torch
from tunedoctor.readers.system.interpreters import interpreters
from tunedoctor.readers.system.kernel_log import kernel_log
from tunedoctor.readers.system.libraries import libraries
from tunedoctor.readers.system.memory import memory
from tunedoctor.readers.system.modules import installed, module
from tunedoctor.readers.system.pci import bus
from tunedoctor.readers.system.said import said
from tunedoctor.readers.system.tools import (
    apple,
    archs,
    compilers,
    intel,
    rocm_devices,
    windows_driver,
)


def read(lines: list[str]) -> list[Fact]:
    """Return the facts of machine, kernel, container and interpreter that the lines tell. Never raises."""
    paste = Paste(lines)
    on_bus = bus(paste)
    single: list[Fact | None] = [
        host(paste),
        container(paste),
        killed(paste),
        PciBus(devices=on_bus.devices) if on_bus.devices else None,
        module(paste, on_bus),
        installed(paste),
        windows_driver(paste),
        rocm_devices(paste),
        intel(paste, on_bus),
        apple(paste),
        compilers(paste),
        archs(paste),
        said(paste),
    ]
    return [
        *(one for one in single if one is not None),
        *memory(paste),
        *libraries(paste),
        *interpreters(paste),
        *import_torch(paste),
        *kernel_log(paste),
    ]
