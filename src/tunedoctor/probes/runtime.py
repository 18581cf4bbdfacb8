"""Run the stack inside the target, in a child process, and collect its results; only `--deep` does this.

A stage that is silent for too long counts as hung; if the child dies, the stage begun last has crashed. The script is
then started again without that stage, unless it was `import torch`, so that later stages are also tried.
"""

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

import msgspec

from tunedoctor.facts import (
    Absent,
    Interpreter,
    Packages,
    RunDevice,
    Runtime,
    Stage,
    Stray,
    Unknown,
)
from tunedoctor.model.snapshot import Lack
from tunedoctor.model.versions import at_least
from tunedoctor.probes.package_modules import ExtraModules, extra_modules
from tunedoctor.probes.probing import probe
from tunedoctor.probes.resources import child_limit
from tunedoctor.system import child
from tunedoctor.tables.load import table

OVERALL = 900.0
"""Seconds for all stages, including restarts."""
STAGE = 60.0
"""Seconds for one stage; for some, the script announces a longer limit."""
IDLE = 20.0
"""Seconds without any work after which a stage counts as hung, whatever its limit."""
GRACE = 3.0
"""Seconds after the limit in which the child itself can still report where it is."""
RESTARTS = 4
MOST_WARNINGS = 50
LONGEST = 1000
"""Most characters of one warning."""
FRAMES = 6
OLDEST = "3.8"
"""Oldest Python that the script supports."""

TARGET = Path(__file__).parent.parent / "target"
SCRIPT = str(TARGET / "start.py")
T = TypeVar("T")


class Data(msgspec.Struct, frozen=True):
    """The result of a stage of the deep probe; each stage fills different fields."""

    version: str = ""
    cuda: str = ""
    hip: str = ""
    file: str = ""
    archs: tuple[str, ...] = ()
    available: bool | None = None
    gpu_error: str = ""
    device: Any = None
    """As in the fact RunDevice; a driver can report numbers that no device has."""
    attention: tuple[str, ...] = ()


class ProgressStep(msgspec.Struct, frozen=True):
    """A progress report within a stage of training."""

    number: int = 0
    loss: float | None = None
    minutes: float | None = None


class ScriptLine(msgspec.Struct, frozen=True):
    """One line of output from a script with stages: the deep probe, or a part of the smoke training."""

    begin: str = ""
    limit: float = 0.0
    """Seconds of silence that the stage may take."""
    step: ProgressStep | None = None
    end: str = ""
    done: bool = False
    ok: bool = False
    skipped: bool = False
    error: str = ""
    type: str = ""
    seconds: float = 0.0
    rank: int = 0
    warnings: tuple[str, ...] = ()
    data: dict[str, Any] = {}
    """The result of the stage; each stage fills different keys."""
    strays: tuple[Stray, ...] = ()

    @property
    def outcome(self) -> Literal["ok", "skipped", "failed"]:
        """The outcome of a stage."""
        return "ok" if self.ok else "skipped" if self.skipped else "failed"


class ScriptRun(NamedTuple):
    """One run of a script: its lines, how it ended, and its other output."""

    lines: tuple[ScriptLine, ...]
    ended: child.ChildResult
    words: tuple[str, ...] = ()
    """Lines from faulthandler, and from libraries that bypass Python's stdout."""
    seconds: float = STAGE
    name: str = ""
    ranks: int = 1
    for_memory: bool | None = None
    """Whether the kernel killed a process for memory during the run; None if unknown."""

    @property
    def done(self) -> bool:
        """True if every rank finished."""
        return sum(line.done for line in self.lines) >= self.ranks

    def stands_in(self, rank: int = 0) -> str:
        """Return the stage that a rank last began and did not end, "" if there is none."""
        lines_of_rank = [line for line in self.lines if line.rank == rank]
        last_begun = [line.begin for line in lines_of_rank if line.begin][-1:]
        return "".join(
            name for name in last_begun if name not in {line.end for line in lines_of_rank}
        )

    @property
    def broke_in(self) -> str:
        """The stage in which the child died or hung; "" if it finished."""
        return "" if self.done else self.stands_in() or "between stages"

    def death(self, stage: str) -> tuple[float, str]:
        """Return the time limit that it exceeded (0 for a crash), and how it ended and where Python was."""
        hung = self.ended.how == "hung"
        limit = max([self.seconds, *(line.limit for line in self.lines if line.begin == stage)])
        # only the wait after faulthandler's report, at the end of the limit, is shorter than GRACE
        if self.ended.seconds >= GRACE:
            limit = min(limit, self.ended.seconds)
        lines = [f"no answer in {limit:.0f} s" if hung else self.ended.death, *frames(self.words)]
        if len(lines) == 1:
            lines += [
                "  " + line[:300] for line in self.ended.err.splitlines()[-3:] if line.strip()
            ]
        return limit if hung else 0.0, "\n".join(lines)


