"""doctor chat and doctor export: ask a trained model, or convert it for other programs."""

import shlex
import sys
from pathlib import Path

from tunedoctor.cli import command_options
from tunedoctor.cli.options import TERMINAL, Options, aim
from tunedoctor.cli.output import screen, write
from tunedoctor.cli.run import show_failure
from tunedoctor.core.arguments import values_of
from tunedoctor.core.chat import ChatOptions, require_comparable, run_chat
from tunedoctor.core.environment import require_working
from tunedoctor.core.errors import misuse
from tunedoctor.core.export import (
    ExportFiles,
    ExportOptions,
    ExportResult,
    export_result,
    files_to_write,
)
from tunedoctor.core.export import run_export as write_files
from tunedoctor.core.trained import TrainedModel, find_trained, size_of
from tunedoctor.model.durations import about, export_seconds
from tunedoctor.model.wording import megabytes


def run_export(arguments: command_options.ExportArguments) -> int:
    """Write a model in the forms that are asked for, and print the commands of other programs."""
    trained = find_trained(arguments.out)
    files = files_to_write(values_of(ExportOptions, arguments), trained)
    completed = None
    if any(files):
        place = require_working(aim(arguments.target, own=arguments.own))
        options = Options.of()
        size = size_of(Path(trained.model))
        seconds = export_seconds(size, merged=bool(files.merged), gguf=bool(files.gguf))
        if seconds and (files.merged or files.gguf):
            TERMINAL.say(f"takes {about(seconds)} for a model of {megabytes(size)}")
        completed = write_files(trained, files, place, options.criteria, interaction=TERMINAL)
        if completed.report:
            show_failure(completed.report, options)
        if completed.status:
            return completed.status
    _print_commands(arguments, trained, files, export_result(trained, files, completed))
    return 0


def _print_commands(
    arguments: command_options.ExportArguments,
    trained: TrainedModel,
    files: ExportFiles,
    result: ExportResult,
) -> None:
    page, out = screen(), shlex.quote(arguments.out)
    for path in result.files:
        page.row("wrote", f"{path} ({megabytes(size_of(Path(path)))})")
    for command_row in result.commands:
        page.line(f"{command_row.program:>9}  {command_row.command}")
    if files.modelfile and not (files.gguf or (trained.is_gguf and not trained.adapter)):
        page.line(
            "           newer Ollama versions import Llama models only from a .gguf: add --gguf NAME"
        )
    target = f" --target {shlex.quote(arguments.target)}" if arguments.target else ""
    next_steps: list[tuple[str, str]] = []
    if not files.modelfile:
        command = f"doctor export {out} --gguf model.gguf --modelfile Modelfile{target}"
        next_steps.append((command, "export for Ollama"))
    if not files.merged and trained.adapter:
        next_steps.append(
            (f"doctor export {out} --merged merged{target}", "write one merged model")
        )
    model = shlex.quote(files.merged) if files.merged else out
    page.next(*next_steps, (f"doctor chat {model}{target}", "chat with it"))
    write(page.text())


def run_chat_command(arguments: command_options.ChatArguments) -> int:
    """Ask a model one question, or talk with it; returns the exit code."""
    trained = find_trained(arguments.out)
    if not arguments.prompt and not sys.stdin.isatty():
        misuse("there is no terminal to talk on", "ask one question with --prompt TEXT")
    chat = values_of(ChatOptions, arguments)
    require_comparable(chat, trained)
    place = require_working(aim(arguments.target, own=arguments.own))
    options = Options.of()
    result = run_chat(chat, trained, place, options.criteria, interaction=TERMINAL)
    if result.report:
        show_failure(result.report, options)
    if result.status == 0:
        target = f" --target {shlex.quote(arguments.target)}" if arguments.target else ""
        page = screen(sys.stderr)
        command = f"doctor export {shlex.quote(arguments.out)}{target}"
        page.next((command, "convert it for other programs"))
        sys.stderr.write(f"{'' if arguments.prompt else chr(10)}{page.text()}")
    return result.status
