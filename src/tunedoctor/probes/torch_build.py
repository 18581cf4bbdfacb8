"""Find out which PyTorch build the target has, and what its library was compiled for, without importing it."""

import mmap
import os
import re
import struct
from pathlib import Path

import msgspec

from tunedoctor import facts as kinds
from tunedoctor.model.snapshot import Lack
from tunedoctor.model.versions import parts
from tunedoctor.probes.probing import probe
from tunedoctor.system.reading import open_regular, read

LIBRARIES = ("libtorch_python.so", "torch_python.dll")
_LARGEST = 512 << 20

_CUDA = rb"(?:sm|compute)_\d{2,3}[af]?"
_GFX = rb"gfx\d[0-9a-f]{2,4}(?::[a-z+\-:]+)?"
_FLAGS = re.compile(rb"\0(%b(?: %b)*|%b(?:[ ;]%b)*)\0" % (_CUDA, _CUDA, _GFX, _GFX))


def compiled_archs(folder: Path) -> tuple[str, ...]:
    """Return the architectures that the libraries in torch/lib list, or () if none lists any."""
    for name in LIBRARIES:
        try:
            with open_regular(folder / name, _LARGEST) as file:
                data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError):
            continue
        with data:
            start, end = read_only_data(data) or (0, len(data))
            archs = find_flags(data, start, end)
        if archs:
            return archs
    return ()


def find_flags(data: bytes | mmap.mmap, start: int, end: int) -> tuple[str, ...]:
    """Return the longest list of architectures between two positions."""
    longest = max((match[1] for match in _FLAGS.finditer(data, start, end)), key=len, default=b"")
    return tuple(longest.decode("ascii").replace(";", " ").split())


def read_only_data(data: bytes | mmap.mmap) -> tuple[int, int] | None:
    """Return start and end of .rodata of a 64-bit ELF file, a tenth of the library; None for other files."""
    try:
        if data[:6] != b"\x7fELF\x02\x01":
            return None
        table, width, count, names = struct.unpack_from("<Q10xHHH", data, 40)
        places = (table + width * number for number in range(count))
        headers = [struct.unpack_from("<I20xQQ", data, place) for place in places]
        _, base, _ = headers[names]
        for name, start, size in headers:
            if data[base + name : base + name + 8] == b".rodata\0":
                return min(start, len(data)), min(start + size, len(data))
    except (struct.error, IndexError, OverflowError):  # a damaged file can point anywhere
        pass
    return None


_ASSIGNED = re.compile(
    r"^(\w+)\s*(?::[^=\n]+)?=\s*(?:'([^'\n]*)'|\"([^\"\n]*)\"|(None|True|False))\s*$", re.MULTILINE
)


_OF_CONDA = ("pytorch", "pytorch-gpu", "pytorch-cpu", "libtorch")


@probe(kinds.TorchBuild)
def torch_build(
    interpreter: kinds.Interpreter,
    packages: kinds.Packages | kinds.Unknown,
    runtime: kinds.Runtime | kinds.Unknown | None,
    nvidia: kinds.NvidiaGpus | kinds.Unknown | None,
    amd: kinds.AmdGpus | kinds.Unknown | None,
) -> kinds.TorchBuild | Lack:
    """Read torch/version.py, and the library's flags if there is a GPU; results of a run take precedence."""
    known_packages = (
        packages if isinstance(packages, kinds.Packages) else kinds.Packages(distributions=())
    )
    folders = (Path(place, "torch") for place in interpreter.path)
    names = ("__init__.py", "version.py")  # in the folder that an import would find
    folder = next(
        (candidate for candidate in folders if any((candidate / n).is_file() for n in names)), None
    )
    if folder is None:
        build = _without_folder(known_packages, packages)
    else:
        text = read(folder / "version.py", 16 * 1024) or ""
        build = from_files(text, str(folder), known_packages, interpreter.platform)
        gpu = isinstance(nvidia, kinds.NvidiaGpus) or isinstance(amd, kinds.AmdGpus)
        if gpu and isinstance(build, kinds.TorchBuild) and build.accelerator in {"cuda", "rocm"}:
            build = _with_archs(build, compiled_archs(folder / "lib"), "library")
    if isinstance(runtime, kinds.Runtime) and runtime.torch_version:
        return _with_runtime(build, runtime)
    return build


