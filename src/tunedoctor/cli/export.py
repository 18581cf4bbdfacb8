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
from tunedoctor.core.trained import Trained, find_trained, size_of
from tunedoctor.model.durations import about, export_seconds
from tunedoctor.model.wording import megabytes


def run_export(given: command_options.ExportOptions) -> int:
    """Write a model in the forms that are asked for, and print the commands of other programs."""
    found = find_trained(given.out)
    files = files_to_write(values_of(ExportOptions, given), found)
    ended = None
    if any(files):
        place = require_working(aim(given.target, own=given.own))
        options = Options.of()
        size = size_of(Path(found.model))
        seconds = export_seconds(size, merged=bool(files.merged), gguf=bool(files.gguf))
        if seconds and (files.merged or files.gguf):
            TERMINAL.say(f"takes {about(seconds)} for a model of {megabytes(size)}")
        ended = write_files(found, files, place, options.criteria, interaction=TERMINAL)
        if ended.report:
            show_failure(ended.report, options)
        if ended.status:
            return ended.status
    _print_commands(given, found, files, export_result(found, files, ended))
    return 0


def _print_commands(
    given: command_options.ExportOptions, found: Trained, files: ExportFiles, result: ExportResult
) -> None:
    shown, out = screen(), shlex.quote(given.out)
    for path in result.files:
        shown.row("wrote", f"{path} ({megabytes(size_of(Path(path)))})")
    for one in result.commands:
        shown.line(f"{one.program:>9}  {one.command}")
    if files.modelfile and not (files.gguf or (found.is_gguf and not found.adapter)):
        shown.line(
            "           newer Ollama versions import Llama models only from a .gguf: add --gguf NAME"
        )
    target = f" --target {shlex.quote(given.target)}" if given.target else ""
    ways: list[tuple[str, str]] = []
    if not files.modelfile:
        command = f"doctor export {out} --gguf model.gguf --modelfile Modelfile{target}"
        ways.append((command, "export for Ollama"))
    if not files.merged and found.adapter:
        ways.append((f"doctor export {out} --merged merged{target}", "write one merged model"))
    model = shlex.quote(files.merged) if files.merged else out
    shown.next(*ways, (f"doctor chat {model}{target}", "chat with it"))
    write(shown.text())


def run_chat_command(given: command_options.ChatOptions) -> int:
    """Ask a model one question, or talk with it; returns the exit code."""
    found = find_trained(given.out)
    if not given.prompt and not sys.stdin.isatty():
        misuse("there is no terminal to talk on", "ask one question with --prompt TEXT")
    chat = values_of(ChatOptions, given)
    require_comparable(chat, found)
    place = require_working(aim(given.target, own=given.own))
    options = Options.of()
    result = run_chat(chat, found, place, options.criteria, interaction=TERMINAL)
    if result.report:
        show_failure(result.report, options)
    if result.status == 0:
        target = f" --target {shlex.quote(given.target)}" if given.target else ""
        shown = screen(sys.stderr)
        way = f"doctor export {shlex.quote(given.out)}{target}"
        shown.next((way, "convert it for other programs"))
        sys.stderr.write(f"{'' if given.prompt else chr(10)}{shown.text()}")
    return result.status
