"""The NVIDIA driver, how it responds, and its GPUs: from files first, then NVML, then nvidia-smi.

Reading the driver's version from files is cheap. NVML and nvidia-smi, if installed, each run in a child with a time
limit, even if no NVIDIA GPU is on the bus: in WSL and in containers the bus does not show it.
"""

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from tunedoctor.facts import (
    Absent,
    Host,
    NvidiaAnswer,
    NvidiaDriver,
    NvidiaGpu,
    NvidiaGpus,
    PciBus,
    Unknown,
)
from tunedoctor.model.snapshot import Lack
from tunedoctor.probes.gpus import cards
from tunedoctor.probes.libraries import WSL_FOLDER, find_library, library_version
from tunedoctor.probes.probing import probe
from tunedoctor.system.child import ChildResult, run
from tunedoctor.system.programs import find_program
from tunedoctor.system.reading import line, read
from tunedoctor.tables.load import table

NVML = "libnvidia-ml.so.1"
CUDA = "libcuda.so.1"
_NOT_LOADED = (9, 12)
"""NVML's error numbers for: driver not loaded, library not found."""
_NO_DEVICES = 6
FIELDS: list[str] = table("probes")["smi_fields"]
_LINES = 4
"""Most lines of an error message to keep."""
MOST_GPUS = 256
_LEAST = 0.5

NvidiaFacts = tuple[NvidiaAnswer | Absent, NvidiaDriver | Lack, NvidiaGpus | Lack]


class DriverAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of NVML or nvidia-smi; each line of the NVML child process is a part of one."""

    how: str = ""
    """As in the fact NvidiaAnswer."""
    code: int | None = None
    text: str = ""
    driver: str = ""
    cuda: str = ""
    library: str = ""
    gpus: tuple[NvidiaGpu, ...] = ()
    count: int | None = None
    """Number of GPUs according to NVML; None if it did not get that far."""


MISSING = DriverAnswer(how="missing")
"""It is not installed."""


class Limits(NamedTuple):
    """Time limits of the children in seconds."""

    nvml: float = 5.0
    nvml_per_gpu: float = 1.5
    """For each GPU beyond two: without persistence mode the driver needs 1 to 3 s to wake each."""
    nvml_most: float = 15.0
    smi: float = 10.0
    all: float = 16.0


class MachineFiles(NamedTuple):
    """The facts from this machine's files."""

    driver: NvidiaDriver | None = None
    library: str = ""
    """Version of the user-space libraries."""
    gpus_on_bus: int = 0
    nodes: bool = False
    elsewhere: str = ""
    """Why a GPU may exist even though the bus shows none: "WSL", "Jetson"."""


@probe(NvidiaAnswer, NvidiaDriver, NvidiaGpus, seconds=18.0)
def nvidia(host: Host | Unknown | None, pci: PciBus | Unknown | None) -> NvidiaFacts:
    """Find the driver, how it responds, and its GPUs."""
    known_host = host if isinstance(host, Host) else None
    if sys.platform == "darwin":
        none = Absent(why="macOS has no NVIDIA driver")
        return none, none, none
    jetson = known_host is not None and "Jetson" in known_host.model
    elsewhere = "WSL" if known_host and known_host.wsl else "Jetson" if jetson else ""
    on_bus = len(pci.of("10de")) if isinstance(pci, PciBus) else 0
    world = read_world(Path("/"), os.environ, gpus_on_bus=on_bus, elsewhere=elsewhere)
    return look(world, Path("/"), os.environ, Limits())


def read_world(
    root: Path, environ: Mapping[str, str], *, gpus_on_bus: int, elsewhere: str
) -> MachineFiles:
    """Read the files under `root`."""
    versions = (library_version(find_library(name, root, environ)) for name in (NVML, CUDA))
    return MachineFiles(
        # WSL has no NVIDIA kernel module: files that name one belong to something else
        driver=None if elsewhere == "WSL" else driver_files(root),
        library=next(
            (version for version in versions if "." in version), ""
        ),  # in WSL the file names have no version
        gpus_on_bus=gpus_on_bus,
        nodes=bool(cards(root / "dev")),
        elsewhere=elsewhere,
    )


