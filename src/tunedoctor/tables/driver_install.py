"""Which command installs or upgrades the NVIDIA driver, over driver_install.json."""

from typing import Any

import msgspec

from tunedoctor.cure import Cure, advise, tell
from tunedoctor.facts import Container, Host
from tunedoctor.tables.load import table
from tunedoctor.versions import at_least


class DriverInstall(msgspec.Struct, frozen=True):
    """What to do to get a driver."""

    cure: Cure
    """One command, or one deed where the system has no command for it."""
    note: str
    """Who runs it, where it comes from, that it needs a reboot."""


def install_driver(
    host: Host | None,
    floor: str = "",
    *,
    old_card: bool = False,
    container: Container | None = None,
) -> DriverInstall:
    """Return how to get a driver of at least `floor`; `old_card`: Maxwell, Pascal or Volta, which end with 580."""
    wanted = f"driver {floor} or newer" if floor else "driver 580 or newer"
    if host is not None and (host.os == "windows" or host.wsl):
        where = " in Windows, never inside WSL" if host.wsl else ""
        restart = (
            "then run `wsl.exe --shutdown` and start WSL again" if host.wsl else "then restart"
        )
        return DriverInstall(
            advise(f"Install NVIDIA {wanted}{where}", "root"), f"administrator; {restart}"
        )
    if host is not None and ("Jetson" in host.model or "DGX" in host.model):
        return DriverInstall(
            advise(f"Install a JetPack or DGX OS release with {wanted}", "root"),
            "the driver is part of that system",
        )
    row = _row(host, floor, old_card=old_card) if not container else None
    if row is None:
        place = " on the host of this container" if container else ""
        return DriverInstall(
            advise(f"Install NVIDIA {wanted}{place}", "reboot"), "root; needs a reboot"
        )
    note = f"root; needs a reboot; {row['note']}" if row.get("note") else "root; needs a reboot"
    return DriverInstall(tell(row["proprietary" if old_card else "open"], "reboot"), note)


def rebuild_module(host: Host | None) -> DriverInstall:
    """Return how to build the installed driver's module for the running kernel."""
    for row in table("driver_install")["rebuild"]:
        if host is not None and host.distro in row["ids"]:
            return DriverInstall(tell(row["command"], "root"), "root; a few minutes, no reboot")
    return DriverInstall(
        tell("sudo dkms autoinstall && sudo modprobe nvidia"), "root; a few minutes"
    )


def _row(host: Host | None, floor: str, *, old_card: bool) -> dict[str, Any] | None:
    """Return the first row for this distribution that brings a driver of at least `floor`."""
    rows: list[dict[str, Any]] = table("driver_install")["rows"]
    for row in rows:
        if (
            host is not None
            and host.distro in row["ids"]
            and host.distro_version.startswith(row["version"])
            and (not floor or not row["branch"] or at_least(row["branch"], floor))
            and row["proprietary" if old_card else "open"]
        ):
            return row
    return None
