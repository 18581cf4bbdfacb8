"""Ask NVML and nvidia-smi, each in a child with a time limit, and read what they say."""

import sys
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from tunedoctor.child import Ended, run
from tunedoctor.facts import NvidiaAnswer, NvidiaDriver, NvidiaGpu, NvidiaGpus
from tunedoctor.tables.load import table

_LIBRARY_NOT_FOUND = 12
FIELDS: list[str] = table("probes")["smi_fields"]
_LINES = 4
"""Lines of a failure that are kept."""
MOST_GPUS = 256
"""No machine has more."""
_LEAST = 0.5


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What NVML or nvidia-smi answered; each line of the child that asks NVML is a part of one."""

    how: str = ""
    """As in the fact NvidiaAnswer."""
    code: int | None = None
    text: str = ""
    driver: str = ""
    cuda: str = ""
    library: str = ""
    gpus: tuple[NvidiaGpu, ...] = ()
    count: int | None = None
    """Number of GPUs that NVML counts; None where it did not get that far."""


MISSING = Said(how="missing")
"""It is not here."""


def ask_nvml(seconds: float, environ: Mapping[str, str]) -> Said:
    """Ask NVML in a child for at most `seconds`."""
    from importlib.util import find_spec  # noqa: PLC0415  seldom needed

    spec = find_spec("pynvml")
    if spec is None or spec.origin is None:
        return Said(how="not asked", text="the package nvidia-ml-py is not installed")
    script, folder = Path(__file__).with_name("nvml_child.py"), str(Path(spec.origin).parent)
    argv = [sys.executable, "-I", "-S", str(script), folder]
    return nvml_said(run(argv, timeout=seconds, env=environ))


def nvml_said(ended: Ended) -> Said:
    """Read what the child printed before it ended. Lines of others, as of a stub library, are passed over."""
    lines = [line for text in ended.out.splitlines() if (line := _line(text))]
    failure = next((line for line in lines if line.code is not None), None)
    told = next((line for line in lines if line.driver or line.count is not None), Said())
    gpus = tuple(gpu for line in lines for gpu in line.gpus)
    code, text = (failure.code, failure.text) if failure else (None, "")
    if ended.how == "hung":
        how, code, text = "hung", None, f"no answer in {ended.seconds:.0f} s"
    elif ended.how == "not started":
        how, text = "not asked", ended.err
    elif failure:
        how = "missing" if code == _LIBRARY_NOT_FOUND else "error"
    elif any(line.how == "done" for line in lines):
        how = "ok" if len(gpus) == told.count and not ended.truncated else "nonsense"
        text = "" if how == "ok" else f"it counts {told.count} GPUs and tells of {len(gpus)}"
    else:
        last = ended.err.strip().rpartition("\n")[2]
        how, text = "crashed", ": ".join(filter(None, (ended.death, last[:300])))
    return msgspec.structs.replace(told, how=how, code=code, text=text, gpus=gpus)


def _line(text: str) -> Said | None:
    try:
        return msgspec.json.decode(text, type=Said) if text.startswith("{") else None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def ask_smi(path: str, seconds: float) -> Said:
    """Ask the nvidia-smi at `path`, for at most `seconds` in all."""
    end = time.monotonic() + seconds
    query = [path, f"--query-gpu={','.join(FIELDS)}", "--format=csv,noheader,nounits"]
    first = run(query, timeout=seconds)
    said = smi_query_said(first)
    left = end - time.monotonic()
    if said is not None or left < _LEAST:
        return said or _failed(first)
    return smi_table_said(run([path], timeout=left))


def smi_query_said(ended: Ended) -> Said | None:
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
        return Said(how="ok", driver=what.driver, gpus=tuple(map(complete, what.gpus)))
    return _failed(ended) if _failure(ended) else None


def smi_table_said(ended: Ended) -> Said:
    """Read the plain table."""
    from tunedoctor.readers.nvidia_smi import read  # noqa: PLC0415
    from tunedoctor.readers.paste import Paste  # noqa: PLC0415  seldom needed

    if ended.how != "exit" or ended.truncated:
        return _failed(ended)
    facts = read(Paste(ended.out.splitlines()))
    driver = next((one for one in facts if isinstance(one, NvidiaDriver)), None)
    gpus = next((one.gpus for one in facts if isinstance(one, NvidiaGpus)), ())
    # a table without GPUs was cut off: where there are none, nvidia-smi says so in words
    said = Said(how="ok", gpus=gpus) if 0 < len(gpus) <= MOST_GPUS else _failed(ended)
    if driver is None:
        return said
    told = {"driver": driver.version, "cuda": driver.cuda, "library": driver.library}
    return msgspec.structs.replace(said, **told)


def _failure(ended: Ended) -> NvidiaAnswer | None:
    from tunedoctor.readers.nvidia_smi import failures  # noqa: PLC0415
    from tunedoctor.readers.paste import Paste  # noqa: PLC0415  seldom needed

    return failures(Paste([*ended.out.splitlines(), *ended.err.splitlines()]))


def _failed(ended: Ended) -> Said:
    if ended.how == "hung":
        return Said(how="hung", text=f"no answer in {ended.seconds:.0f} s")
    if ended.how == "signal":
        return Said(how="crashed", text=ended.death)
    if ended.how == "not started":
        return Said(how="error", text=ended.err)
    known = None if ended.truncated else _failure(ended)
    lines = [line for line in (*ended.out.splitlines(), *ended.err.splitlines()) if line.strip()]
    text = "\n".join(lines[:_LINES])[:1000]
    if known is None:
        what = f"{len(lines)} lines, first '{text[:60]}'" if lines else "nothing"
        return Said(how="nonsense", text=f"it printed what nvidia-smi never does: {what}")
    return Said(how="error", code=ended.code or known.smi_code, text=text)