def _without_folder(
    known_packages: kinds.Packages, packages: kinds.Packages | kinds.Unknown
) -> kinds.TorchBuild | Lack:
    installed = known_packages.get("torch")
    if installed and installed.editable:  # an editable install may be anywhere
        return kinds.TorchBuild(version=installed.version, location=installed.location)
    if isinstance(packages, kinds.Unknown):
        return packages
    if installed:
        return kinds.Absent(why="torch has metadata but no code")
    return kinds.Absent(why="torch is not installed in the target")


def from_files(
    text: str, folder: str, packages: kinds.Packages, platform: str
) -> kinds.TorchBuild | kinds.Unknown:
    """Return the fact from the text of torch/version.py and the names of packages."""
    values = assignments(text)
    version = values.get("__version__") or packages.version("torch")
    if not version:
        return kinds.Unknown(why=f"{folder} states no version")
    cuda, hip, xpu = (values.get(key, "") for key in ("cuda", "hip", "xpu"))
    accelerator: kinds.Accelerator
    if cuda or hip:
        accelerator = "cuda" if cuda else "rocm"
    elif xpu or "+xpu" in version:
        accelerator = "xpu"
    elif "cuda" not in values:
        accelerator = "unknown"
    else:
        accelerator = "mps" if platform.startswith("macosx") and "arm64" in platform else "cpu"
    return kinds.TorchBuild(
        version=version,
        cuda=cuda,
        hip=hip,
        xpu=xpu,
        accelerator=accelerator,
        variant=variant_of(version, accelerator, cuda=cuda, hip=hip, xpu=xpu),
        location=folder,
        conda=not packages.conda.keys().isdisjoint(_OF_CONDA),
    )


def assignments(text: str) -> dict[str, str]:
    """Return the strings that a version.py assigns; "" for None. Never raises."""
    result: dict[str, str] = {}
    for name, single, double, word in _ASSIGNED.findall(text):
        result[name] = single or double or (word if word in {"True", "False"} else "")
    return result


def variant_of(version: str, accelerator: str, *, cuda: str, hip: str, xpu: str) -> str:
    """Return the wheel variant: from the local label, else from what the build was made with."""
    label = re.match(r"(cu\d{2,3}|rocm\d[\d.]*|xpu|cpu)(?:\W|$)", version.partition("+")[2])
    if label:
        return label[1].rstrip(".")
    numbers = parts(cuda or hip)[:2]
    if accelerator in ("cuda", "rocm") and len(numbers) == 2:
        dotted = ".".join(map(str, numbers))
        return f"rocm{dotted}" if accelerator == "rocm" else f"cu{dotted.replace('.', '')}"
    if accelerator == "xpu" or xpu:
        return "xpu"
    return accelerator if accelerator in {"cpu", "mps"} else ""


def _with_runtime(
    build_of_files: kinds.TorchBuild | Lack, runtime: kinds.Runtime
) -> kinds.TorchBuild:
    """Return the build with the results of a run, which take precedence over the files."""
    version = runtime.torch_version
    build = (
        build_of_files
        if isinstance(build_of_files, kinds.TorchBuild)
        else kinds.TorchBuild(version=version)
    )
    cuda, hip = runtime.torch_cuda, runtime.torch_hip
    if not (cuda or hip):
        cuda, hip = build.cuda, build.hip
    accelerator: kinds.Accelerator = "cuda" if cuda else "rocm" if hip else build.accelerator
    updated = msgspec.structs.replace(
        build,
        version=version,
        cuda=cuda,
        hip=hip,
        accelerator=accelerator,
        variant=variant_of(version, accelerator, cuda=cuda, hip=hip, xpu=build.xpu),
        location=os.path.dirname(runtime.torch_file) or build.location,  # noqa: PTH120
    )
    return _with_archs(updated, runtime.archs, "torch")


def _with_archs(build: kinds.TorchBuild, archs: tuple[str, ...], source: str) -> kinds.TorchBuild:
    return msgspec.structs.replace(build, archs=archs, archs_source=source) if archs else build
