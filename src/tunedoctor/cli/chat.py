"""doctor chat."""

import json
import shlex
import sys
from argparse import Namespace
from pathlib import Path

from tunedoctor.cli.options import misuse
from tunedoctor.cli.run import run_command
from tunedoctor.cli.target import aim, look, starting, typed, works
from tunedoctor.cli.train import TRAINER, libraries
from tunedoctor.cli.trained import trained
from tunedoctor.facts import Packages, Target

_SCRIPT = TRAINER.with_name("chat.py")


def command(given: Namespace) -> int:
    """Ask a model one question, or talk with it; returns the exit code."""
    found = trained(given.out)
    if not given.prompt and not sys.stdin.isatty():
        misuse("there is no terminal to talk on", "--prompt TEXT asks one question")
    if given.compare and not found.adapter:
        misuse(f"{given.out} holds no adapter to compare with its base", "leave --compare out")
    place = ready(given, quiet=bool(given.prompt))
    names = ("prompt", "compare", "max_tokens", "temperature", "system")
    told = {"model": found.model, "adapter": found.adapter, **{n: vars(given)[n] for n in names}}
    code = start(place, _SCRIPT, told)
    if code == 0:
        more = f" --target {shlex.quote(t)}" if (t := typed(place, given.target)) else ""
        way = f"doctor export {shlex.quote(given.out)}{more} makes it ready for other programs"
        sys.stderr.write(f"Next: {way}.\n")
    return code


def ready(given: Namespace, *needs: str, quiet: bool = False) -> Target:
    """Return a target that has the libraries; exits with 2 where there is none, or it lacks one."""
    place = works(aim(given.target, own=given.own))
    snapshot = look(starting(place, quiet=quiet), start=True)
    libraries(snapshot, place.python)
    packages = snapshot.find(Packages)
    for name in needs:
        if packages and packages.get(name) is None:
            misuse(f"{place.python} lacks {name}", f"{place.python} -m pip install {name}")
    return place


def start(place: Target, script: Path, told: dict[str, object], *more: str) -> int:
    """Run a script in the target with what it is told; returns its exit code."""
    argv = [place.python, str(script), json.dumps(told), *more]
    return run_command(argv, place, "", told=(2,))
