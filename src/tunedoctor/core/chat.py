"""Ask a trained model a question, or chat with it."""

from collections.abc import Callable
from os import PathLike, fspath
from typing import Annotated

import msgspec
from msgspec import Meta

from tunedoctor.core.arguments import Place, options_of, public
from tunedoctor.core.criteria import Criteria
from tunedoctor.core.environment import choose_target, require_working
from tunedoctor.core.errors import misuse
from tunedoctor.core.interaction import SILENT, Interaction
from tunedoctor.core.scripts import run_script, text_output
from tunedoctor.core.trained import TrainedModel, find_trained
from tunedoctor.diagnosis.report import Report
from tunedoctor.facts import Target
from tunedoctor.running.tail import Output


class ChatOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The model, and how it answers; docs/chat.md says what each field means."""

    out: str = "out"
    prompt: str = ""
    """The only question; "" asks for questions on the terminal."""
    compare: bool = False
    max_tokens: Annotated[int, Meta(ge=1, le=1 << 20)] = 256
    temperature: Annotated[float, Meta(ge=0, le=10)] = 0.0
    system: str = ""


class ChatResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a chat."""

    status: int
    """Exit status of the process that loads the model: 0 if it answered."""
    answer: str = ""
    """The answer; "" if it went to the standard streams of this process."""
    error: str = ""
    """What the process wrote to standard error, if it failed."""
    report: Report | None = None
    """The diagnosis of a failure; None if it needs none."""


@public
def chat(  # noqa: PLR0913  the options of the command
    prompt: str,
    out: str | PathLike[str] = "out",
    target: Place = None,
    *,
    compare: bool = False,
    max_tokens: int = 256,
    temperature: float = 0.0,
    system: str = "",
    output: Callable[[str], None] | None = None,
    interaction: Interaction = SILENT,
) -> ChatResult:
    """Ask a trained model one question, and return its answer.

    `out`: the folder of a run, an adapter or a model, or a .gguf file. `compare`: answer with the base model too;
    `answer` has both then. `max_tokens`: the longest answer. `temperature`: 0 takes the likeliest token each time.
    `system`: a system prompt. `output` takes the answer as it comes. Starts the target's interpreter, which needs
    torch, transformers and peft.
    """
    options = options_of(
        ChatOptions,
        out=fspath(out),
        prompt=prompt,
        compare=compare,
        max_tokens=max_tokens,
        temperature=temperature,
        system=system,
    )
    if not prompt:
        misuse("prompt is empty", "run doctor chat on a terminal to talk")
    trained = find_trained(options.out)
    require_comparable(options, trained)
    place = require_working(choose_target(target))
    written: dict[int, list[str]] = {1: [], 2: []}

    def take_answer(text: str) -> None:
        written[1].append(text)
        if output:
            output(text)

    streams = {1: text_output(take_answer), 2: text_output(written[2].append)}
    result = run_chat(
        options,
        trained,
        place,
        Criteria(),
        output=lambda stream, block: streams[stream](stream, block),
        interaction=interaction,
    )
    answer, error = ("".join(written[stream]).strip() for stream in (1, 2))
    return msgspec.structs.replace(result, answer=answer, error=error if result.status else "")


def require_comparable(options: ChatOptions, trained: TrainedModel) -> None:
    """Raise DoctorError if the base is asked for and the model has no adapter."""
    if options.compare and not trained.adapter:
        misuse(f"{options.out} contains no adapter to compare with its base", "leave --compare out")


def run_chat(  # noqa: PLR0913  each is of one chat
    options: ChatOptions,
    trained: TrainedModel,
    place: Target,
    criteria: Criteria,
    *,
    output: Output | None = None,
    interaction: Interaction = SILENT,
) -> ChatResult:
    """Load a model in a target, and have it answer. Without `output` it uses this process's standard streams."""
    completed = run_script(
        "chat.py",
        {**msgspec.structs.asdict(options), **trained._asdict()},
        place,
        criteria,
        gguf=trained.is_gguf,
        quiet=bool(options.prompt),
        output=output,
        interaction=interaction,
    )
    return ChatResult(status=completed.status, report=completed.report)
