"""doctor chat."""

import json
import shlex
import sys
from argparse import Namespace

from tunedoctor.cli.options import aim, look, misuse, starting, works
from tunedoctor.cli.run import run_command
from tunedoctor.cli.train import TRAINER, libraries
from tunedoctor.cli.trained import trained


def command(given: Namespace) -> int:
    """Ask a model one question, or talk with it; returns the exit code."""
    found = trained(given.out)
    if not given.prompt and not sys.stdin.isatty():
        misuse("there is no terminal to talk on", "--prompt TEXT asks one question")
    if given.compare and not found.adapter:
        misuse(f"{given.out} holds no adapter to compare with its base", "leave --compare out")
    needs = ["gguf"] if found.model.endswith(".gguf") else []
    code = start(given, "chat.py", {**vars(given), **found._asdict()}, *needs)
    if code == 0:
        more = f" --target {shlex.quote(given.target)}" if given.target else ""
        way = f"doctor export {shlex.quote(given.out)}{more} makes it ready for other programs"
        sys.stderr.write(f"{'' if given.prompt else chr(10)}Next: {way}.\n")
    return code


def start(given: Namespace, script: str, told: dict[str, object], *needs: str) -> int:
    """Run a script in a target that has the libraries; returns its exit code, exits with 2 where there is none."""
    place = works(aim(given.target, own=given.own))
    libraries(
        look(starting(place, quiet=bool(told.get("prompt"))), start=True), place.python, *needs
    )
    argv = [place.python, str(TRAINER.with_name(script)), json.dumps(told)]
    return run_command(argv, place, "", told=(2,))
