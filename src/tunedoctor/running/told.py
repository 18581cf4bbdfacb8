"""Make a text of what a command printed, as somebody would have pasted it."""

from collections.abc import Sequence

from tunedoctor.readers.digest import digest
from tunedoctor.running.tail import Tail


def output_of(tails: Sequence[Tail], shell_words: str) -> tuple[str, tuple[int, ...]]:
    """Return what is left of the output, and the number of each line in its stream.

    Standard output comes first, then standard error, then what a shell says of the command's death.
    """
    numbered = [line for tail in tails for line in tail.lines()]
    if shell_words:
        numbered.append((numbered[-1][0] + 1 if numbered else 1, shell_words.encode()))
    short = digest(data.decode("utf-8", "replace") for _, data in numbered)
    return short.text, tuple(numbered[at - 1][0] for at in short.numbers)
