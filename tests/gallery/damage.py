"""What is done to a target to break it: one function for each fault, which rows of cases name with its arguments."""

import re
import shutil
import subprocess
from itertools import product
from typing import Any

from gallery import machine
from gallery.machine import GPUS, prepend
from gallery.place import TORCH, Place, find_python
from planting import plant


def broken(place: Place, steps: list[list[Any]]) -> None:
    """Do to a place what a row of cases says; in words of it, {target} and others are its folders."""
    folders = {name: getattr(place, name) for name in ("target", "work", "caches", "root")}
    for name, *arguments in steps:
        if name in ("asked", "new", "variable", "mounted"):
            arguments[-1] = arguments[-1].format(**folders)
        match name, arguments:
            case (
                ("asked" | "new"),
                [where],
            ):  # the interpreter to look at; the environment to be made
                setattr(place, name, where)
            case "variable", [key, value]:  # of the shell that starts the doctor
                place.variables[key] = value
            case "pip", words:
                place.pip(*words)
            case _:
                {**vars(machine), **globals()}[name](place, *arguments)


def planted(place: Place, files: dict[str, Any]) -> None:
    """Write files: env/, work/ and home/ are the environment, the working folder and the home."""
    plant(place.root, files)


def into(place: Place, folder: str, *requirements: str) -> None:
    place.pip("install", "--no-deps", "--target", str(place.root / folder), *requirements)


def rewritten(place: Place, file: str, pattern: str, by: str) -> None:
    """Replace the first place that a pattern finds in a file of site-packages."""
    path = next(place.site.glob(file))
    place.alter(path, lambda text: re.sub(pattern, lambda _: by, text, count=1))


def files_gone(place: Place, *patterns: str) -> None:
    for one in (path for pattern in patterns for path in list(place.site.glob(pattern))):
        shutil.rmtree(one) if one.is_dir() else one.unlink()


def claims(place: Place, torch: str, torchvision: str, **states: str) -> None:
    """Have torch and its companion state another release, and what they are built for; the binary stays the CPU's."""
    place.claim("torch", torch)
    place.claim("torchvision", torchvision)
    own = f"torch=={torch.partition('+')[0]}"
    rewritten(place, "torchvision-*.dist-info/METADATA", f"torch=={TORCH}", own)
    for (what, value), name in product(states.items(), ("torch", "torchvision")):
        none = rf"{what}: Optional\[str\] = None"
        rewritten(place, f"{name}/version.py", none, f"{what}: Optional[str] = {value!r}")


def claims_cuda(place: Place, torch: str, torchvision: str, cuda: str) -> None:
    """Have them state a release and a CUDA of their own."""
    label = "cu" + cuda.replace(".", "")
    claims(place, f"{torch}+{label}", f"{torchvision}+{label}", cuda=cuda)


def claims_rocm(place: Place, rocm: str) -> None:
    claims(place, f"2.13.0+rocm{rocm}", f"0.28.0+rocm{rocm}", hip=f"{rocm}.0")


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


def doubled(place: Place, name: str, version: str) -> None:
    """Leave metadata of an older version beside those in use, as an installer that was killed does."""
    info = place.metadata(name)
    other = info.with_name(f"{info.name.partition('-')[0]}-{version}.dist-info")
    shutil.copytree(info, other)
    have = info.name.removesuffix(".dist-info").rpartition("-")[2]
    old, new = f"Version: {have}", f"Version: {version}"
    place.alter(other / "METADATA", lambda t: t.replace(old, new, 1))
    place.alter(other / "RECORD", lambda t: t.replace(info.name, other.name))


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
    folder = place.root / "cuda" / "lib64"
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


def old_python(place: Place, version: str) -> None:
    place.asked = find_python(f"python{version}")


def of_python(place: Place, version: str, *more: str) -> None:
    """Make an environment of another Python."""
    argv = [find_python(f"python{version}"), "-m", "venv", *more, str(place.target)]
    subprocess.run(argv, check=True)


def of_another_user(place: Place, user: int) -> None:
    """Give the folders of the environment to somebody else; its files are the base's."""
    for folder in (place.target, *(p for p in place.target.rglob("*") if p.is_dir())):
        if not folder.is_symlink():
            shutil.chown(folder, user, user)
