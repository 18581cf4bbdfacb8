"""doctor smoke."""

from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

from tunedoctor.cli.command_options import TrainArguments
from tunedoctor.cli.options import TERMINAL, aim, criteria_of
from tunedoctor.cli.output import show
from tunedoctor.core.environment import announce_start, require_target, require_working
from tunedoctor.core.errors import misuse
from tunedoctor.core.files import require_writable, write_file
from tunedoctor.core.smoke import SmokeOptions, check_combinations, request_of, run_smoke, with_data
from tunedoctor.diagnosis.redaction import snapshot_json, this_identity
from tunedoctor.model.durations import about, smoke_seconds
from tunedoctor.render import smoke as screen
from tunedoctor.smoke.result import SmokeRequest


class SmokeOutput(NamedTuple):
    """Options of doctor smoke for showing the result and for what follows."""

    format: Literal["terminal", "json"] = "terminal"
    verbose: bool = False
    quiet: bool = False
    then_train: str = ""
    snapshot: str = ""


def smoke(options: SmokeOptions, target: str | None, output: SmokeOutput, *, own: bool) -> int:
    """Train in the target, print the result, and continue with --then-train; return the exit code."""
    check_combinations(options)
    config = output.then_train
    criteria = criteria_of(options)
    request = request_of(options)._replace(strict=criteria.strict)
    require_writable(output.snapshot, '{\n "schema": "doctor.snapshot/')
    if config and output.format != "terminal":
        misuse("--then-train prints as it trains", f"leave --format {output.format} out")
    if config and not Path(config).is_file():
        misuse(f"{config} is not a file", f"doctor init {config} writes one")
    # the JSON output says itself that no interpreter was found
    require = require_working if output.format == "terminal" else require_target
    place = announce_start(require(aim(target, own=own)), TERMINAL, quiet=output.quiet)
    request = with_data(request, place)
    if output.format == "terminal" and not (output.quiet or place.problem):
        _say_duration(request)
    answer, snapshot = run_smoke(request, place, criteria.checks(), TERMINAL)
    if output.snapshot and not place.problem:
        write_file(output.snapshot, snapshot_json(snapshot, this_identity(shared=True)))
    render = partial(screen.render, verbose=output.verbose, quiet=output.quiet)
    show(output.format, render, answer)
    code = {"ready": 0, "findings": 1, "unknown": 2}[answer.verdict]
    if code or not config:
        return code
    from tunedoctor.cli.train import train  # noqa: PLC0415

    how = TrainArguments(target=target, own=own, processes=max(1, request.ranks))
    return train(how, (config,))


def _say_duration(request: SmokeRequest) -> None:
    """Say how long it takes; nothing for a model of the user or GPUs whose number is unknown."""
    if request.model or request.node:
        return
    seconds = smoke_seconds(full=request.full, several=request.ranks > 1, minutes=request.minutes)
    imports = "" if request.minutes else ", most of it to import the libraries"
    TERMINAL.say(f"takes {about(seconds)}{imports}")
