"""Read reports made of names and values: collect_env of torch, vLLM and SGLang, the env commands, banners, issue forms.

Names are found wherever they stand and by whatever tool they were printed; a value counts only where it has the form
of its kind, so that prose gives nothing. Where a report tells a thing twice, the first has the word.
"""

from collections.abc import Iterator, Sequence

from tunedoctor.facts import Distribution, Fact, Packages
from tunedoctor.readers.paste import Paste
from tunedoctor.readers.values.build import interpreter, torch
from tunedoctor.readers.values.gpus import gpus, shown
from tunedoctor.readers.values.kinds import version
from tunedoctor.readers.values.library_lines import Libraries, libraries
from tunedoctor.readers.values.lines import in_forms, in_lines, in_sentences
from tunedoctor.readers.values.machine import container, filled, variables
from tunedoctor.readers.values.said import Collected, Said
from tunedoctor.readers.values.session import answers, latest
from tunedoctor.readers.values.system import host


def read(lines: list[str]) -> list[Fact]:
    """Return the facts that names with values in these lines tell; nothing where there are none. Never raises."""
    said = Collected(_all(lines))
    listed = libraries(lines)
    packages = _packages(said, listed)
    system = host(said)
    facts: list[Fact] = [system] if system else []
    facts += interpreter(said, system)
    facts += torch(said, system, {d.name: d.version for d in packages}, listed.conda)
    facts += gpus(said, system) + filled(said) + container(said)
    if packages or listed.conda:
        facts.append(Packages(distributions=tuple(packages), conda=listed.conda, complete=False))
    facts += variables(said, shown(said))
    # the name of a system alone is what any prose tells, and decides nothing
    tools = said.all("libc", "windows_build", "wsl_list")
    idle = not system or not (system.kernel or system.machine or system.macos_version or tools)
    return [] if idle and facts == [system] else facts


def _all(lines: Sequence[str]) -> Iterator[Said]:
    yield from latest(answers(lines))
    yield from in_forms(Paste(lines))
    yield from in_lines(lines)
    yield from in_sentences(lines)


def _packages(said: Collected, listed: Libraries) -> list[Distribution]:
    found = dict(listed.distributions)
    for key in (*said.beginning("library "), "torch"):
        name = key.removeprefix("library ")
        versions = (version(one.value, whole=one.typed) for one in said.all(key))
        if name not in found and (first := next(filter(None, versions), None)):
            found[name] = Distribution(name=name, version=first)
    return list(found.values())
