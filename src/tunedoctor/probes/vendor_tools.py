"""Ask the vendors' tools in children: NVML and nvidia-smi, and those of AMD and Intel where files show no GPU."""

import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import msgspec
from msgspec.structs import replace

from tunedoctor.child import Ended, run
from tunedoctor.clean import inert
from tunedoctor.facts import (
    AmdGpu,
    AmdGpus,
    IntelGpu,
    NvidiaAnswer,
    NvidiaDriver,
    NvidiaGpu,
    NvidiaGpus,
)
from tunedoctor.tables.load import table
from tunedoctor.targeting import which

_LIBRARY_NOT_FOUND = 12


class _Said(msgspec.Struct, frozen=True, kw_only=True):
    """What either way of asking the driver answered."""

    how: str
    """As in the fact NvidiaAnswer."""
    code: int | None = None
    text: str = ""
    driver: str = ""
    cuda: str = ""
    gpus: tuple[NvidiaGpu, ...] = ()


class NvmlSaid(_Said, frozen=True, kw_only=True):
    """What NVML answered."""

    count: int | None = None
    """Number of GPUs that the driver counts; None where it did not get that far."""


class _Line(msgspec.Struct, frozen=True):
    """One line of the child."""

    driver: str = ""
    cuda: str = ""
    count: int | None = None
    gpu: NvidiaGpu | None = None
    error: int | None = None
    text: str = ""
    done: bool = False


def ask_nvml(seconds: float, environ: Mapping[str, str]) -> NvmlSaid:
    """Ask NVML in a child for at most `seconds`."""
    from importlib.util import find_spec  # noqa: PLC0415  seldom needed

    spec = find_spec("pynvml")
    if spec is None or spec.origin is None:
        return NvmlSaid(how="not asked", text="the package nvidia-ml-py is not installed")
    script = Path(__file__).with_name("nvml_child.py")
    folder = str(Path(spec.origin).parent)
    argv = [sys.executable, "-I", "-S", str(script), folder]
    return nvml_said(run(argv, timeout=seconds, env=environ))


def nvml_said(ended: Ended) -> NvmlSaid:
    """Read what the child printed before it ended. Lines of others, as of a stub library, are passed over."""
    lines = [line for text in ended.out.splitlines() if (line := _line(text))]
    failure = next((line for line in lines if line.error is not None), None)
    driver = next((line.driver for line in lines if line.driver), "")
    cuda = next((line.cuda for line in lines if line.cuda), "")
    count = next((line.count for line in lines if line.count is not None), None)
    gpus = tuple(line.gpu for line in lines if line.gpu)
    code, text = (failure.error, failure.text) if failure else (None, "")
    if ended.how == "hung":
        how, code, text = "hung", None, f"no answer in {ended.seconds:.0f} s"
    elif ended.how == "not started":
        how, text = "not asked", ended.err
    elif failure:
        how = "missing" if code == _LIBRARY_NOT_FOUND else "error"
    elif any(line.done for line in lines):
        how = "ok" if len(gpus) == count and not ended.truncated else "nonsense"
        text = "" if how == "ok" else f"it counts {count} GPUs and tells of {len(gpus)}"
    else:
        last = ended.err.strip().rpartition("\n")[2]
        how, text = "crashed", ": ".join(filter(None, (ended.death, last[:300])))
    return NvmlSaid(how=how, code=code, text=text, driver=driver, cuda=cuda, gpus=gpus, count=count)


def _line(text: str) -> _Line | None:
    if not text.startswith("{"):
        return None
    try:
        return msgspec.json.decode(text, type=_Line)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


FIELDS: list[str] = table("probes")["smi_fields"]
_LINES = 4
"""Lines of a failure that are kept."""
MOST_GPUS = 256
"""No machine has more."""
_LEAST = 0.5


class SmiSaid(_Said, frozen=True, kw_only=True):
    """What nvidia-smi answered."""

    library: str = ""


def find_smi(environ: Mapping[str, str], more: Iterable[str] = ()) -> str:
    """Return the nvidia-smi that PATH names first, then that of the folders `more`; "" for none."""
    return find_program("nvidia-smi.exe" if os.name == "nt" else "nvidia-smi", environ, more)


def find_program(name: str, environ: Mapping[str, str], more: Iterable[str] = ()) -> str:
    """Return the program that PATH names first, then that of the folders `more`; "" for none.

    The working folder is never searched, though an empty or a relative entry of PATH would mean it.
    """
    folders = filter(os.path.isabs, (*environ.get("PATH", "").split(os.pathsep), *more))
    return which(name, {**environ, "PATH": os.pathsep.join(folders)})


def ask_smi(path: str, seconds: float) -> SmiSaid:
    """Ask the nvidia-smi at `path`, for at most `seconds` in all."""
    end = time.monotonic() + seconds
    query = [path, f"--query-gpu={','.join(FIELDS)}", "--format=csv,noheader,nounits"]
    first = run(query, timeout=seconds)
    said = smi_query_said(first)
    left = end - time.monotonic()
    if said is not None or left < _LEAST:
        return said or _failed(first)
    return smi_table_said(run([path], timeout=left))


