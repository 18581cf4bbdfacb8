"""Fine-tune a model: check what can be checked before, start the trainer, return what it left."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, Protocol

import msgspec
from msgspec import Meta

from tunedoctor.core.arguments import Place, options_of, public
from tunedoctor.core.check import judge
from tunedoctor.core.configuration import spelled, values_of, words_of
from tunedoctor.core.criteria import Criteria
from tunedoctor.core.environment import choose_target, require_working, take_snapshot
from tunedoctor.core.errors import misuse, refusing
from tunedoctor.core.interaction import SILENT, Interaction
from tunedoctor.core.preflight import check_model, check_words, needed
from tunedoctor.core.run import RunResult, run_command
from tunedoctor.core.scripts import (
    BAD_INPUT,
    LAUNCHER,
    TRAINER,
    require_libraries,
    text_output,
)
from tunedoctor.core.trained import read_json, size_of
from tunedoctor.core.training_data import Readers, handed
from tunedoctor.diagnosis.report import Report
from tunedoctor.facts import Interpreter, Target
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.running.command import ScriptLimits
from tunedoctor.running.tail import Output
from tunedoctor.system.scratch import scratch

if TYPE_CHECKING:  # with it comes the fleet
    from tunedoctor.core.pods import PodOptions

_SAVING = 600.0
"""Seconds that a training has to save a checkpoint when the doctor is killed."""
_READS_TOML = (3, 11)
"""From this Python on the trainer reads TOML."""
_INTERRUPTED = 130
End = Literal["trained", "tried", "merged", "stopped", "failed", "refused", "printed"]


class TrainOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options of a training; docs/train.md lists the keys of a configuration."""

    words: tuple[str, ...] = ()
    """Configuration files, --KEY=VALUE for keys of the trainer, --dry-run and --merge."""
    processes: Annotated[int, Meta(ge=1)] = 1
    """Processes on each node."""
    nodes: int = 0
    """0: this machine alone."""
    check: bool = True
    """Do not start if the machine has errors or too little memory."""

    @property
    def is_trial(self) -> bool:
        """True for a dry run, which writes nothing."""
        return "--dry-run" in self.words

    @property
    def merges(self) -> bool:
        """True if an adapter is merged into its base instead of a training."""
        return "--merge" in self.words


class TrainResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a training, and the model or checkpoint that it left."""

    end: End
    """"trained"; "tried" after a dry run; "merged"; "stopped" if it was ended before its last step or saved
    checkpoints before it failed; "failed"; "refused" if it was not started; "printed" if there is only a manifest."""
    status: int
    """What the command returns: 0 if all was done."""
    out: str
    """Folder of the run."""
    model: str = ""
    """Folder of the adapter or model that was trained; "" if there is none."""
    base: str = ""
    """The base of the adapter; "" for a whole model."""
    size: int = 0
    """Bytes of `model`."""
    checkpoint: str = ""
    """Folder of the last checkpoint, from which the training can go on; "" if no step was saved."""
    why: str = ""
    """Why it was not started, if `report` does not say it."""
    report: Report | None = None
    """The diagnosis of the machine if the training was refused, or of the failure; None if there is none."""
    problems: tuple[str, ...] = ()
    """What keeps several nodes from training together, if the training was refused for that."""
    manifest: str = ""
    """The job for Kubernetes, as JSON."""
    commands: tuple[str, ...] = ()
    """What applies the manifest."""

    @property
    def step(self) -> int:
        """The step of the last checkpoint; 0 if no step was saved."""
        return _step_of(Path(self.checkpoint))


class Training(NamedTuple):
    """A configuration that the trainer accepts."""

    words: tuple[str, ...]
    values: dict[str, Any]

    @property
    def out(self) -> Path:
        """The folder of the run."""
        return Path(str(self.values.get("out") or "out"))


class TrainRefusal(NamedTuple):
    """Why a training is not started: one of the three."""

    why: str = ""
    report: Report | None = None
    problems: tuple[str, ...] = ()
    """What keeps several nodes from training together."""


class NodeLauncher(Protocol):
    """Trains on several nodes."""

    def start(
        self, stack: ExitStack, place: Target, words: Sequence[str]
    ) -> Sequence[str] | TrainRefusal:
        """Return what starts a command on each node until `stack` ends, or why the nodes can't train together."""
        ...

    def run(self, command: Sequence[str], log: Path) -> int:
        """Run the training command; name the node that failed, and return the exit status."""
        ...