def driver_files(root: Path) -> NvidiaDriver | None:
    """Return the kernel module according to /proc and /sys; None if it is not loaded."""
    module = None
    if text := read(root / "proc/driver/nvidia/version"):
        from tunedoctor.readers.nvidia_smi import proc_version  # noqa: PLC0415

        module = proc_version(text)
    if not (version := line(root / "sys/module/nvidia/version")):
        return module
    source, kind = "/sys/module/nvidia/version", module.open_module if module else None
    return NvidiaDriver(version=version, source=source, open_module=kind)


def look(
    world: MachineFiles, root: Path, environ: Mapping[str, str], limits: Limits
) -> NvidiaFacts:
    """Ask the available tools and combine their answers."""
    end = time.monotonic() + limits.all
    wsl = str(root / WSL_FOLDER)
    name = "nvidia-smi.exe" if sys.platform == "win32" else "nvidia-smi"
    smi_path = find_program(name, environ, (wsl, *_windows_folders(environ)))
    nvml = MISSING
    if find_nvml(root, environ):
        more = limits.nvml_per_gpu * max(world.gpus_on_bus - 2, 0)
        environment = dict(environ)
        if os.path.isdir(wsl):  # noqa: PTH112  not every distribution's loader knows it
            paths = filter(None, (environ.get("LD_LIBRARY_PATH"), wsl))
            environment["LD_LIBRARY_PATH"] = ":".join(paths)
        nvml = ask_nvml(min(limits.nvml + more, limits.nvml_most), environment)
    smi = DriverAnswer(how="not asked") if smi_path else MISSING
    # if NVML hangs, nvidia-smi hangs too, because it uses NVML
    if smi_path and not (nvml.how in ("ok", "hung") or nvml.gpus):
        smi = ask_smi(smi_path, min(limits.smi, max(end - time.monotonic(), 1.0)))
    return conclude(world, nvml, smi)


def conclude(world: MachineFiles, nvml: DriverAnswer, smi: DriverAnswer) -> NvidiaFacts:
    """Return the three facts that follow from the answers."""
    answer: NvidiaAnswer | Absent = Absent(why="neither NVML nor nvidia-smi was found")
    if nvml != MISSING or smi != MISSING:
        both = nvml.how, nvml.code, nvml.text, smi.how, smi.code, smi.text
        answer = NvidiaAnswer(*both)
    silent = _silence(nvml, smi)
    return answer, _driver(world, nvml, smi, silent), _gpus(world, nvml, smi, silent)


def _silence(nvml: DriverAnswer, smi: DriverAnswer) -> str:
    """Return why no tool gave an answer; "" if the tools say that no driver is loaded."""
    for name, answer in (("NVML", nvml), ("nvidia-smi", smi)):
        failed = answer.how == "error" and answer.code not in _NOT_LOADED
        if failed or answer.how in ("hung", "crashed", "nonsense"):
            code = f" (error {answer.code})" if name == "NVML" and answer.code else ""
            return f"{name}: {answer.text}{code}"
    return ""


def _driver(
    world: MachineFiles, nvml: DriverAnswer, smi: DriverAnswer, silent: str
) -> NvidiaDriver | Lack:
    versions = ((nvml.driver, "NVML"), (smi.driver, "nvidia-smi"))
    driver = world.driver or next(
        (NvidiaDriver(version=v, source=s) for v, s in versions if v), None
    )
    if driver:
        cuda, library = nvml.cuda or smi.cuda, world.library or smi.library
        return msgspec.structs.replace(driver, cuda=cuda, library=library)
    if silent:
        return Unknown(why=silent)
    if world.elsewhere == "WSL":
        return Absent(why="the NVIDIA driver of Windows is not available in this WSL")
    return Absent(why="no NVIDIA driver is loaded")


