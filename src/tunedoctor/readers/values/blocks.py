"""Lists that run over several lines, as collect_env of torch, vLLM, SGLang and diffusers print them.

The GPUs below "GPU models and configuration" and "Accelerator", the MIG devices below a GPU, the processor of a Mac
below "CPU:". All other rows are names with values, as in every other report.
"""

from collections.abc import Iterator, Sequence

from tunedoctor.lazy import pattern
from tunedoctor.readers.values.cards import cards_in
from tunedoctor.readers.values.said import Said

_OPENS = pattern(
    r"\A\W{0,16}(?:(?P<whole>GPU models and configuration)|Accelerator|Intel GPU models (?:onboard|detected)|GPUs?)"
    r"\s*[:=]\s*(?P<value>.*)\Z"
)
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
    above, inside, place = "0", False, 0
    for number, line in enumerate(lines):
        if not _SHORTEST <= len(line) <= _LONGEST:
            inside = inside and bool(line.strip())
            continue
        if "MIG" in line and _MIG.match(line):
            yield Said("mig", line.strip(), above, number)
        if "Apple M" in line:
            yield from _processor(line, lines[max(0, number - 2) : number], number)
        opened = _OPENS.match(line)
        value = opened["value"].strip() if opened else line.strip()
        if opened and opened["whole"]:
            yield Said("whole list", value, line=number)
        if found := _GPU.match(value if opened else line):
            above, inside = found["gpu"], False
            yield Said("gpu", found["name"], above, number)
        elif opened:
            inside, place = True, 0
            if value and cards_in(value):
                yield Said("gpu", value, "0", number)
                place = 1
        elif inside:
            bullet = _BULLET.match(line)
            text = bullet["name"] if bullet else value
            inside = (bullet is not None or not _NEXT.match(line)) and bool(cards_in(text))
            yield from [Said("gpu", text, str(place), number)] if inside else []
            place += 1


def _processor(line: str, above: Sequence[str], number: int) -> Iterator[Said]:
    chip = _APPLE.match(line)
    if chip and any(_CPU.match(one) for one in above):
        yield Said("cpu", chip["chip"], line=number)
