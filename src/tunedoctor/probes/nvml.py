"""Run the child that asks NVML, and read its lines."""

import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from tunedoctor.child import Ended, run
from tunedoctor.facts import NvidiaGpu

_LIBRARY_NOT_FOUND = 12


class NvmlSaid(msgspec.Struct, frozen=True, kw_only=True):
    """What NVML answered."""

    how: str
    """As in the fact NvidiaAnswer."""
    code: int | None = None
    text: str = ""
    driver: str = ""
    cuda: str = ""
    gpus: tuple[NvidiaGpu, ...] = ()
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
