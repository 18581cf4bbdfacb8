"""Further faults: files that are damaged, libraries that hide others, variables, and places that nobody can change."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from gallery.base import PYTHON, find_python
from gallery.place import Place

AARCH64 = 183
"""Machine of an ELF file: e_machine, two bytes at 18."""


def truncated(place: Place, pattern: str) -> None:
    """Cut a file in its middle, as a full disk does."""
    path = _one(place, pattern)
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data[: len(data) // 2])


def for_another_processor(place: Place, pattern: str) -> None:
    """Make a library one for ARM, as in an environment that was copied from another machine."""
    path = _one(place, pattern)
    data = bytearray(path.read_bytes())
    data[18:20] = AARCH64.to_bytes(2, "little")
    path.unlink()
    path.write_bytes(data)


def garbled(place: Place, pattern: str) -> None:
    """Put zeros in a module, as a disk does that lost its power."""
    path = _one(place, pattern)
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data[:2000] + bytes(len(data) - 2000))


def _one(place: Place, pattern: str) -> Path:
    return next(place.site.glob(pattern))


def doubled(place: Place, name: str, version: str) -> None:
    """Leave metadata of an older version beside those in use, as an installer that was killed does."""
    info = place.metadata(name)
    other = info.with_name(f"{info.name.partition('-')[0]}-{version}.dist-info")
    shutil.copytree(info, other)
    have = info.name.removesuffix(".dist-info").rpartition("-")[2]
    place.alter(
        other / "METADATA", lambda t: t.replace(f"Version: {have}", f"Version: {version}", 1)
    )
    place.alter(other / "RECORD", lambda t: t.replace(info.name, other.name))


def in_user_site(place: Place, *requirements: str) -> None:
    """Install into the user's own site-packages, which a conda environment looks into first."""
    user = place.work.parent / "home" / ".local" / "lib" / PYTHON / "site-packages"
    place.pip("install", "--no-deps", "--target", str(user), *requirements)


def on_pythonpath(place: Place, *requirements: str) -> None:
    """Install into a folder that PYTHONPATH names."""
    folder = place.work.parent / "shared"
    place.pip("install", "--no-deps", "--target", str(folder), *requirements)
    place.variables["PYTHONPATH"] = str(folder)


def variable(place: Place, name: str, value: str) -> None:
    """Set a variable in the shell that starts the doctor."""
    place.variables[name] = value


def file_called(place: Place, name: str) -> None:
    """Leave a file with the name of a library where the user works."""
    (place.work / name).write_text("print('my notes')\n")


def of_python(place: Place, version: str) -> None:
    """Make an environment of another Python.

    Raises:
        NoBaseError: there is none.
    """
    subprocess.run([find_python(f"python{version}"), "-m", "venv", str(place.target)], check=True)


def of_another_user(place: Place, user: int) -> None:
    """Give the folders of the environment to somebody else; its files are the base's."""
    for folder in (place.target, *(p for p in place.target.rglob("*") if p.is_dir())):
        if not folder.is_symlink():
            shutil.chown(folder, user, user)


def mounted(place: Place, commands: str) -> None:
    """Have shell commands run in a mount space of the doctor's own, before it starts."""
    place.before = ["unshare", "--mount", "/bin/sh", "-ec", f'{commands}\nexec "$@"', "sh"]


def read_only(place: Place) -> None:
    """Mount the environment so that nobody writes to it."""
    target = shlex.quote(str(place.target))
    mounted(place, f"mount --bind {target} {target}; mount -o remount,ro,bind {target}")


def small_shared_memory(place: Place) -> None:
    """Be in a container that got 64 MiB of shared memory."""
    place.variables["KUBERNETES_SERVICE_HOST"] = "127.0.0.1"
    mounted(place, "mount -t tmpfs -o size=64m tmpfs /dev/shm")


def on_the_bus(place: Place, vendor: str, device: str) -> None:
    """Have a graphics card on the PCI bus that no driver has taken."""
    slot = place.work.parent / "pci" / "0000:01:00.0"
    slot.mkdir(parents=True)
    for name, value in {"vendor": vendor, "device": device, "class": "030000"}.items():
        (slot / name).write_text(f"0x{value}\n")
    mounted(place, f"mount --bind {shlex.quote(str(slot.parent))} /sys/bus/pci/devices")


def project(place: Place) -> None:
    """Have the environment in the folder of a project: it can't be renamed as a whole."""
    (place.target / "pyproject.toml").write_text('[project]\nname = "mine"\nversion = "1"\n')


def without_network(place: Place) -> None:
    """Have no way to the package index."""
    nobody = "http://127.0.0.1:9"
    place.variables |= {"HTTPS_PROXY": nobody, "HTTP_PROXY": nobody}
    place.variables["UV_CACHE_DIR"] = str(place.caches / "nothing")


def the_systems_python(place: Place) -> None:
    """Look at the Python of the distribution."""
    place.asked = "/usr/bin/python3"


def new_where_something_is(place: Place) -> None:
    """Ask for a new environment in a folder that holds other things."""
    place.new = str(place.work / "mine")
    Path(place.new).mkdir()
    Path(place.new, "thesis.txt").write_text("chapter 1\n")


def of_the_system() -> list[Path]:
    """Return the folders in which the distribution's Python has its packages."""
    folders = [
        *Path("/usr/lib").glob("python3*/dist-packages"),
        *Path("/usr/lib").glob("python3/*"),
    ]
    folders += Path("/usr/local/lib").glob("python3*")
    return [one for one in folders if one.is_dir()]


def is_root() -> bool:
    """Tell whether this user may give files to others."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def can_mount() -> bool:
    """Tell whether this user may mount in a mount space of its own."""
    if sys.platform != "linux" or not shutil.which("unshare"):
        return False
    probe = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0
