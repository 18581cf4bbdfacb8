"""The scripts that train, chat and export inside a target, and how one is started."""

import json
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from tunedoctor.core.criteria import Criteria
from tunedoctor.core.environment import announce_start, take_snapshot
from tunedoctor.core.errors import misuse
from tunedoctor.core.interaction import SILENT, Interaction
from tunedoctor.core.run import RunResult, run_command
from tunedoctor.facts import Packages, Target
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.probes.resources import child_limit
from tunedoctor.running.command import ScriptLimits
from tunedoctor.running.tail import Output

SCRIPTS = Path(__file__).parent.parent / "target"
TRAINER = SCRIPTS / "trainer.py"
LAUNCHER = SCRIPTS / "launch.py"
BAD_INPUT = 2
"""Exit status of a script that refused its input; it has said why."""
_IMPORT_OF_A_PART = re.compile(
    r"^from train_\w+ import (?:\([^)]*\)|[^\n(]*)[^\n]*\n", re.MULTILINE
)
_TOO_LARGE = "use a smaller model, or a machine with more memory"


def trainer_source() -> str:
    """Return the trainer as one file, with its parts inserted where they are imported."""
    before, _, after = TRAINER.read_text(encoding="utf-8").partition("sys.path.append(")
    for name in (
        "plot",
        "input",
        "rows",
        "screen",
        "data",
        "state",
        "keep",
        "pairs",
        "track",
        "attention",
    ):
        text = TRAINER.with_name(f"train_{name}.py").read_text(encoding="utf-8")
        code = text.partition("from __future__ import annotations\n\n")[2]
        before += _IMPORT_OF_A_PART.sub("", code)
    return before + after.partition("# The other parts end here.\n")[2]


def require_libraries(snapshot: Snapshot, python: str, *, gguf: bool = False) -> None:
    """Raise DoctorError if the target lacks what loads a model; `gguf`: what reads or writes a .gguf file too."""
    packages = snapshot.find(Packages)
    if packages is None:
        return
    needed = ("torch", "transformers", "peft", *(["gguf"] if gguf else []))
    lacking = [name for name in needed if packages.get(name) is None]
    if lacking:
        way = "doctor set shows how to install a complete set"
        way = f"{python} -m pip install gguf" if lacking == ["gguf"] else way
        misuse(f"{python} lacks {', '.join(lacking)}", way)


def run_script(  # noqa: PLR0913  each is of one start
    script: str,
    arguments: Mapping[str, object],
    place: Target,
    criteria: Criteria,
    *,
    gguf: bool,
    quiet: bool = False,
    seconds: float = math.inf,
    output: Output | None = None,
    interaction: Interaction = SILENT,
) -> RunResult:
    """Run a script of doctor in a target and diagnose it if it fails.

    Raises DoctorError if the target lacks a library. `gguf`: the script reads or writes a .gguf file. `quiet`: do not
    say which interpreter is started. `seconds`: end it after that time. `output` takes what it writes, instead of the
    standard streams of this process.
    """
    announce_start(place, interaction, quiet=quiet)
    require_libraries(take_snapshot(place, interaction, start=True), place.python, gguf=gguf)
    return run_command(
        [place.python, str(SCRIPTS / script), json.dumps(arguments)],
        place,
        criteria,
        told=(BAD_INPUT,),
        own=ScriptLimits(seconds=seconds, memory=child_limit()),
        way=_TOO_LARGE,
        output=output,
        interaction=interaction,
    )


def text_output(take: Callable[[str], None] | None) -> Output:
    """Return an output that hands each block to `take` as text; without `take` it is dropped.

    A character whose bytes are split between two blocks is passed on complete.
    """
    from codecs import getincrementaldecoder  # noqa: PLC0415  a command passes bytes on

    decoders = {stream: getincrementaldecoder("utf-8")("replace") for stream in (1, 2)}

    def output(stream: int, block: bytes) -> None:
        text = decoders[stream].decode(block)
        if take and text:
            take(text)

    return output
