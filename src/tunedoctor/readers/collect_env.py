"""Parts of torch's collect_env, vLLM's and SGLang's that run over several lines.

The list of GPUs below "GPU models and configuration", the MIG devices below a GPU, the processor of a Mac below
"CPU:", the devices below "Accelerator" of diffusers. All other rows are names with values, as in every other report.
"""

import re
from collections.abc import Iterator, Sequence

from tunedoctor.readers.values.cards import cards_in
from tunedoctor.readers.values.said import Said

_OPENS = re.compile(
    r"\A\W{0,16}(?:GPU models and configuration|Accelerator|Intel GPU models (?:onboard|detected)|GPU)\s*[:=]\s*(?P<value>.*)\Z"
)
_GPU = re.compile(r"\A\W{0,12}(?:GPU|Device)\s*#?(?P<index>\d{1,3})\s*:\s*(?P<name>\S.{1,120}?)\s*(?:\(UUID.*)?\Z")
_MIG = re.compile(r"\A\W{0,16}MIG\s+(?P<profile>\d{1,2}[cg]\.[\w.+]{2,20})\s+Device\s+\d{1,3}\s*:")
_NEXT = re.compile(r"\A\s*[A-Za-z][\w /()?-]{2,60}:\s")
_BULLET = re.compile(r"\A\s{0,40}(?:[*-]\s+)(?:\[\d{1,2}\]\s*)?(?P<name>\S.{2,120})\Z")
_CPU = re.compile(r"\A\W{0,12}CPU\s*(?:Info)?\s*:?\s*\Z")
_APPLE = re.compile(r"\A\s*(?P<chip>Apple M\d\w{0,3}(?: (?:Pro|Max|Ultra))?(?: \(Virtual\))?)\s*\Z")
_FAR = 66
"""Lines below the head of a list that belong to it."""


def blocks(lines: Sequence[str]) -> Iterator[Said]:
    """Yield the GPUs, MIG devices and processors of such lists, in order."""
    inside, index, place = 0, "", -1
    for number, line in enumerate(lines):
        if not 3 <= len(line) <= 400:
            inside = inside if line.strip() else 0
            continue
        if found := _GPU.match(line):
            index = found["index"]
            yield Said("gpu", found["name"], index, number)
            continue
        if _MIG.match(line):
            yield Said("mig", line.strip(), index or "0", number)
            continue
        if (opened := _OPENS.match(line)) and not opened["value"].strip():
            inside, place = number + _FAR, -1
            continue
        if (opened := _OPENS.match(line)) and (found := _GPU.match(opened["value"])):
            index, inside = found["index"], 0
            yield Said("gpu", found["name"], index, number)
            continue
        if opened and opened["value"]:
            inside = number + _FAR
            index = ""
            if opened["value"].strip() and cards_in(opened["value"][:200]):
                place = 0
                yield Said("gpu", opened["value"].strip(), "0", number)
        elif inside > number:
            bullet = _BULLET.match(line)
            text = bullet["name"] if bullet else line.strip()
            if not text or (not bullet and _NEXT.match(line)) or not cards_in(text):
                inside = 0
            else:
                place += 1
                yield Said("gpu", text, str(place), number)
        if (chip := _APPLE.match(line)) and any(_CPU.match(one) for one in lines[max(0, number - 2) : number]):
            yield Said("cpu", chip["chip"], "", number)