@public
def train(  # noqa: PLR0913  the options of the command
    config: str | PathLike[str] | None = None,
    target: Place = None,
    *,
    values: Mapping[str, Any] | None = None,
    processes: int = 1,
    dry_run: bool = False,
    merge: bool = False,
    check: bool = True,
    output: Callable[[str], None] | None = None,
    interaction: Interaction = SILENT,
) -> TrainResult:
    """Fine-tune a model on this machine, and return how that ended and what it left.

    `config`: a file of TOML. `values`: keys of the trainer, which win over the file, such as {"max_steps": 20}.
    `processes`: one per GPU. `dry_run`: train a few steps and write nothing. `merge`: merge the adapter of a run into
    its base instead. `check`: do not start if this machine has errors or too little memory. `output` takes what the
    trainer prints. Starts the target's interpreter, which needs torch, transformers and peft.
    """
    words = [] if config is None else [fspath(config)]
    words += spelled({key: _plain(value) for key, value in (values or {}).items()})
    words += ["--dry-run"] * dry_run + ["--merge"] * merge
    options = options_of(TrainOptions, words=words, processes=processes, check=check)
    if not words:
        misuse("there is no configuration", "name a file, or give values")
    place = require_working(choose_target(target))
    return run_training(
        options, place, Criteria(), output=text_output(output), interaction=interaction
    )


def _plain(value: object) -> object:
    """Return a value as TOML has it: a path is text."""
    return fspath(value) if isinstance(value, PathLike) else value


def run_training(  # noqa: PLR0913  each is of one training
    options: TrainOptions,
    place: Target | None,
    criteria: Criteria,
    *,
    launcher: NodeLauncher | None = None,
    pods: "PodOptions | None" = None,
    output: Output | None = None,
    interaction: Interaction = SILENT,
) -> TrainResult:
    """Train in a target, with `launcher` on the nodes that it has, or in pods.

    `place` is None for pods, which choose their own. Without `output` the trainer has this process's standard streams.
    Raises DoctorError if the trainer does not accept the configuration.
    """
    training = read_training(options)
    began = time.time() - 1  # some file systems round times
    ended: TrainRefusal | RunResult
    try:
        if pods:
            from tunedoctor.core.pods import train_in_pods  # noqa: PLC0415  with it comes the fleet

            of_pods = train_in_pods(pods, training.words, training.values, interaction)
            if of_pods.manifest:
                return TrainResult(
                    end="printed",
                    status=of_pods.status,
                    out=str(training.out),
                    manifest=of_pods.manifest,
                    commands=of_pods.commands,
                )
            ended = RunResult(of_pods.status)
        elif place:
            ended = _train_here(options, training, place, criteria, launcher, output, interaction)
        else:
            raise ValueError("neither a target nor pods")
    except KeyboardInterrupt:
        ended = RunResult(_INTERRUPTED)
    if isinstance(ended, TrainRefusal):
        return TrainResult(
            end="refused",
            status=1,
            out=str(training.out),
            why=ended.why,
            report=ended.report,
            problems=ended.problems,
        )
    return _result(options, training.out, ended, began)


def read_training(options: TrainOptions) -> Training:
    """Return the configuration. Raises DoctorError if the trainer refuses it, or the batch cannot be divided."""
    check_words(options.words)
    values = values_of(options.words)
    batch, count = int(values.get("batch", 16)), options.processes * (options.nodes or 1)
    if rest := batch % count:
        nodes = f" on {options.nodes} nodes" if options.nodes else ""
        what = f"batch {batch} is not a multiple of {count} processes{nodes}"
        misuse(what, f"use --batch={batch - rest + count}")
    return Training(options.words, values)


def _train_here(  # noqa: PLR0913  each is of one training
    options: TrainOptions,
    training: Training,
    place: Target,
    criteria: Criteria,
    launcher: NodeLauncher | None,
    output: Output | None,
    interaction: Interaction,
) -> TrainRefusal | RunResult:
    """Train in the target, or with `launcher` in the target of each node."""
    log = training.out / "train.log"
    with ExitStack() as stack:
        if options.is_trial:  # it writes nothing to the folder of the run
            log = Path(stack.enter_context(scratch()), log.name)
        words = handed_words(options, training, place, interaction)
        snapshot = take_snapshot(place, interaction, start=True)
        model = str(training.values.get("model", ""))
        require_libraries(snapshot, place.python, gguf=model.endswith(".gguf"))
        if launcher:
            on_nodes = launcher.start(stack, place, words)
            if isinstance(on_nodes, TrainRefusal):
                return on_nodes
            command = [*on_nodes, str(options.processes), *_trainer(snapshot, words)]
            return RunResult(launcher.run(command, log))
        if refusal := _refusal(options, training, snapshot, criteria, interaction):
            return refusal
        start = [str(LAUNCHER), str(options.processes)] if options.processes > 1 else []
        return run_command(
            [place.python, *start, *_trainer(snapshot, words)],
            place,
            criteria,
            told=(BAD_INPUT,),
            log=log,
            own=ScriptLimits(gentle=_SAVING, variables={"DOCTOR_TRAIN_LOG": str(log)}),
            output=output,
            interaction=interaction,
        )


