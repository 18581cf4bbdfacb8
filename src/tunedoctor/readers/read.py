"""Read a pasted text with every reader and put what they found into one Snapshot."""

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from tunedoctor import facts as kinds
from tunedoctor.facts import Fact
from tunedoctor.model.snapshot import NOT_TOLD, FactOrLack, Snapshot, SnapshotError
from tunedoctor.ranking.similar import compared
from tunedoctor.readers import (
    hardware,
    installs,
    messages,
    named_values,
    nvidia_smi,
    prompts,
    runs,
    system,
)
from tunedoctor.readers.digest import bounded
from tunedoctor.readers.facts_block import find_facts
from tunedoctor.readers.merge import NoTorch, merged, with_text_around
from tunedoctor.readers.paste import Paste
from tunedoctor.readers.unwrap import clean_numbered_lines

Reader = Callable[[Paste], list[Fact]]
Failed = Callable[[Callable[..., object], Exception], None]


def read_report(
    text: str,
    numbers: Sequence[int] = (),
    failed: Failed | None = None,
) -> Snapshot:
    """Return the facts in a text whose lines have `numbers` in the complete log; `failed` is called for failed readers.

    Facts that doctor wrote into it are used unchanged; the text around them shows what went wrong.
    """
    block = find_facts(text)
    if block.problem and failed is not None:
        failed(find_facts, SnapshotError(block.problem))
    reported = _read(block.rest, numbers, failed)
    return with_text_around(block.snapshot, reported) if block.snapshot else reported


def _read(text: str, numbers: Sequence[int], failed: Failed | None) -> Snapshot:
    lines, numbers = bounded(*clean_numbered_lines(text, numbers))
    facts, paste = list[Fact](), Paste(lines)
    for reader in _READERS:
        try:
            facts += reader(paste)
        except Exception as error:  # noqa: BLE001  a crash is the result of that reader alone
            if failed is not None:
                failed(reader, error)
    answers: dict[type[Fact], FactOrLack] = {
        **dict.fromkeys(kinds.KINDS, NOT_TOLD),
        **_NOT_SPOKEN_OF,
    }
    for fact in facts:
        earlier = answers.get(type(fact))
        answers[type(fact)] = merged(earlier, fact) if isinstance(earlier, type(fact)) else fact
    missing, listed = answers.pop(NoTorch, None), answers.get(kinds.Packages)
    if isinstance(missing, NoTorch) and answers[kinds.TorchBuild] is NOT_TOLD:
        is_listed = isinstance(listed, kinds.Packages) and listed.get(missing.package)
        answers[kinds.TorchBuild] = NOT_TOLD if is_listed else kinds.Absent(why=missing.why)
    errors = answers[kinds.Errors]
    if numbers and isinstance(errors, kinds.Errors):
        numbered = (
            (numbers[int(error_text.where.removeprefix("line ")) - 1], error_text)
            for error_text in errors.errors
        )
        answers[kinds.Errors] = kinds.Errors(
            tuple(replace(error_text, where=f"line {at}") for at, error_text in numbered)
        )
    answers[kinds.Resembles] = compared(lines)
    return Snapshot(answers)


_NOT_SPOKEN_OF: dict[type[Fact], FactOrLack] = {
    kinds.Container: kinds.Absent(why="the report does not mention a container"),
    kinds.IndexAnswer: kinds.Absent(why="the report shows no failed install"),
    kinds.NvidiaAnswer: kinds.Absent(why="the report shows no failure of the NVIDIA tools"),
}
_MODULES = (system, named_values, nvidia_smi, messages, installs, prompts, runs)
_READERS: tuple[Reader, ...] = (hardware.rocm, *(module.read for module in _MODULES))
