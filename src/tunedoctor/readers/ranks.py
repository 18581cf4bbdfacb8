"""Take one process's lines out of a log in which each process printed the same."""

from collections.abc import Sequence

from tunedoctor.readers.dress import STREAM

_MOSTLY = 0.9
FEWEST = 3
"""Lines that a process must have printed."""


def one_of_ranks(lines: list[str], numbers: Sequence[int]) -> tuple[list[str], Sequence[int]]:
    """Return the first process's lines without its name, where nearly all lines name one and all say the same.

    `numbers` are those of `lines` in the whole text, empty where they count from 1; so are those returned where
    nothing is left out. Processes that say different things are left as they are: an error of one is told by its name.
    """
    told = [(at, line, STREAM.match(line)) for at, line in enumerate(lines) if line]
    named = [(at, line, found) for at, line, found in told if found]
    if len(named) < 2 * FEWEST or len(named) < _MOSTLY * len(told):
        return lines, numbers
    said: dict[str, list[str]] = {}
    kept: dict[int, str] = {}
    first = named[0][2][0].strip()
    for at, line, found in named:
        name, text = found[0].strip(), line[found.end() :]
        said.setdefault(name, []).append(text)
        if name == first:
            kept[at] = text
    texts = list(said.values())
    if len(texts) < 2 or len(texts[0]) < FEWEST or any(one != texts[0] for one in texts[1:]):
        return lines, numbers
    others = {at for at, _, _ in named} - kept.keys()
    rest = [
        at for at in range(len(lines)) if at not in others and (lines[at] or at - 1 not in others)
    ]
    return (
        [kept.get(at, lines[at]) for at in rest],
        [numbers[at] if at < len(numbers) else at + 1 for at in rest],
    )