def handed_words(
    options: TrainOptions, training: Training, place: Target, interaction: Interaction
) -> list[str]:
    """Return the words of the trainer, its data as JSON Lines. Raises DoctorError for a bad model or row.

    Says which interpreter is started.
    """
    if not options.merges:
        check_model(str(training.values.get("model", "")), reach=options.check)
    readers = Readers(place, interaction)
    words = handed(training.values, training.words, readers, interaction)
    readers.started()
    return words


def _refusal(
    options: TrainOptions,
    training: Training,
    snapshot: Snapshot,
    criteria: Criteria,
    interaction: Interaction,
) -> TrainRefusal | None:
    """Return why the training is not started; None if it can be. Says the forecast of a dry run."""
    if options.check:
        report = judge(snapshot, criteria)
        if any(one.severity == "error" for one in report.findings):
            return TrainRefusal(report=report)
    if options.merges:
        return None
    found = needed(snapshot, training.values, options.processes, os.environ)
    if found and found.why and options.check:
        return TrainRefusal(found.why)
    if found and options.is_trial:
        interaction.say(found.told)
    return None


def _trainer(snapshot: Snapshot, words: Sequence[str]) -> list[str]:
    """Return the trainer and its words; files become options if the target's Python reads no TOML."""
    interpreter = snapshot.find(Interpreter)
    version = (
        tuple(int(x) for x in interpreter.version.split(".")[:2]) if interpreter else _READS_TOML
    )
    if version >= _READS_TOML:
        return [str(TRAINER), *words]
    files, _ = words_of(words)
    way = "it must be TOML, for example: model = 'folder'"
    with refusing((OSError, ValueError), way, f"{', '.join(files)}: "):
        values = values_of(files)
    return [str(TRAINER), *spelled(values), *(one for one in words if one.startswith("--"))]


def _result(options: TrainOptions, out: Path, ended: RunResult, began: float) -> TrainResult:
    """Return what a training left, that began at a time of time.time."""
    final, last = out / "final", _last_checkpoint(out)
    result = TrainResult(
        end=_end(options, ended.status, final, last, began),
        status=ended.status,
        out=str(out),
        checkpoint=str(last) if last else "",
        report=ended.report,
    )
    if result.end == "merged":
        return msgspec.structs.replace(result, model=str(out / "merged"))
    if result.end != "trained":
        return result
    base, adapter = "", final / "adapter_config.json"
    if adapter.is_file():
        base = str(read_json(adapter).get("base_model_name_or_path"))
    return msgspec.structs.replace(result, model=str(final), base=base, size=size_of(final))


def _end(options: TrainOptions, status: int, final: Path, last: Path | None, began: float) -> End:
    alone = options.is_trial or options.merges
    # the failure of a node or a pod was said, with what can be done
    has_failed = status not in (0, _INTERRUPTED) and (status != 1 or not options.nodes)
    if has_failed and (last is None or status == BAD_INPUT or alone):
        return "failed"
    if status:
        return "stopped"
    if options.is_trial:
        return "tried"
    if options.merges:
        return "merged"
    is_new = final.is_dir() and final.stat().st_mtime >= began
    return "trained" if is_new else "stopped"


def _last_checkpoint(out: Path) -> Path | None:
    """Return the folder of the last step that was saved, None if none was."""
    return max((one for one in out.glob("step-*") if _step_of(one)), key=_step_of, default=None)


def _step_of(checkpoint: Path) -> int:
    """Return the step of a folder such as step-40; 0 for any other name."""
    number = checkpoint.name.removeprefix("step-")
    return int(number) if number.isdigit() else 0


def is_finished(out: Path) -> bool:
    """Return whether a folder has a training that ended."""
    return (out / "final").is_dir() and (out / "run.json").is_file()
