"""What is done to a target to break it: one function for each fault."""

import shutil
import subprocess
from pathlib import Path

from gallery.base import TORCH, find_python
from gallery.machine import prepend
from gallery.place import Place


def claims_cuda(place: Place, torch: str, torchvision: str, cuda: str) -> None:
    """Have torch and its companion state a release and a CUDA of their own; the binary stays the CPU's."""
    label = "cu" + cuda.replace(".", "")
    claims(place, f"{torch}+{label}", f"{torchvision}+{label}")
    for name in ("torch", "torchvision"):
        place.alter(
            place.site / name / "version.py",
            lambda t: t.replace("cuda: Optional[str] = None", f"cuda: Optional[str] = {cuda!r}"),
        )


def answers(
    place: Place, name: str, capability: tuple[int, int], archs: str, *, available: bool = True
) -> None:
    """Have torch tell of one GPU as it would with a driver; nothing can be computed on it."""
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


def claims_torch(place: Place, torch: str, torchvision: str) -> None:
    """Have torch and its companion state another release, for the CPU."""
    claims(place, f"{torch}+cpu", f"{torchvision}+cpu")


def claims(place: Place, torch: str, torchvision: str) -> None:
    place.claim("torch", torch)
    place.claim("torchvision", torchvision)
    # the companion asks for its own torch
    place.alter(
        place.metadata("torchvision") / "METADATA",
        lambda t: t.replace(f"torch=={TORCH}", f"torch=={torch.partition('+')[0]}"),
    )


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
    folder = place.site / package
    shutil.rmtree(folder)
    folder.mkdir()


def no_record(place: Place, name: str, gone: str) -> None:
    """Delete RECORD and a part of the code: nobody says what is missing."""
    (place.metadata(name) / "RECORD").unlink()
    files_gone(place, gone)


def no_version(place: Place, name: str) -> None:
    """Take the version out of the metadata."""
    place.alter(
        place.metadata(name) / "METADATA",
        lambda t: "".join(x for x in t.splitlines(keepends=True) if not x.startswith("Version:")),
    )


def no_metadata(place: Place, name: str) -> None:
    """Delete METADATA."""
    (place.metadata(name) / "METADATA").unlink()


def leftover(place: Place, name: str) -> None:
    """Leave what pip leaves when it is stopped amid an upgrade."""
    for one in (f"~{name[1:]}", f"~{place.metadata(name).name[1:]}"):
        (place.site / one).mkdir()
        (place.site / one / "__init__.py").write_text("")


def torch_begins(place: Place, code: str) -> None:
    """Put code in front of torch."""
    place.alter(
        place.site / "torch" / "__init__.py",
        # after the lines that Python wants first
        lambda t: t.replace("\nimport ", f"\n{code}\nimport ", 1),
    )


def wheels(place: Place, *named: str) -> None:
    """Add metadata of NVIDIA runtime wheels, "name version"."""
    for one in named:
        name, version = one.split()
        folder = place.site / f"{name.replace('-', '_')}-{version}.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
        (folder / "INSTALLER").write_text("pip\n")
        # one package: the libraries of both lie in one folder, as in the real ones
        library = name.split("-")[1]
        lib = place.site / "nvidia" / library / "lib"
        lib.mkdir(parents=True, exist_ok=True)
        record = [f"{folder.name}/{f},," for f in ("METADATA", "INSTALLER", "RECORD")]
        (lib / f"lib{library}.so.{version.split('.')[0]}").write_bytes(b"\x7fELF")
        record.append(f"nvidia/{library}/lib/lib{library}.so.{version.split('.')[0]},,")
        (folder / "RECORD").write_text("\n".join(record) + "\n")


def foreign_cudnn(place: Place) -> None:
    """Put an older cuDNN in front of the wheel's, as a system toolkit does."""
    wheels(place, "nvidia-cudnn-cu12 9.10.2.21")
    folder = place.work.parent / "cuda" / "lib64"
    folder.mkdir(parents=True)
    (folder / "libcudnn.so.9.1.0").write_bytes(b"\x7fELF")
    (folder / "libcudnn.so.9").symlink_to("libcudnn.so.9.1.0")
    prepend(place, folder)


def folder_called_torch(place: Place) -> None:
    """Leave a folder called torch, with code, where the user works."""
    (place.work / "torch").mkdir()
    (place.work / "torch" / "__init__.py").write_text("# notes on torch\n")


def old_python(place: Place, version: str) -> None:
    """Look at an old Python, as it comes.

    Raises:
        NoBaseError: there is none.
    """
    place.asked = find_python(f"python{version}")


def nothing_there(place: Place) -> None:
    """Ask for a target that does not exist."""
    place.asked = str(place.target / "bin" / "python")


def bare(place: Place) -> None:
    """Make an environment with nothing in it."""
    python = find_python()
    subprocess.run([python, "-m", "venv", "--without-pip", str(place.target)], check=True)


def has_nvidia() -> bool:
    """Tell whether this machine has an NVIDIA driver of its own: no other can be made up then."""
    return Path("/proc/driver/nvidia").exists() or Path("/dev/nvidiactl").exists()
