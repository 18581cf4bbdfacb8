"""Display adapters of Windows, from the registry: each driver that was set up has a key there."""

import re
import sys

import msgspec

_CLASS = r"SYSTEM\CurrentControlSet\Control\Class\{4d36e968-e325-11ce-bfc1-08002be10318}"


class Adapter(msgspec.Struct, frozen=True):
    """One adapter that has a driver."""

    vendor: str
    """Four hex digits, as on the PCI bus."""
    device: str
    name: str = ""
    memory: int | None = None
    """Bytes, as its driver states them."""


def adapters() -> tuple[Adapter, ...] | None:
    """Return the adapters; None where this is not Windows or the registry cannot be read."""
    if sys.platform != "win32":
        return None
    import winreg  # noqa: PLC0415  Windows alone has it

    found: list[Adapter] = []
    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, _CLASS) as folder:
            for number in range(winreg.QueryInfoKey(folder)[0]):
                name = winreg.EnumKey(folder, number)
                if not name.isdigit():
                    continue
                with winreg.OpenKey(folder, name) as key:
                    values = dict(
                        winreg.EnumValue(key, at)[:2] for at in range(winreg.QueryInfoKey(key)[1])
                    )
                one = from_values(values)
                if one and one not in found:
                    found.append(one)
    except OSError:
        return None
    return tuple(found)


def from_values(values: dict[str, object]) -> Adapter | None:
    """Make an adapter of the values of its key; None where it is no PCI device."""
    ids = re.match(
        r"pci\\ven_([0-9a-f]{4})&dev_([0-9a-f]{4})", str(values.get("MatchingDeviceId", "")).lower()
    )
    if not ids:
        return None
    memory = values.get("HardwareInformation.qwMemorySize")
    return Adapter(
        vendor=ids[1],
        device=ids[2],
        name=str(values.get("DriverDesc", "")),
        memory=memory if isinstance(memory, int) and memory > 0 else None,
    )
