"""doctor init: ask at most four questions and write a configuration from the answers."""

import re
import shlex
import sys
from pathlib import Path

from tunedoctor.cli import output
from tunedoctor.cli.options import TERMINAL, aim, look
from tunedoctor.cli.questions import ask_all
from tunedoctor.core.environment import target_option
from tunedoctor.core.errors import misuse
from tunedoctor.core.files import read_snapshot, refusal, write_file
from tunedoctor.core.init import InitOptions, check_goal, configure, device_of
from tunedoctor.facts import Interpreter

_NO_ASCII = re.compile(r"[^\x00-\x7e]")


def run_init(  # noqa: PLR0913  what a configuration is made of, and where it goes
    given: InitOptions, name: str, target: str | None, *, own: bool, source: str, force: bool
) -> int:
    """Write a configuration that fits this machine and can run unchanged; return the exit code."""
    _check(given, name, force=force)
    place, smoke = aim(target, own=own), "doctor smoke --snapshot FILE"
    snapshot = read_snapshot(source, smoke) if source else look(place)
    interpreter = snapshot.find(Interpreter)
    try:
        sites = interpreter.site_packages if interpreter else ()
        wanted = ask_all(given, device_of(snapshot), sites)
    except (KeyboardInterrupt, EOFError):
        sys.stderr.write("\ndoctor: nothing was written\n")
        return 130
    made = configure(given, wanted, snapshot)
    text = made.text
    if name == "-":  # which may not be UTF-8
        text = _NO_ASCII.sub(lambda one: f"\\U{ord(one[0]):08X}", text)
    write_for_user(name, text, force=force)
    for path, content in made.beside.items() if name != "-" else ():
        other = Path(name).parent / path
        other.parent.mkdir(parents=True, exist_ok=True)
        write_for_user(str(other), content, force=force)
    shown, file = output.screen(sys.stderr), shlex.quote(name)
    shown.wrap(f"to {made.goal}: {made.time}", 2)
    if name != "-" and made.command:
        shown.next(
            (f"doctor check --for {file}", "check it with this machine"),
            (made.command, "train"),
        )
    elif name != "-":
        more = target_option(place, target)
        shown.next(
            (f"doctor fit {file}", "see how much memory it needs"),
            (f"doctor train {file}{more}", "train"),
        )
    sys.stderr.write(shown.text())
    return 0


def _check(given: InitOptions, name: str, *, force: bool) -> None:
    """Exit with 2 if the goal does not exist, if no one can answer the questions, or if the file can't be written."""
    check_goal(given)
    lacking = " and ".join(f"--{one}" for one in ("model", "data") if not getattr(given, one))
    if lacking and not (sys.stdin.isatty() and sys.stderr.isatty()):
        way = f"add {lacking}; --goal and --hours can be added as well"
        misuse("there is no terminal to ask questions on", way)
    if lacking and name != "-" and Path(name).exists() and not force:
        misuse(f"{name} already exists", "choose another name, or add --force")


def write_for_user(name: str, text: str, *, force: bool) -> int:
    """Write a file for the user to change, never over a file with other content; "-" is standard output."""
    if name == "-":
        output.write(text)
        return 0
    why, place = refusal(name, "", force=force), Path(name)
    if not (why or force) and place.exists() and place.read_bytes() != text.encode():
        why = "already exists with other contents, perhaps your changes"
    if why:
        way = ", or --force" if place.is_file() else ""
        misuse(f"{name} {why}", f"choose another name{way}")
    write_file(name, text, "choose another place", said="", interaction=TERMINAL)
    return 0
