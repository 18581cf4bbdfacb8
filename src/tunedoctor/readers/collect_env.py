"""Parts of torch's collect_env, vLLM's and SGLang's that run over several lines.

The list of GPUs below "GPU models and configuration", the MIG devices below a GPU, the processor of a Mac below
"CPU:", the devices below "Accelerator" of diffusers. All other rows are names with values, as in every other report.
"""

from collections.abc import Iterator, Sequence

from tunedoctor.lazy import pattern
from tunedoctor.readers.values.cards import cards_in
from tunedoctor.readers.values.said import Said

_OPENS = pattern(
    r"\A\W{0,16}(?P<whole>GPU models and configuration)?(?:Accelerator|Intel GPU models (?:onboard|detected)|GPUs?)?"
    r"\s*[:=]\s*(?P<value>.*)\Z"
)
_WORD = pattern(r"\A\W{0,16}(?:GPU|Accelerator|Intel GPU)")
_GPU = pattern(
    r"\A\W{0,12}(?:GPU|Device)\s*#?(?P<gpu>\d{1,3})\s*:\s*(?P<name>\S.{1,120}?)\s*(?:\(UUID.*)?\Z"
)
_MIG = pattern(r"\A\W{0,16}MIG\s+\d{1,2}[cg]\.[\w.+]{2,20}\s+Device\s+\d{1,3}\s*:")
_NEXT = pattern(r"\A\s*[A-Za-z][\w /()?-]{2,60}:\s")
_BULLET = pattern(r"\A\s{0,40}[*-]\s+(?:\[\d{1,2}\]\s*)?(?P<name>\S.{2,120})\Z")
_CPU = pattern(r"\A\W{0,12}CPU\s*(?:Info)?\s*:?\s*\Z")
_APPLE = pattern(
    r"\A\W{0,16}(?P<chip>Apple M\d\w{0,3}(?: (?:Pro|Max|Ultra))?(?: \(Virtual\))?)\s*\Z"
)
_SHORTEST, _LONGEST = 3, 400


def blocks(lines: Sequence[str]) -> Iterator[Said]:
    """Yield the GPUs, MIG devices and processors of such lists, in order."""
    yield from _lists(lines)
    yield from _mig(lines)
    yield from _apple(lines)


def _lists(lines: Sequence[str]) -> Iterator[Said]:
    """GPUs with their number, or below a head: one a line, until a line is none."""
    inside, place = False, 0
    for number, line in enumerate(lines):
        if not _SHORTEST <= len(line) <= _LONGEST:
            inside = inside and bool(line.strip())
            continue
        opened = _OPENS.match(line) if _WORD.match(line) else None
        value = opened["value"].strip() if opened else line.strip()
        if opened and opened["whole"]:
            yield Said("whole list", value, line=number)
        if found := _GPU.match(line) or (_GPU.match(value) if opened else None):
            yield Said("gpu", found["name"], found["gpu"], number)
            inside = False
        elif opened:
            inside, place = True, 0
            if value and cards_in(value):
                yield Said("gpu", value, "0", number)
                place = 1
        elif inside:
            bullet = _BULLET.match(line)
            text = bullet["name"] if bullet else value
            inside = (bullet is not None or not _NEXT.match(line)) and bool(cards_in(text))
            if inside:
                yield Said("gpu", text, str(place), number)
                place += 1


def _mig(lines: Sequence[str]) -> Iterator[Said]:
    """MIG devices, which stand below their GPU."""
    above = "0"
    for number, line in enumerate(lines):
        if len(line) > _LONGEST:
            continue
        if found := _GPU.match(line):
            above = found["gpu"]
        elif "MIG" in line and _MIG.match(line):
            yield Said("mig", line.strip(), above, number)


def _apple(lines: Sequence[str]) -> Iterator[Said]:
    for number, line in enumerate(lines):
        if "Apple M" not in line[:60]:
            continue
        chip = _APPLE.match(line)
        if chip and any(_CPU.match(one) for one in lines[max(0, number - 2) : number]):
            yield Said("cpu", chip["chip"], line=number)
