"""Run the stack inside the target, in a child, and tell what it said: only `--deep` does so.

`target/deep.py` tells of each stage before and after it. A stage that stays silent too long is
hung; where the child dies, the stage that was begun last crashed. After a crash or a hang of a
stage other than `import torch` the script starts again without it, so that later stages are told.
"""

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tunedoctor import child
from tunedoctor.facts import Absent, Interpreter, RunDevice, Runtime, Stage, Stray, Unknown
from tunedoctor.probing import probe
from tunedoctor.versions import at_least

OVERALL = 900.0
"""Seconds for all stages, restarts counted in."""
STAGE = 60.0
"""Seconds for one stage; the script grants some more and says so."""
IDLE = 20.0
"""Seconds without any work after which a stage is hung, whatever its limit."""
GRACE = 3.0
"""Seconds after the limit in which the child itself may still tell where it stands."""
RESTARTS = 4
MOST_WARNINGS = 50
LONGEST = 1000
"""Characters of one warning."""
FRAMES = 6
OLDEST = "3.8"
"""Python that the script needs."""

SCRIPT = Path(__file__).parent.parent / "target" / "start.py"


class Data(msgspec.Struct, frozen=True):
    """What a stage found; each stage fills other fields."""

    version: str = ""
    cuda: str = ""
    hip: str = ""
    file: str = ""
    archs: tuple[str, ...] = ()
    available: bool | None = None
    gpu_error: str = ""
    device: Any = None
    """Of the fact RunDevice; a driver can tell numbers that no device has."""
    attention: tuple[str, ...] = ()


class Line(msgspec.Struct, frozen=True):
    """One line of the script."""

    begin: str = ""
    limit: float = 0.0
    """Seconds that the stage may take."""
    end: str = ""
    done: bool = False
    ok: bool = False
    skipped: bool = False
    error: str = ""
    type: str = ""
    seconds: float = 0.0
    warnings: tuple[str, ...] = ()
    data: Data = Data()
    strays: tuple[Stray, ...] = ()


class Run(NamedTuple):
    """One run of the script: its lines, how it ended, and what else it said."""

    lines: tuple[Line, ...]
    ended: child.Ended
    words: tuple[str, ...] = ()
    """Lines of faulthandler."""

    @property
    def broke_in(self) -> str:
        """The stage in which the child died or hung; "" where it came to its end."""
        if self.lines and self.lines[-1].done:
            return ""
        begun = [one.begin for one in self.lines if one.begin]
        finished = {one.end for one in self.lines if one.end}
        return begun[-1] if begun and begun[-1] not in finished else "between stages"


@probe(Runtime, seconds=OVERALL + 20.0, deep=True)
def runtime(interpreter: Interpreter) -> Runtime | Absent | Unknown:
    """Execute the packages of the target."""
    return runtime_of(interpreter.executable, interpreter.version, os.environ)


def runtime_of(
    python: str,
    version: str,
    environment: Mapping[str, str],
    words: Sequence[str] = (),
    watch: Callable[[list[str]], None] | None = None,
) -> Runtime | Absent | Unknown:
    """Run the script with `python`; TUNEDOCTOR_STAGE_SECONDS in `environment` limits a stage.

    `words` are further ones for the script: `importing`. `watch` is told each stage that begins.
    """
    if not at_least(version, OLDEST):
        return Absent(why=f"running the stack needs Python {OLDEST}; the target has {version}")
    try:
        limit = float(environment.get("TUNEDOCTOR_STAGE_SECONDS", ""))
    except ValueError:
        limit = STAGE
    limit = limit if 0.0 < limit <= OVERALL else STAGE
    import tempfile  # noqa: PLC0415  only a deep check needs it

    lines: list[Line] = []
    others: list[str] = []

    def heard(text: str) -> float:
        try:
            line = msgspec.json.decode(text, type=Line)
        except (msgspec.DecodeError, RecursionError):
            others.append(text)
            return GRACE / 2
        lines.append(line)
        if watch and line.begin:
            watch([line.begin])
        return max(line.limit, limit) + GRACE

    ends = time.monotonic() + OVERALL
    argv = [python, str(SCRIPT), "deep", "--seconds", str(limit), *words]
    runs: list[Run] = []
    while len(runs) <= RESTARTS and (left := ends - time.monotonic()) > 0:
        lines.clear()
        others.clear()
        with tempfile.TemporaryDirectory(prefix="doctor-", ignore_cleanup_errors=True) as scratch:
            ended = child.run_lines(
                argv,
                heard=heard,
                silence=limit + GRACE,
                idle=IDLE,
                timeout=left,
                env=steered(environment, scratch),
            )
        runs.append(Run(tuple(lines), ended, tuple(others)))
        # what neither told nor began a stage would end so again
        if runs[-1].broke_in in ("", "import torch", "between stages"):
            break
        argv += ["--skip", runs[-1].broke_in]
    if not any(one.begin for one in runs[0].lines):
        said = f"{runs[0].ended.death} {' '.join(runs[0].ended.err.split())[-300:]}"
        return Unknown(why=f"the target did not run the probe: {said}".strip())
    return fold(runs)