def stage_seconds(environment: Mapping[str, str]) -> float:
    """Return the limit of a silent stage: TUNEDOCTOR_STAGE_SECONDS, else a minute."""
    try:
        seconds = float(environment.get("TUNEDOCTOR_STAGE_SECONDS", ""))
    except ValueError:
        return STAGE
    return seconds if 0.0 < seconds <= OVERALL else STAGE


def run_script(  # noqa: PLR0913  each is a knob of one child
    argv: Sequence[str],
    environment: Mapping[str, str],
    scratch: str,
    *,
    seconds: float,
    overall: float,
    idle: float = IDLE,
    watch: Callable[[list[str]], None] | None = None,
) -> ScriptRun:
    """Run a script with stages; `scratch` is its folder, and `watch` gets a description of what is running."""
    lines: list[ScriptLine] = []
    words: list[str] = []
    allowed = seconds + GRACE

    def read_line(text: str) -> float:
        nonlocal allowed
        try:
            line = msgspec.json.decode(text, type=ScriptLine)
        except (msgspec.DecodeError, RecursionError):  # not a line of the script
            words.append(text)
            # faulthandler reports when the time is over; a library that prints is still working
            over = "most recent call first" in text or text.startswith("  File ")
            return GRACE / 2 if over else allowed
        lines.append(line)
        description = line.begin
        if description:
            allowed = max(line.limit, seconds) + GRACE
        elif line.step is not None and line.step.loss is not None:
            what = "training, step" if line.step.minutes is None else "load, round"
            description = f"{what} {line.step.number}, loss {line.step.loss:.2f}"
        if watch and description:
            watch([description])
        return allowed

    # settings that keep the run off the network and the disk
    caches = dict.fromkeys(("TRITON_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR"), scratch)
    env = {**environment, **table("probes")["run_variables"], **caches}
    completed = child.run_lines(
        argv,
        on_line=read_line,
        silence=allowed,
        idle=idle,
        timeout=overall,
        env=env,
        memory=child_limit(),
    )
    return ScriptRun(tuple(lines), completed, tuple(words), seconds)


@probe(Runtime, seconds=OVERALL + 20.0, deep=True)
def runtime(interpreter: Interpreter, packages: Packages | Unknown | None) -> Runtime | Lack:
    """Run the packages of the target."""
    words = importing(extra=extra_of(packages, interpreter), deep=True)
    return runtime_of(interpreter.executable, interpreter.version, os.environ, words)


def extra_of(packages: Packages | Unknown | None, interpreter: Interpreter) -> ExtraModules:
    """Return the modules to import in addition to the stack; none if the packages are unknown."""
    return (
        extra_modules(packages, interpreter) if isinstance(packages, Packages) else ExtraModules()
    )


def runtime_of(
    python: str,
    version: str,
    environment: Mapping[str, str],
    words: Sequence[str] = (),
    watch: Callable[[list[str]], None] | None = None,
) -> Runtime | Lack:
    """Run the script, with the `words` from `importing`; `watch` is called for each stage that begins."""
    if not at_least(version, OLDEST):
        return Absent(why=f"running the stack needs Python {OLDEST}; the target has {version}")
    from tunedoctor.system.scratch import scratch  # noqa: PLC0415  only a deep check needs it

    limit, ends = stage_seconds(environment), time.monotonic() + OVERALL
    argv = [python, SCRIPT, "deep", "--seconds", str(limit), *words]
    runs: list[ScriptRun] = []
    while len(runs) <= RESTARTS and (left := ends - time.monotonic()) > 0:
        with scratch() as folder:
            latest = run_script(argv, environment, folder, seconds=limit, overall=left, watch=watch)
        runs.append(latest)
        # if it died outside a stage, or in the first one, it would die in the same way again
        if runs[-1].broke_in in ("", "import torch", "between stages"):
            break
        argv += ["--skip", runs[-1].broke_in]
    if not any(line.begin for line in runs[0].lines):
        return Unknown(why=not_begun(runs[0].ended))
    return fold(runs)


