"""What is done to a target to break it: one function for each fault, which rows of cases name with its arguments."""

import os
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

from gallery import machine
from gallery.machine import GPUS, mounted, prepend
from gallery.place import PYTHON, TORCH, Place, find_python


def broken(place: Place, steps: list[list[Any]]) -> None:
    """Do to a place what a row of cases says.

    Raises:
        NoBaseError: an old Python is wanted and not there.
    """
    for name, *arguments in steps:
        {**vars(machine), **globals()}[name](place, *arguments)


def claims_cuda(place: Place, torch: str, torchvision: str, cuda: str) -> None:
    """Have torch and its companion state a release and a CUDA of their own; the binary stays the CPU's."""
    label = "cu" + cuda.replace(".", "")
    claims(place, f"{torch}+{label}", f"{torchvision}+{label}")
    for name in ("torch", "torchvision"):
        _states(place, name, "cuda", cuda)


def claims_rocm(place: Place, rocm: str) -> None:
    """Have torch state that it is built for ROCm; the binary stays the CPU's."""
    claims(place, f"2.13.0+rocm{rocm}", f"0.28.0+rocm{rocm}")
    _states(place, "torch", "hip", f"{rocm}.0")


def _states(place: Place, name: str, what: str, value: str) -> None:
    none, told = f"{what}: Optional[str] = None", f"{what}: Optional[str] = {value!r}"
    place.alter(place.site / name / "version.py", lambda t: t.replace(none, told))


def claims(place: Place, torch: str, torchvision: str) -> None:
    """Have torch and its companion state another release; the companion asks for its own torch."""
    place.claim("torch", torch)
    place.claim("torchvision", torchvision)
    wanted, own = f"torch=={TORCH}", f"torch=={torch.partition('+')[0]}"
    place.alter(place.metadata("torchvision") / "METADATA", lambda t: t.replace(wanted, own))


def answers(place: Place, gpu: str, archs: str, available: bool = True) -> None:
    """Have torch tell of one GPU as it would with a driver; nothing can be computed on it."""
    name, capability, _ = GPUS[gpu]
    told = f"""
def is_available(): return {available}
def device_count(): return {int(available)}
def get_device_name(device=None): return {name!r}
def get_device_capability(device=None): return {capability!r}
def get_arch_list(): return {archs.split()!r}
def current_device(): return 0
def is_bf16_supported(including_emulation=True): return {capability >= (8, 0)}
def init(): pass
"""
    place.alter(place.site / "torch" / "cuda" / "__init__.py", lambda t: t + told)


def swapped(place: Place, *requirements: str) -> None:
    """Install other versions without regard to what the rest needs."""
    place.pip("install", "--no-deps", *requirements)


def removed(place: Place, *names: str) -> None:
    """Uninstall, whoever needs it."""
    place.pip("uninstall", "--yes", *names)


def numpy_1_binary(place: Place) -> None:
    """Install a pyarrow built for NumPy 1, and a datasets that is content with it."""
    removed(place, "trl")
    place.pip("install", "datasets==2.19.2", "pyarrow==14.0.2")


def files_gone(place: Place, *paths: str) -> None:
    """Delete files or folders of site-packages."""
    for path in paths:
        one = place.site / path
        shutil.rmtree(one) if one.is_dir() else one.unlink()


def emptied(place: Place, package: str) -> None:
    """Leave of a package the folder alone."""
    files_gone(place, package)
    (place.site / package).mkdir()


def no_record(place: Place, name: str, gone: str) -> None:
    """Delete RECORD and a part of the code: nobody says what is missing."""
    (place.metadata(name) / "RECORD").unlink()
    files_gone(place, gone)


def no_version(place: Place, name: str) -> None:
    """Take the version out of the metadata."""

    def without(text: str) -> str:
        lines = text.splitlines(keepends=True)
        return "".join(line for line in lines if not line.startswith("Version:"))

    place.alter(place.metadata(name) / "METADATA", without)


def no_metadata(place: Place, name: str) -> None:
    """Delete METADATA."""
    (place.metadata(name) / "METADATA").unlink()


def leftover(place: Place, name: str) -> None:
    """Leave what pip leaves when it is stopped amid an upgrade."""
    for one in (f"~{name[1:]}", f"~{place.metadata(name).name[1:]}"):
        (place.site / one).mkdir()
        (place.site / one / "__init__.py").write_text("")


def doubled(place: Place, name: str, version: str) -> None:
    """Leave metadata of an older version beside those in use, as an installer that was killed does."""
    info = place.metadata(name)
    other = info.with_name(f"{info.name.partition('-')[0]}-{version}.dist-info")
    shutil.copytree(info, other)
    have = info.name.removesuffix(".dist-info").rpartition("-")[2]
    old, new = f"Version: {have}", f"Version: {version}"
    place.alter(other / "METADATA", lambda t: t.replace(old, new, 1))
    place.alter(other / "RECORD", lambda t: t.replace(info.name, other.name))