def importing(also: Iterable[str] = (), *, deep: bool = False) -> list[str]:
    """Return the words for a run that starts no GPU; `also`: modules besides the stack. `deep`: one that does."""
    return ["--imports"] * (not deep) + [word for name in also for word in ("--also", name)]


def steered(environment: Mapping[str, str], scratch: str) -> dict[str, str]:
    """Return the user's variables, and those that keep the run off the network and the disk."""
    return {
        **environment,
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONIOENCODING": "utf-8",
        "TRITON_CACHE_DIR": scratch,
        "TORCHINDUCTOR_CACHE_DIR": scratch,
    }


def fold(runs: Sequence[Run]) -> Runtime:
    """Make the fact of all runs; of a stage told twice the first telling counts."""
    stages: dict[str, Stage] = {}
    datas: list[Data] = []
    warnings: list[str] = []
    for run in runs:
        for line in run.lines:
            if line.end and line.end not in stages:
                stages[line.end] = Stage(
                    name=line.end,
                    outcome="ok" if line.ok else "skipped" if line.skipped else "failed",
                    error=line.error,
                    error_type=line.type,
                    seconds=line.seconds,
                )
                datas.append(line.data)
                warnings += line.warnings
        if run.broke_in and run.broke_in not in stages:
            stages[run.broke_in] = broken(run)
    warnings += paragraphs(runs[0].ended.err)
    distinct = list(dict.fromkeys(w.strip()[:LONGEST] for w in warnings if w.strip()))
    build = next((d for d in datas if d.version or d.file), Data())
    gpu = next((d for d in datas if d.available is not None), Data())
    return Runtime(
        stages=tuple(stages.values()),
        torch_version=build.version,
        torch_cuda=build.cuda,
        torch_hip=build.hip,
        torch_file=build.file,
        gpu_available=gpu.available,
        gpu_error=gpu.gpu_error,
        archs=build.archs or gpu.archs,
        devices=tuple(d for data in datas if (d := _device(data.device)) is not None),
        attention=next((d.attention for d in datas if d.attention), ()),
        warnings=tuple(distinct[:MOST_WARNINGS]),
        strays=next((line.strays for run in runs for line in run.lines if line.strays), ()),
    )


def broken(run: Run) -> Stage:
    """Tell how a run broke, with the place where Python stood."""
    hung = run.ended.how == "hung"
    limit = max((one.limit for one in run.lines if one.begin == run.broke_in), default=STAGE)
    # shorter than GRACE is only the wait after faulthandler spoke, at the end of the limit
    if hung and run.ended.seconds >= GRACE:
        limit = min(limit, run.ended.seconds)
    lines = [f"no answer in {limit:.0f} s" if hung else run.ended.death, *frames(run.words)]
    if len(lines) == 1:
        lines += ["  " + one[:300] for one in run.ended.err.splitlines()[-3:] if one.strip()]
    return Stage(
        name=run.broke_in,
        outcome="hung" if hung else "crashed",
        error="\n".join(lines),
        seconds=limit if hung else 0.0,
    )


_OURS = (
    *(f'"{SCRIPT.with_name(one)}"' for one in ("deep.py", "telling.py", "start.py")),
    *('"<frozen', "importlib/__init__.py"),
)
"""Marks of frames of the script and of the import system, which are none of the tested packages."""


def frames(words: Sequence[str]) -> list[str]:
    """Return the innermost frames of faulthandler's main or current thread, innermost first."""
    sections: list[tuple[bool, list[str]]] = []
    for word in words:
        if "most recent call first" in word:
            sections.append((word.startswith(("Current thread", "Stack")), []))
        elif sections and word.startswith('  File "') and not any(part in word for part in _OURS):
            sections[-1][1].append(word)
    # of a hang no thread is called current: the main one comes last
    chosen = next((found for current, found in sections if current), None)
    return (chosen if chosen is not None else sections[-1][1] if sections else [])[:FRAMES]


def paragraphs(text: str) -> list[str]:
    """Split what was printed at blank lines: each is a warning of its own."""
    found = [""]
    for line in map(str.rstrip, text.splitlines()):
        found[-1] += f"{line}\n" if line else ""
        found += [""] if found[-1] and not line else []
    return [one.rstrip("\n") for one in found if one]


def _device(told: Any) -> RunDevice | None:  # noqa: ANN401
    try:
        return msgspec.convert(told, RunDevice) if told else None
    except msgspec.ValidationError:
        return None