def not_begun(completed: child.ChildResult) -> str:
    """Return why a script began no stage: where Python was in its own startup, and its last output."""
    lines = [line.strip() for line in completed.err.splitlines() if line.strip()]
    places = [line for line in lines if line.startswith('File "') and "<frozen" not in line]
    reasons = ("its Python stopped before the script", completed.death, *places[-1:], *lines[-1:])
    return ": ".join(reasons)


def importing(
    also: Iterable[str] = (), extra: ExtraModules | None = None, *, deep: bool = False
) -> list[str]:
    """Return the script's options for a run that does not use the GPU; `deep`: for one that does.

    `also`: additional modules, of changed packages. `extra`: the stack's requirements, and frameworks.
    """
    extra = extra or ExtraModules()
    words = ["--imports"] * (not deep)
    words += [word for name in (*also, *extra.required) for word in ("--also", name)]
    return words + [word for name in extra.frameworks for word in ("--framework", name)]


def fold(runs: Sequence[ScriptRun]) -> Runtime:
    """Return the fact from all runs; if a stage was reported twice, the first report counts."""
    stages: dict[str, Stage] = {}
    datas: list[Data] = []
    warnings: list[str] = []
    for run in runs:
        for line in run.lines:
            if line.end and line.end not in stages:
                result = line.error, line.type, line.seconds
                stages[line.end] = Stage(line.end, line.outcome, *result)
                datas.append(_as(line.data, Data) or Data())
                warnings += line.warnings
        if run.broke_in and run.broke_in not in stages:
            limit, error = run.death(run.broke_in)
            how: Literal["hung", "crashed"] = "hung" if limit else "crashed"
            stages[run.broke_in] = Stage(run.broke_in, how, error, seconds=limit)
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
        devices=tuple(d for data in datas if (d := _as(data.device, RunDevice)) is not None),
        attention=next((d.attention for d in datas if d.attention), ()),
        warnings=tuple(distinct[:MOST_WARNINGS]),
        strays=next((line.strays for run in runs for line in run.lines if line.strays), ()),
    )


_OURS = (
    *(f'"{TARGET / script_name}"' for script_name in ("deep.py", "reporting.py", "start.py")),
    *('"<frozen', "importlib/__init__.py"),
)
"""Parts of frames of the script and the import system, which are not the tested packages'."""


def frames(words: Sequence[str]) -> list[str]:
    """Return the innermost frames of faulthandler's main or current thread, innermost first."""
    sections: list[tuple[bool, list[str]]] = []
    for word in words:
        if "most recent call first" in word:
            sections.append((word.startswith(("Current thread", "Stack")), []))
        elif sections and word.startswith('  File "') and not any(part in word for part in _OURS):
            sections[-1][1].append(word)
    # after a hang no thread is marked as current: the main one comes last
    chosen = next((frames_of_thread for current, frames_of_thread in sections if current), None)
    return (chosen if chosen is not None else sections[-1][1] if sections else [])[:FRAMES]


def paragraphs(text: str) -> list[str]:
    """Split output at blank lines: each part is a separate warning."""
    parts = [""]
    for line in map(str.rstrip, text.splitlines()):
        parts[-1] += f"{line}\n" if line else ""
        parts += [""] if parts[-1] and not line else []
    return [part.rstrip("\n") for part in parts if part]


def _as(value: Any, kind: type[T]) -> T | None:  # noqa: ANN401  JSON
    try:
        return msgspec.convert(value, kind) if value else None
    except msgspec.ValidationError:
        return None