def _gpus(
    world: MachineFiles, nvml: DriverAnswer, smi: DriverAnswer, silent: str
) -> NvidiaGpus | Lack:
    if nvml.how in ("ok", "error") and nvml.gpus:
        from tunedoctor.readers.nvidia_smi import complete  # noqa: PLC0415  seldom needed

        return NvidiaGpus(gpus=tuple(map(complete, nvml.gpus)), source="nvml")
    if smi.gpus:
        return NvidiaGpus(gpus=smi.gpus, source="nvidia-smi")
    if smi.code == _NO_DEVICES or (nvml.how == "ok" and nvml.count == 0):
        return Absent(why="the driver reports no GPU")
    return Unknown(why=silent) if silent else _unasked(world)


def _unasked(world: MachineFiles) -> Lack:
    """Return what the files say about GPUs, if no tool could be asked."""
    if world.elsewhere == "Jetson":
        return Unknown(why="a Jetson, and no tool was found that reports its GPU")
    if world.driver and world.nodes:
        return Unknown(why=f"driver {world.driver.version} is loaded, but NVML cannot reach it")
    if world.driver:
        return Absent(
            why=f"driver {world.driver.version} is loaded, but /dev/nvidia0 does not exist"
        )
    if world.gpus_on_bus:
        why = "an NVIDIA GPU is on the PCI bus, but the NVIDIA kernel module is not loaded"
        return Unknown(why=why)
    return Absent(why="neither an NVIDIA GPU nor its driver was found")


