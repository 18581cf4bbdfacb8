"""doctor export."""

import shlex
import shutil
from argparse import Namespace
from pathlib import Path

from tunedoctor.cli.chat import ready, start
from tunedoctor.cli.files import refusal
from tunedoctor.cli.options import misuse
from tunedoctor.cli.output import screen, write
from tunedoctor.cli.target import aim, typed
from tunedoctor.cli.train import TRAINER
from tunedoctor.cli.trained import Trained, shown, size, trained

_SCRIPT = TRAINER.with_name("export.py")
_MARK = "# Written by doctor export"


def command(given: Namespace) -> int:
    """Write a model in the forms that are asked for, and name the commands of other programs."""
    found = trained(given.out)
    written = _places(given, found)
    if written:
        place = ready(given, *(["gguf"] if given.gguf or found.model.endswith(".gguf") else []))
        told: dict[str, object] = {"model": found.model, "adapter": found.adapter}
        told |= {"window": found.window, **dict.fromkeys(("merged", "gguf", "modelfile"), "")}
        if code := start(place, _SCRIPT, told | written):
            return code
    _commands(given, found, written)
    return 0


def _places(given: Namespace, found: Trained) -> dict[str, str]:
    """Return what is to be written where; exits with 2 where that can't be."""
    asked = {name: vars(given)[name] for name in ("merged", "gguf", "modelfile")}
    written = {name: str(Path(p).expanduser().absolute()) for name, p in asked.items() if p}
    other = "choose another name, or --force"
    if (merged := written.get("merged")) and Path(merged).exists():
        misuse(f"{merged} is there", "name a folder that is not")
    if merged and not found.adapter and not found.model.endswith(".gguf"):
        misuse(f"{given.out} stands alone", "it needs no --merged")
    if (gguf := written.get("gguf")) and not gguf.endswith(".gguf"):
        misuse(f"{gguf} does not end in .gguf", "Ollama and llama.cpp go by that")
    for name, mark in (("gguf", "\0"), ("modelfile", _MARK)):
        if name in written and (why := refusal(written[name], mark, force=given.force)):
            misuse(f"{written[name]} {why}", other)
    needs = size(Path(found.model)) if Path(found.model).exists() else 0
    for path in [written[name] for name in ("merged", "gguf") if name in written]:
        parent = Path(path).parent
        if not parent.is_dir():
            misuse(f"{path} is in a folder that is not there", f"mkdir -p {parent}")
        if (free := shutil.disk_usage(parent).free) < needs:
            misuse(f"{parent} has {shown(free)} free, and {shown(needs)} are needed", other)
    return written


def _commands(given: Namespace, found: Trained, written: dict[str, str]) -> None:
    one, model = screen(), shlex.quote(written.get("merged") or found.model)
    out, is_file = shlex.quote(given.out), found.model.endswith(".gguf")
    alone = "merged" in written or not (found.adapter or is_file)
    one.line("")
    for path in written.values():
        one.row("wrote", f"{path} ({shown(size(Path(path)))})")
    gguf = written.get("gguf") or (found.model if is_file and not found.adapter else "")
    if alone:
        one.line("     vLLM  vllm serve ", model)
    elif not is_file:
        lora = f"--enable-lora --max-lora-rank {max(found.rank, 8)} --lora-modules"
        adapter = shlex.quote(f"tuned={found.adapter}")
        one.line("     vLLM  ", f"vllm serve {model} {lora} {adapter}")
    if gguf:
        one.line("llama.cpp  llama-cli -m ", shlex.quote(gguf))
    elif alone:
        one.line(f"llama.cpp  python convert_hf_to_gguf.py {model} --outfile model.gguf")
    if file := written.get("modelfile"):
        one.line(f"   Ollama  ollama create tuned -f {shlex.quote(file)} && ollama run tuned")
    chosen = typed(aim(given.target, own=given.own), given.target)
    more = f" --target {shlex.quote(chosen)}" if chosen else ""
    ways = [f"doctor export {out} --modelfile Modelfile{more} writes what Ollama takes"]
    if "merged" in written:
        ways.insert(0, f"doctor chat {model}{more} asks it")
    elif not alone:
        ways.insert(0, f"doctor export {out} --merged merged{more} writes one model")
    one.next(*(ways if "modelfile" not in written else [f"doctor chat {out}{more} asks it"]))
    write(one.text())
