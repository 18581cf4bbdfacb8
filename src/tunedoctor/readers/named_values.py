"""Read reports made of names and values: collect_env of torch, vLLM and SGLang, the env commands, banners, issue forms.

Names are found wherever they stand and by whatever tool they were printed; a value counts only where it has the form
of its kind, so that prose gives nothing. Where a report tells a thing twice, the first has the word.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from tunedoctor.facts import AmdGpus, Distribution, Fact, Host, IntelGpu, NvidiaGpus, Packages
from tunedoctor.readers.collect_env import blocks
from tunedoctor.readers.values.banners import banners
from tunedoctor.readers.values.build import interpreter, torch
from tunedoctor.readers.values.driver import driver
from tunedoctor.readers.values.gpus import gpus, shown
from tunedoctor.readers.values.json_text import objects
from tunedoctor.readers.values.libraries import version_in
from tunedoctor.readers.values.library_lines import Libraries, libraries
from tunedoctor.readers.values.machine import apple, processor
from tunedoctor.readers.values.pairs import pairs
from tunedoctor.readers.values.prose import prose
from tunedoctor.readers.values.said import Collected, Said
from tunedoctor.readers.values.session import answers, latest
from tunedoctor.readers.values.system import host
from tunedoctor.readers.values.variables import variables

_HEADS = ("PyTorch version:", "Collecting environment information...")
MOST = 20_000
"""Values that are kept: a longer text repeats itself."""
_MOST_OF_A_KEY = 200
"""Values of one name that are kept: no machine has more GPUs."""


def read(lines: list[str]) -> list[Fact]:
    """Return the facts that names with values in these lines tell; nothing where there are none. Never raises."""
    lines = [part for line in lines for part in _unglued(line)]
    said = Collected(_first(_all(lines)))
    listed = libraries(lines)
    packages = _packages(said, listed)
    versions = {d.name: d.version for d in packages}
    facts: list[Fact] = host(said)
    system = next((f for f in facts if isinstance(f, Host)), None)
    facts += interpreter(said, system)
    facts += torch(said, system, versions, listed.conda)
    cards = gpus(said)
    others = any(isinstance(f, AmdGpus | IntelGpu) for f in cards) and not any(
        isinstance(f, NvidiaGpus) for f in cards
    )
    facts += cards + driver(said, other_vendor=others)
    facts += processor(said)
    facts += apple(said, facts)
    if packages or listed.conda:
        facts.append(Packages(distributions=tuple(packages), conda=listed.conda, complete=False))
    facts += variables(said, shown=shown(said))
    return facts if _telling(facts) else []


def _all(lines: Sequence[str]) -> Iterator[Said]:
    yield from latest(answers(lines))
    yield from banners(lines)
    yield from objects(lines)
    yield from blocks(lines)
    # what the driver's own tool prints is the driver's CUDA, not that of torch
    yield from (
        one
        for one in pairs(lines)
        if one.key != "cuda_plain" or "NVIDIA-SMI" not in lines[one.line]
    )
    yield from prose(lines)


def _unglued(line: str) -> list[str]:
    """Split a line in which a report begins behind other words, as where two were pasted without a line end."""
    at = max(line.rfind(head) for head in _HEADS)
    glued = at > 0 and line[at - 1] not in " \t\"'`*_>(|#-["
    return [line[:at], line[at:]] if glued else [line]


def _first(said: Iterator[Said]) -> Iterator[Said]:
    """Keep each value of a key once, and no more than MOST in all."""
    seen: set[tuple[str, str, str]] = set()
    counts: Counter[str] = Counter()
    for one in said:
        mark = (one.key, one.value, one.gpu)
        if mark not in seen and counts[one.key] < _MOST_OF_A_KEY:
            seen.add(mark)
            counts[one.key] += 1
            yield one
        if len(seen) > MOST:
            return


def _packages(said: Collected, listed: Libraries) -> list[Distribution]:
    found = dict(listed.distributions)
    for key in said.beginning("library "):
        name = key.removeprefix("library ")
        for one in said.all(key):
            version = version_in(one.value, whole=one.typed)
            if version and name not in found:
                found[name] = Distribution(name=name, version=version)
    if "torch" not in found:
        version = next(
            (v for one in said.all("torch") if (v := version_in(one.value, whole=one.typed))), None
        )
        if version:
            found["torch"] = Distribution(name="torch", version=version)
    return list(found.values())


def _telling(facts: list[Fact]) -> bool:
    """Tell whether there is more than the name of a system, which any prose tells and which decides nothing."""
    return any(not isinstance(f, Host) for f in facts) or any(
        isinstance(f, Host) and (f.kernel or f.machine or f.macos_version) for f in facts
    )
