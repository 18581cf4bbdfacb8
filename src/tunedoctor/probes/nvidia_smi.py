"""Ask nvidia-smi: one query, and the plain table where this one does not know the query."""

import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from tunedoctor.child import Ended, run
from tunedoctor.facts import NvidiaAnswer, NvidiaDriver, NvidiaGpu, NvidiaGpus

FIELDS = (
    "index",
    "name",
    "uuid",
    "pci.bus_id",
    "driver_version",
    "memory.total",
    "memory.free",
    "compute_cap",
    "mig.mode.current",
    "ecc.errors.uncorrected.volatile.total",
)
_LINES = 4
"""Lines of a failure that are kept."""
MOST_GPUS = 256
"""No machine has more."""
_LEAST = 0.5


class SmiSaid(msgspec.Struct, frozen=True, kw_only=True):
    """What nvidia-smi answered."""

    how: str
    """As in the fact NvidiaAnswer."""
    code: int | None = None
    text: str = ""
    driver: str = ""
    cuda: str = ""
    library: str = ""
    gpus: tuple[NvidiaGpu, ...] = ()


def find_smi(environ: Mapping[str, str], more: Iterable[str] = ()) -> str:
    """Return the nvidia-smi that PATH names first, then that of the folders `more`; "" for none."""
    return find_program("nvidia-smi.exe" if os.name == "nt" else "nvidia-smi", environ, more)


def find_program(name: str, environ: Mapping[str, str], more: Iterable[str] = ()) -> str:
    """Return the program that PATH names first, then that of the folders `more`; "" for none."""
    for folder in (*environ.get("PATH", "").split(os.pathsep), *more):
        file = f"{folder}{os.sep}{name}"
        # the working folder is never searched, though an empty entry of PATH would mean it
        if (
            folder
            and os.access(file, os.X_OK)
            and Path(folder).is_absolute()
            and Path(file).is_file()
        ):
            return str(Path(file))
    return ""


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
    from tunedoctor.readers.nvidia_smi import complete  # noqa: PLC0415  seldom needed
    from tunedoctor.readers.smi.rows import row_of, seen  # noqa: PLC0415

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
    facts = read(ended.out)
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
    from tunedoctor.readers.smi.failures import failures  # noqa: PLC0415  seldom needed

    return failures([*ended.out.splitlines(), *ended.err.splitlines()])


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