def torch_begins(place: Place, code: str) -> None:
    """Put code in front of torch, after the lines that Python wants first."""
    begun = f"\n{code}\nimport "
    place.alter(place.site / "torch/__init__.py", lambda t: t.replace("\nimport ", begun, 1))


def wheels(place: Place, *named: str) -> None:
    """Add metadata of NVIDIA runtime wheels, "name version", whose libraries lie in one folder, as in the real ones."""
    for one in named:
        name, version = one.split()
        folder = place.site / f"{name.replace('-', '_')}-{version}.dist-info"
        folder.mkdir()
        head = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        (folder / "METADATA").write_text(head)
        (folder / "INSTALLER").write_text("pip\n")
        library = name.split("-")[1]
        file = f"nvidia/{library}/lib/lib{library}.so.{version.partition('.')[0]}"
        (place.site / file).parent.mkdir(parents=True, exist_ok=True)
        (place.site / file).write_bytes(b"\x7fELF")
        own = [f"{folder.name}/{f}" for f in ("METADATA", "INSTALLER", "RECORD")]
        (folder / "RECORD").write_text("".join(f"{one},,\n" for one in (*own, file)))


def foreign_cudnn(place: Place) -> None:
    """Put an older cuDNN in front of the wheel's, as a system toolkit does."""
    wheels(place, "nvidia-cudnn-cu12 9.10.2.21")
    folder = place.work.parent / "cuda" / "lib64"
    folder.mkdir(parents=True)
    (folder / "libcudnn.so.9.1.0").write_bytes(b"\x7fELF")
    (folder / "libcudnn.so.9").symlink_to("libcudnn.so.9.1.0")
    prepend(place, folder)


def truncated(place: Place, pattern: str) -> None:
    """Cut a file in its middle, as a full disk does."""
    _altered(place, pattern, lambda data: data[: len(data) // 2])


def for_another_processor(place: Place, pattern: str) -> None:
    """Make a library one for ARM by its e_machine, as in an environment that was copied from another machine."""
    _altered(place, pattern, lambda data: data[:18] + (183).to_bytes(2, "little") + data[20:])


def garbled(place: Place, pattern: str) -> None:
    """Put zeros in a module, as a disk does that lost its power."""
    _altered(place, pattern, lambda data: data[:2000] + bytes(len(data) - 2000))


def _altered(place: Place, pattern: str, change: Any) -> None:
    path = next(place.site.glob(pattern))
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(change(data))


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


def folder_called_torch(place: Place) -> None:
    """Leave a folder called torch, with code, where the user works."""
    (place.work / "torch").mkdir()
    (place.work / "torch" / "__init__.py").write_text("# notes on torch\n")


def old_python(place: Place, version: str) -> None:
    """Look at an old Python, as it comes."""
    place.asked = find_python(f"python{version}")


def of_python(place: Place, version: str, *more: str) -> None:
    """Make an environment of another Python."""
    argv = [find_python(f"python{version}"), "-m", "venv", *more, str(place.target)]
    subprocess.run(argv, check=True)


def nothing_there(place: Place) -> None:
    """Ask for a target that does not exist."""
    place.asked = str(place.target / "bin" / "python")


def of_another_user(place: Place, user: int) -> None:
    """Give the folders of the environment to somebody else; its files are the base's."""
    for folder in (place.target, *(p for p in place.target.rglob("*") if p.is_dir())):
        if not folder.is_symlink():
            shutil.chown(folder, user, user)


def read_only(place: Place) -> None:
    """Mount the environment so that nobody writes to it."""
    target = shlex.quote(str(place.target))
    mounted(place, f"mount --bind {target} {target}; mount -o remount,ro,bind {target}")


def small_shared_memory(place: Place) -> None:
    """Be in a container that got 64 MiB of shared memory."""
    place.variables["KUBERNETES_SERVICE_HOST"] = "127.0.0.1"
    mounted(place, "mount -t tmpfs -o size=64m tmpfs /dev/shm")


def project(place: Place) -> None:
    """Have the environment in the folder of a project: it can't be renamed as a whole."""
    (place.target / "pyproject.toml").write_text('[project]\nname = "mine"\nversion = "1"\n')


def without_network(place: Place) -> None:
    """Have no way to the package index."""
    place.variables |= dict.fromkeys(("HTTPS_PROXY", "HTTP_PROXY"), "http://127.0.0.1:9")
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
    patterns = (
        ("/usr/lib", "python3*/dist-packages"),
        ("/usr/lib", "python3/*"),
        ("/usr/local/lib", "python3*"),
    )
    return [
        one for folder, pattern in patterns for one in Path(folder).glob(pattern) if one.is_dir()
    ]


def is_root() -> bool:
    """Tell whether this user may give files to others."""
    return hasattr(os, "geteuid") and os.geteuid() == 0
