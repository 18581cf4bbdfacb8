"""What doctor fix does with an answer and a plan besides: redact, write a script, train."""

import os
import sys

import msgspec

from tunedoctor.cli.files import refusal, write_whole
from tunedoctor.cli.options import misuse
from tunedoctor.cli.output import write
from tunedoctor.facts import Interpreter
from tunedoctor.plan import AnyStep, Install, Plan
from tunedoctor.planning.fix_answer import Answer
from tunedoctor.redaction import public, this_identity


def as_shown(answer: Answer) -> Answer:
    """Return the answer as it leaves the doctor; hashes of files are no secrets."""
    clean = public(answer, this_identity())
    if answer.plan is None or clean.plan is None:
        return clean
    steps: list[AnyStep] = []
    for own, shown in zip(answer.plan.steps, clean.plan.steps, strict=True):
        if isinstance(own, Install) and isinstance(shown, Install):
            steps.append(msgspec.structs.replace(shown, pins=own.pins))
        else:
            steps.append(shown)
    plan = msgspec.structs.replace(clean.plan, steps=tuple(steps))
    return msgspec.structs.replace(clean, plan=plan)


def script_of(plan: Plan, interpreter: Interpreter | None, installer: str) -> str:
    """Return the plan as a shell script for its own target."""
    from tunedoctor.render.script import render_script  # noqa: PLC0415

    python = interpreter.executable if interpreter else ""
    prefix = interpreter.prefix if interpreter else ""
    return render_script(plan, python, prefix, installer or "pip")


def write_script(place: str, text: str) -> None:
    """Write a script to a file that is not there or is the doctor's, or to stdout for "-"."""
    from tunedoctor.render.script import MARK  # noqa: PLC0415

    if place == "-":
        write(text)
        return
    if why := refusal(place, MARK, force=False):
        misuse(f"{place} {why}", "name another file")
    try:
        write_whole(place, text)
    except OSError as error:
        misuse(f"{place} can't be written: {error.strerror or error}", "name a file of yours")


def smoke(python: str) -> str:
    """Train a tiny model with the changed environment; return why it is not good, or ""."""
    from tunedoctor.child import run  # noqa: PLC0415
    from tunedoctor.smoke.answer import Answer as Smoked  # noqa: PLC0415

    argv = [sys.executable, "-m", "tunedoctor", "smoke", "--target", python, "--format", "json"]
    ended = run(argv, timeout=900.0, env=dict(os.environ))
    try:
        said = msgspec.json.decode(ended.out, type=Smoked)
    except msgspec.MsgspecError:
        return f"doctor smoke gave no answer: {ended.death}"
    if said.verdict == "ready":
        return ""
    blame = said.blames[0].found if said.blames else said.why
    return f"doctor smoke does not train: {blame}"