def smi_query_said(ended: Ended) -> SmiSaid | None:
    """Read the answer to the query; None where this nvidia-smi did not understand it."""
    from tunedoctor.readers.nvidia_smi import (  # noqa: PLC0415
        complete,
        row_of,
        seen,
    )

    if ended.how != "exit" or ended.truncated:
        return _failed(ended)
    lines = [line for line in ended.out.splitlines() if line.strip()]
    rows = [row_of(FIELDS, line) for line in lines]
    if rows and all(row and row["index"].isdecimal() for row in rows):
        what = seen(rows[: MOST_GPUS + 1])
        if len(rows) > MOST_GPUS or len({gpu.index for gpu in what.gpus}) < len(rows):
            return _failed(ended)
        return SmiSaid(how="ok", driver=what.driver, gpus=tuple(map(complete, what.gpus)))
    return _failed(ended) if _failure(ended) else None


def smi_table_said(ended: Ended) -> SmiSaid:
    """Read the plain table."""
    from tunedoctor.readers.nvidia_smi import read  # noqa: PLC0415  seldom needed

    if ended.how != "exit" or ended.truncated:
        return _failed(ended)
    facts = read(ended.out.splitlines())
    driver = next((one for one in facts if isinstance(one, NvidiaDriver)), None)
    gpus = next((one.gpus for one in facts if isinstance(one, NvidiaGpus)), ())
    # a table without GPUs was cut off: where there are none, nvidia-smi says so in words
    said = SmiSaid(how="ok", gpus=gpus) if 0 < len(gpus) <= MOST_GPUS else _failed(ended)
    if driver is None:
        return said
    return msgspec.structs.replace(
        said, driver=driver.version, cuda=driver.cuda, library=driver.library
    )


def _failure(ended: Ended) -> NvidiaAnswer | None:
    from tunedoctor.readers.nvidia_smi import failures  # noqa: PLC0415
    from tunedoctor.readers.paste import Paste  # noqa: PLC0415  seldom needed

    return failures(Paste([*ended.out.splitlines(), *ended.err.splitlines()]))


def _failed(ended: Ended) -> SmiSaid:
    if ended.how == "hung":
        return SmiSaid(how="hung", text=f"no answer in {ended.seconds:.0f} s")
    if ended.how == "signal":
        return SmiSaid(how="crashed", text=ended.death)
    if ended.how == "not started":
        return SmiSaid(how="error", text=ended.err)
    known = None if ended.truncated else _failure(ended)
    lines = [line for line in (*ended.out.splitlines(), *ended.err.splitlines()) if line.strip()]
    text = "\n".join(lines[:_LINES])[:1000]
    if known is None:
        what = f"{len(lines)} lines, first '{text[:60]}'" if lines else "nothing"
        return SmiSaid(how="nonsense", text=f"it printed what nvidia-smi never does: {what}")
    return SmiSaid(how="error", code=ended.code or known.smi_code, text=text)


AMD: Mapping[str, tuple[str, ...]] = {
    "rocminfo": (),
    "amd-smi": ("static", "--asic", "--bus"),
    "rocm-smi": ("--showproductname", "--showbus", "--showid", "--json"),
}
"""Program -> arguments that list GPUs; the first is the compute runtime itself."""
INTEL: Mapping[str, tuple[str, ...]] = {"xpu-smi": ("discovery",), "sycl-ls": ()}
SECONDS = 4.0
"""For all tools of a vendor: with the files read before, less than a probe may take."""
MOST = 1 << 20
"""Bytes of an answer that are read."""


def amd_told(environ: Mapping[str, str], more: Iterable[Path] = ()) -> AmdGpus | None:
    """Return the GPUs that ROCm's tools list; `more` are folders of ROCm. None where no tool names one."""
    for tool, lines in _answers(AMD, environ, [str(folder / "bin") for folder in more]):
        from tunedoctor.readers.paste import Paste  # noqa: PLC0415  seldom needed
        from tunedoctor.readers.rocm import by_system, read  # noqa: PLC0415

        for fact in read(lines):
            if isinstance(fact, AmdGpus):
                return replace(fact, told_by=tool)
        # a bare list has no names
        if nameless := by_system(Paste(lines)):
            gpus = (
                AmdGpu(at, gfx="", name="AMD GPU", slot=told.get("slot", ""))
                for at, told in nameless.items()
            )
            return AmdGpus(gpus=tuple(gpus), told_by=tool)
    return None


def intel_told(environ: Mapping[str, str]) -> IntelGpu | None:
    """Return the GPUs that Intel's tools list; None where no tool names one that training can use."""
    for _, lines in _answers(INTEL, environ):
        from tunedoctor.readers.hardware import Bus, intel  # noqa: PLC0415
        from tunedoctor.readers.paste import Paste  # noqa: PLC0415  seldom needed

        fact = intel(Paste(lines), Bus())
        if fact is not None and fact.discrete:
            return fact
    return None


def _answers(
    tools: Mapping[str, tuple[str, ...]], environ: Mapping[str, str], more: Iterable[str] = ()
) -> Iterator[tuple[str, list[str]]]:
    """Run one tool after the other while there is time, and yield what each printed."""
    left = SECONDS
    for name, arguments in tools.items():
        path = find_program(name, environ, more)
        if path and left > 0:
            ended = run([path, *arguments], timeout=left, limit=MOST)
            left -= ended.seconds
            if ended.how == "exit" and not ended.truncated:
                yield name, inert(ended.out).splitlines()
