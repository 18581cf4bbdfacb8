"""doctor chat and doctor export: what was trained, asked here or made ready for other programs."""

import json
import math
import shlex
import shutil
import sys
from pathlib import Path

from msgspec.structs import asdict

from tunedoctor.cli.command_options import ChatOptions, ExportOptions
from tunedoctor.cli.options import TERMINAL, aim, look
from tunedoctor.cli.output import screen, write
from tunedoctor.cli.run import run_command
from tunedoctor.cli.train import TRAINER, libraries
from tunedoctor.cli.trained import Trained, size, trained
from tunedoctor.core.environment import announce_start, require_working
from tunedoctor.core.errors import misuse
from tunedoctor.core.files import require_writable
from tunedoctor.model.wording import megabytes
from tunedoctor.probes.resources import child_limit
from tunedoctor.running.command import Own
from tunedoctor.tables.load import table
from tunedoctor.target.train_input import vllm

_MARK = "# Written by doctor export"
_SECONDS, _SPEED = 3600.0, 1e6
"""Seconds that an export may take, and bytes of the model for which it gets another one."""


def run_export(given: ExportOptions) -> int:
    """Write a model in the forms that are asked for, and name the commands of other programs."""
    found = trained(given.out)
    asked = {"merged": given.merged, "gguf": given.gguf, "modelfile": given.modelfile}
    places = {k: str(Path(p).expanduser().absolute()) if p else "" for k, p in asked.items()}
    _check(given, found, **places)
    if any(places.values()):
        needs = ["gguf"] if asked["gguf"] or found.model.endswith(".gguf") else []
        formats = table("gguf")["write"] if asked["gguf"] else {}
        told: dict[str, object] = {**found._asdict(), **places, "formats": formats}
        seconds = _SECONDS + size(Path(found.model)) / _SPEED
        if code := start(given, "export.py", told, *needs, seconds=seconds):
            return code
    _commands(given, found, **places)
    return 0


def _check(given: ExportOptions, found: Trained, merged: str, gguf: str, modelfile: str) -> None:
    """Exit with 2 where something can't be written."""
    if merged and Path(merged).exists():
        misuse(f"{merged} is there", "name a folder that is not")
    if merged and not found.adapter and not found.model.endswith(".gguf"):
        misuse(f"{given.out} stands alone", "it needs no --merged")
    if gguf and not gguf.endswith(".gguf"):
        misuse(f"{gguf} does not end in .gguf", "Ollama and llama.cpp go by that")
    for name, mark in ((merged, "\0"), (gguf, "\0"), (modelfile, _MARK)):
        require_writable(name, mark, "choose another name, or --force", force=given.force)
    needs = size(Path(found.model))
    for path in filter(None, (merged, gguf)):
        parent = Path(path).parent
        if (free := shutil.disk_usage(parent).free) < needs:
            misuse(f"{parent} has {megabytes(free)}, of {megabytes(needs)}", "choose another disk")


def _commands(given: ExportOptions, found: Trained, merged: str, gguf: str, modelfile: str) -> None:
    one, out = screen(), shlex.quote(given.out)
    is_file, model = found.model.endswith(".gguf"), shlex.quote(merged or found.model)
    alone = bool(merged) or not (found.adapter or is_file)
    for path in filter(None, (merged, gguf, modelfile)):
        one.row("wrote", f"{path} ({megabytes(size(Path(path)))})")
    if alone or not is_file:
        served = vllm(merged or found.model, "" if alone else found.adapter, found.rank)
        one.line(f"     vLLM  {served}")
    if file := gguf or (found.model if is_file and not found.adapter else ""):
        one.line(f"llama.cpp  llama-cli -m {shlex.quote(file)}")
    elif alone:
        one.line(f"llama.cpp  python convert_hf_to_gguf.py {model} --outfile model.gguf")
    if modelfile:
        one.line(f"   Ollama  ollama create tuned -f {shlex.quote(modelfile)}; ollama run tuned")
        if not (gguf or (is_file and not found.adapter)):
            one.line("           newer ones import Llama kinds from a .gguf alone: --gguf NAME")
    more = f" --target {shlex.quote(given.target)}" if given.target else ""
    way = (
        f"doctor export {out} --gguf model.gguf --modelfile Modelfile{more}",
        "export for Ollama",
    )
    ways: list[tuple[str, str]] = [] if modelfile else [way]
    if not merged and found.adapter:
        ways.append((f"doctor export {out} --merged merged{more}", "write one merged model"))
    one.next(*ways, (f"doctor chat {model if merged else out}{more}", "chat with it"))
    write(one.text())


def run_chat(given: ChatOptions) -> int:
    """Ask a model one question, or talk with it; returns the exit code."""
    found = trained(given.out)
    if not given.prompt and not sys.stdin.isatty():
        misuse("there is no terminal to talk on", "--prompt TEXT asks one question")
    if given.compare and not found.adapter:
        misuse(f"{given.out} holds no adapter to compare with its base", "leave --compare out")
    needs = ["gguf"] if found.model.endswith(".gguf") else []
    code = start(given, "chat.py", {**asdict(given), **found._asdict()}, *needs)
    if code == 0:
        more = f" --target {shlex.quote(given.target)}" if given.target else ""
        shown = screen(sys.stderr)
        way = f"doctor export {shlex.quote(given.out)}{more}"
        shown.next((way, "convert it for other programs"))
        sys.stderr.write(f"{'' if given.prompt else chr(10)}{shown.text()}")
    return code


def start(
    given: ChatOptions | ExportOptions,
    script: str,
    told: dict[str, object],
    *needs: str,
    seconds: float = math.inf,
) -> int:
    """Run a script in a target that has the libraries; returns its exit code, exits with 2 where there is none."""
    place = require_working(aim(given.target, own=given.own))
    libraries(
        look(announce_start(place, TERMINAL, quiet=bool(told.get("prompt"))), start=True),
        place.python,
        *needs,
    )
    argv = [place.python, str(TRAINER.with_name(script)), json.dumps(told)]
    limits = Own(seconds=seconds, memory=child_limit())
    way = "take a smaller model, or a machine with more memory"
    return run_command(argv, place, "", told=(2,), own=limits, way=way)
