"""Find what the system's own tools printed in any text."""

from tunedoctor.facts import Fact, PciBus
from tunedoctor.readers.system.code_objects import archs
from tunedoctor.readers.system.container_errors import container_errors
from tunedoctor.readers.system.devices import rocm_devices
from tunedoctor.readers.system.docker_inspect import inspected, killed
from tunedoctor.readers.system.docker_run import container
from tunedoctor.readers.system.host import host
from tunedoctor.readers.system.intel import intel
from tunedoctor.readers.system.interpreters import interpreters
from tunedoctor.readers.system.libraries import libraries
from tunedoctor.readers.system.memory import memory
from tunedoctor.readers.system.modules import installed, module
from tunedoctor.readers.system.pci import bus
from tunedoctor.readers.system.shell import shown
from tunedoctor.readers.system.tools import apple, compilers
from tunedoctor.readers.system.windows_gpu import windows_driver

_MOST = 200_000
"""Lines that are read: the first and the last of a longer log."""


def read(lines: list[str]) -> list[Fact]:
    """Return the facts of machine, kernel, container and interpreter that the lines tell. Never raises."""
    if len(lines) > _MOST:
        lines = [*lines[: _MOST // 2], *lines[-_MOST // 2 :]]
    commands = shown(lines)
    on_bus = bus(lines)
    single: list[Fact | None] = [
        host(lines),
        inspected(lines, commands) or container(lines, commands),
        killed(lines, commands),
        PciBus(devices=on_bus.devices) if on_bus.devices else None,
        module(lines, commands, on_bus),
        installed(lines),
        windows_driver(lines),
        rocm_devices(lines, commands),
        intel(lines, on_bus),
        apple(lines),
        compilers(lines),
        container_errors(lines),
        archs(commands),
    ]
    return [
        *(one for one in single if one is not None),
        *memory(lines, commands),
        *libraries(lines, commands),
        *interpreters(lines, commands),
    ]
