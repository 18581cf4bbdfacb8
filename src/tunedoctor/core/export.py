"""Convert a trained model for other programs, and name their commands."""

import shlex
import shutil
from collections.abc import Callable, Iterator
from os import PathLike, fspath
from pathlib import Path
from typing import NamedTuple

import msgspec

from tunedoctor.core.arguments import Place, options_of, public
from tunedoctor.core.criteria import Criteria
from tunedoctor.core.environment import choose_target, require_working
from tunedoctor.core.errors import misuse
from tunedoctor.core.files import require_writable
from tunedoctor.core.interaction import SILENT, Interaction
from tunedoctor.core.run import RunResult
from tunedoctor.core.scripts import run_script, text_output
from tunedoctor.core.trained import TrainedModel, find_trained, size_of
from tunedoctor.diagnosis.report import Report
from tunedoctor.facts import Target
from tunedoctor.model.wording import megabytes
from tunedoctor.running.tail import Output
from tunedoctor.tables.load import table
from tunedoctor.target.train_input import vllm

_MARK = "# Written by doctor export"
_SECONDS = 3600.0
_BYTES_PER_SECOND = 1e6
"""An export may take an hour, plus one second for each of this many bytes of the model."""


class ExportOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The model and the files to write; docs/export.md explains each field."""

    out: str = "out"
    merged: str = ""
    gguf: str = ""
    modelfile: str = ""
    force: bool = False


class ExportFiles(NamedTuple):
    """The files to write, as absolute paths; "" for each that is not requested."""

    merged: str = ""
    gguf: str = ""
    modelfile: str = ""


class ExportCommand(msgspec.Struct, frozen=True):
    """A command of another program that uses the model."""

    program: str
    """vLLM, llama.cpp or Ollama."""
    command: str


class ExportResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of an export: the written files, and commands of other programs that use them."""

    status: int = 0
    """Exit status of the process that converts; 0 if all was written, or nothing was to be."""
    model: str = ""
    """Folder, .gguf file, or name on the hub."""
    adapter: str = ""
    """Folder of the adapter on it; "" for a model without one."""
    files: tuple[str, ...] = ()
    """Files and folders that were written, by absolute paths."""
    commands: tuple[ExportCommand, ...] = ()
    error: str = ""
    """What the process wrote, if it failed; "" if that went to the standard streams of this process."""
    report: Report | None = None
    """The diagnosis of a failure; None if it needs none."""


@public
def export(  # noqa: PLR0913  the options of the command
    out: str | PathLike[str] = "out",
    target: Place = None,
    *,
    merged: str | PathLike[str] = "",
    gguf: str | PathLike[str] = "",
    modelfile: str | PathLike[str] = "",
    force: bool = False,
    output: Callable[[str], None] | None = None,
    interaction: Interaction = SILENT,
) -> ExportResult:
    """Convert a trained model for other programs; return the written files and the commands that use them.

    `out`: the folder of a run, an adapter or a model, or a .gguf file. `merged`: a new folder for the model with its
    adapter merged in. `gguf`: a .gguf file for llama.cpp and Ollama. `modelfile`: a Modelfile for Ollama. `force`:
    write over files. `output` takes what the conversion prints. With nothing to write it only returns the commands;
    else it starts the target's interpreter, which needs torch, transformers and peft.
    """
    options = options_of(
        ExportOptions,
        out=fspath(out),
        merged=fspath(merged),
        gguf=fspath(gguf),
        modelfile=fspath(modelfile),
        force=force,
    )
    trained = find_trained(options.out)
    files = files_to_write(options, trained)
    if not any(files):
        return export_result(trained, files)
    place = require_working(choose_target(target))
    written: list[str] = []

    def printed(text: str) -> None:
        written.append(text)
        if output:
            output(text)

    completed = run_export(
        trained, files, place, Criteria(), output=text_output(printed), interaction=interaction
    )
    error = "".join(written).strip() if completed.status else ""
    return msgspec.structs.replace(export_result(trained, files, completed), error=error)


def files_to_write(options: ExportOptions, trained: TrainedModel) -> ExportFiles:
    """Return the files to write. Raises DoctorError before any work if one cannot be written."""
    names = (options.merged, options.gguf, options.modelfile)
    files = ExportFiles(*(str(Path(p).expanduser().absolute()) if p else "" for p in names))
    if files.merged and Path(files.merged).exists():
        misuse(f"{files.merged} already exists", "name a folder that does not exist")
    if files.merged and not trained.adapter and not trained.is_gguf:
        misuse(f"{options.out} is a complete model", "leave out --merged")
    if files.gguf and not files.gguf.endswith(".gguf"):
        misuse(f"{files.gguf} does not end in .gguf", "Ollama and llama.cpp need that ending")
    for name, mark in zip(files, ("\0", "\0", _MARK), strict=True):
        require_writable(name, mark, "choose another name, or add --force", force=options.force)
    needed = size_of(Path(trained.model))
    for path in filter(None, (files.merged, files.gguf)):
        parent = Path(path).parent
        if (free := shutil.disk_usage(parent).free) < needed:
            misuse(
                f"{parent} has {megabytes(free)} free, but {megabytes(needed)} are needed",
                "choose another disk",
            )
    return files


def run_export(  # noqa: PLR0913  each is of one export
    trained: TrainedModel,
    files: ExportFiles,
    place: Target,
    criteria: Criteria,
    *,
    output: Output | None = None,
    interaction: Interaction = SILENT,
) -> RunResult:
    """Write the files in a target. Without `output` it uses this process's standard streams."""
    return run_script(
        "export.py",
        {
            **trained._asdict(),
            **files._asdict(),
            "formats": table("gguf")["write"] if files.gguf else {},
        },
        place,
        criteria,
        gguf=bool(files.gguf) or trained.is_gguf,
        seconds=_SECONDS + size_of(Path(trained.model)) / _BYTES_PER_SECOND,
        output=output,
        interaction=interaction,
    )


def export_result(
    trained: TrainedModel, files: ExportFiles, completed: RunResult | None = None
) -> ExportResult:
    """Return the result of an export; `ended` says how it went, None if there was nothing to write."""
    if completed and completed.status:
        return ExportResult(
            status=completed.status,
            model=trained.model,
            adapter=trained.adapter,
            report=completed.report,
        )
    return ExportResult(
        model=trained.model,
        adapter=trained.adapter,
        files=tuple(filter(None, files)),
        commands=tuple(_commands(trained, files)),
    )


def _commands(trained: TrainedModel, files: ExportFiles) -> Iterator[ExportCommand]:
    """Yield the command of each program that can use what there is now."""
    model = files.merged or trained.model
    is_whole = bool(files.merged) or not (trained.adapter or trained.is_gguf)
    if is_whole or not trained.is_gguf:
        yield ExportCommand("vLLM", vllm(model, "" if is_whole else trained.adapter, trained.rank))
    if file := files.gguf or (trained.model if trained.is_gguf and not trained.adapter else ""):
        yield ExportCommand("llama.cpp", f"llama-cli -m {shlex.quote(file)}")
    elif is_whole:
        convert = f"python convert_hf_to_gguf.py {shlex.quote(model)} --outfile model.gguf"
        yield ExportCommand("llama.cpp", convert)
    if files.modelfile:
        create = f"ollama create tuned -f {shlex.quote(files.modelfile)}; ollama run tuned"
        yield ExportCommand("Ollama", create)