def _windows_folders(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the Windows folders where current and older drivers install their tools; () elsewhere."""
    if sys.platform != "win32":
        return ()
    system = environ.get("WINDIR", "C:\\Windows") + "\\System32"
    programs = environ.get("ProgramFiles", "C:\\Program Files")
    return (system, programs + "\\NVIDIA Corporation\\NVSMI")


def find_nvml(root: Path, environ: Mapping[str, str]) -> bool:
    """Return whether NVML can be loaded here."""
    if sys.platform == "win32":
        return any(Path(folder, "nvml.dll").is_file() for folder in _windows_folders(environ))
    if find_library(NVML, root, environ):
        return True
    preloaded = environ.get("LD_PRELOAD") or (root / "etc/ld.so.preload").exists()
    if root != Path("/") or ((root / "etc/ld.so.cache").exists() and not preloaded):
        return False
    # preloaded, or a system whose loader has no cache: only the loader itself knows
    import ctypes  # noqa: PLC0415  1.6 ms

    try:
        ctypes.CDLL(NVML)
    except OSError:
        return False
    return True


def ask_nvml(seconds: float, environ: Mapping[str, str]) -> DriverAnswer:
    """Ask NVML in a child for at most `seconds`."""
    from importlib.util import find_spec  # noqa: PLC0415  seldom needed

    spec = find_spec("pynvml")
    if spec is None or spec.origin is None:
        return DriverAnswer(how="not asked", text="the package nvidia-ml-py is not installed")
    script, folder = Path(__file__).with_name("nvml_child.py"), str(Path(spec.origin).parent)
    argv = [sys.executable, "-I", "-S", str(script), folder]
    return answer_of_nvml(run(argv, timeout=seconds, env=environ))


def answer_of_nvml(completed: ChildResult) -> DriverAnswer:
    """Parse the child's output. Lines from others, such as a stub library, are ignored."""
    lines = [line for text in completed.out.splitlines() if (line := _line(text))]
    failure = next((line for line in lines if line.code is not None), None)
    summary = next(
        (line for line in lines if line.driver or line.count is not None), DriverAnswer()
    )
    gpus = tuple(gpu for line in lines for gpu in line.gpus)
    code, text = (failure.code, failure.text) if failure else (None, "")
    if completed.how == "hung":
        how, code, text = "hung", None, f"no answer in {completed.seconds:.0f} s"
    elif completed.how == "not started":
        how, text = "not asked", completed.err
    elif failure:
        how = "missing" if code == _NOT_LOADED[1] else "error"
    elif any(line.how == "done" for line in lines):
        how = "ok" if len(gpus) == summary.count and not completed.truncated else "nonsense"
        text = "" if how == "ok" else f"it counts {summary.count} GPUs but describes {len(gpus)}"
    else:
        last = completed.err.strip().rpartition("\n")[2]
        how, text = "crashed", ": ".join(filter(None, (completed.death, last[:300])))
    return msgspec.structs.replace(summary, how=how, code=code, text=text, gpus=gpus)


def _line(text: str) -> DriverAnswer | None:
    try:
        return msgspec.json.decode(text, type=DriverAnswer) if text.startswith("{") else None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def ask_smi(path: str, seconds: float) -> DriverAnswer:
    """Run the nvidia-smi at `path`, for at most `seconds` in all."""
    end = time.monotonic() + seconds
    query = [path, f"--query-gpu={','.join(FIELDS)}", "--format=csv,noheader,nounits"]
    first = run(query, timeout=seconds)
    answer = answer_of_smi_query(first)
    left = end - time.monotonic()
    if answer is not None or left < _LEAST:
        return answer or _failed(first)
    return answer_of_smi_table(run([path], timeout=left))


def answer_of_smi_query(completed: ChildResult) -> DriverAnswer | None:
    """Parse the answer to the query; None if this nvidia-smi did not understand it."""
    from tunedoctor.readers.nvidia_smi import (  # noqa: PLC0415
        complete,
        output_of_rows,
        row_of,
    )

    if completed.how != "exit" or completed.truncated:
        return _failed(completed)
    lines = [line for line in completed.out.splitlines() if line.strip()]
    rows = [row_of(FIELDS, line) for line in lines]
    if rows and all(row and row["index"].isdecimal() for row in rows):
        smi_output = output_of_rows(rows[: MOST_GPUS + 1])
        if len(rows) > MOST_GPUS or len({gpu.index for gpu in smi_output.gpus}) < len(rows):
            return _failed(completed)
        return DriverAnswer(
            how="ok", driver=smi_output.driver, gpus=tuple(map(complete, smi_output.gpus))
        )
    return _failed(completed) if _failure(completed) else None


def answer_of_smi_table(completed: ChildResult) -> DriverAnswer:
    """Parse the plain table."""
    from tunedoctor.readers.nvidia_smi import read as said_in  # noqa: PLC0415
    from tunedoctor.readers.paste import Paste  # noqa: PLC0415  seldom needed

    if completed.how != "exit" or completed.truncated:
        return _failed(completed)
    facts = said_in(Paste(completed.out.splitlines()))
    driver = next((fact for fact in facts if isinstance(fact, NvidiaDriver)), None)
    gpus = next((fact.gpus for fact in facts if isinstance(fact, NvidiaGpus)), ())
    # a table without GPUs was cut off: if there are none, nvidia-smi says so in words
    answer = DriverAnswer(how="ok", gpus=gpus) if 0 < len(gpus) <= MOST_GPUS else _failed(completed)
    if driver is None:
        return answer
    driver_fields = {"driver": driver.version, "cuda": driver.cuda, "library": driver.library}
    return msgspec.structs.replace(answer, **driver_fields)


def _failure(completed: ChildResult) -> NvidiaAnswer | None:
    from tunedoctor.readers.nvidia_smi import failures  # noqa: PLC0415
    from tunedoctor.readers.paste import Paste  # noqa: PLC0415  seldom needed

    return failures(Paste([*completed.out.splitlines(), *completed.err.splitlines()]))


def _failed(completed: ChildResult) -> DriverAnswer:
    if completed.how == "hung":
        return DriverAnswer(how="hung", text=f"no answer in {completed.seconds:.0f} s")
    if completed.how == "signal":
        return DriverAnswer(how="crashed", text=completed.death)
    if completed.how == "not started":
        return DriverAnswer(how="error", text=completed.err)
    failure = None if completed.truncated else _failure(completed)
    lines = [
        line for line in (*completed.out.splitlines(), *completed.err.splitlines()) if line.strip()
    ]
    text = "\n".join(lines[:_LINES])[:1000]
    if failure is None:
        what = f"{len(lines)} lines, first '{text[:60]}'" if lines else "nothing"
        return DriverAnswer(how="nonsense", text=f"its output is not that of nvidia-smi: {what}")
    return DriverAnswer(how="error", code=completed.code or failure.smi_code, text=text)
