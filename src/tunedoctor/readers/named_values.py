"""Read reports made of names and values: collect_env of torch, vLLM and SGLang, the env commands, banners, issue forms.

Names are found wherever they stand and by whatever tool they were printed; a value counts only where it has the form
of its kind, so that prose gives nothing. Where a report tells a thing twice, the first has the word.
"""

from collections.abc import Iterator

from tunedoctor.facts import Distribution, Fact, Packages
from tunedoctor.readers.paste import Paste
from tunedoctor.readers.values.build import interpreter, torch
from tunedoctor.readers.values.gpus import cards_of, gpus
from tunedoctor.readers.values.kinds import version
from tunedoctor.readers.values.lines import in_forms, in_lines
from tunedoctor.readers.values.machine import filled, variables
from tunedoctor.readers.values.said import Collected, Said
from tunedoctor.readers.values.session import answers, latest
from tunedoctor.readers.values.system import host
from tunedoctor.versions import normalised

_LONGEST_LISTED = 2000


def read(lines: list[str]) -> list[Fact]:
    """Return the facts that names with values in these lines tell; nothing where there are none. Never raises."""
    paste = Paste(lines)
    said = Collected(_all(paste))
    packages, conda = _listed(paste)
    for key in (*said.beginning("library "), "torch"):
        name = key.removeprefix("library ")
        versions = (version(one.value, whole=one.typed) for one in said.all(key))
        if name not in packages and (first := next(filter(None, versions), None)):
            packages[name] = Distribution(name=name, version=first)
    system = host(said)
    facts: list[Fact] = [system] if system else []
    facts += interpreter(said, system)
    facts += torch(said, system, {name: one.version for name, one in packages.items()}, conda)
    cards = cards_of(said, lines)
    facts += gpus(said, cards, system) + filled(said)
    if packages or conda:
        every = tuple(packages.values())
        facts.append(Packages(distributions=every, conda=conda, complete=False))
    # names of GPUs that torch was shown, unless the list is whole
    facts += variables(said, 0 if said.all("whole_list") else len(cards))
    # the name of a system alone is what any prose tells, and decides nothing
    tools = said.all("libc", "windows_build", "wsl_list", "os_release")
    known = system and (system.kernel or system.machine or system.macos_version or system.model)
    idle = not known and not tools
    return [] if idle and facts == [system] else facts


def _all(paste: Paste) -> Iterator[Said]:
    yield from latest(answers(paste.lines))
    yield from in_forms(paste)
    yield from in_lines(paste.lines)


def _listed(paste: Paste) -> tuple[dict[str, Distribution], dict[str, str]]:
    """Return what "Versions of relevant libraries" of collect_env lists, and conda packages: name -> "version build".

    Lines are "[pip3] name==1.0" and "[conda] name 1.0 build", several in one where they were joined.
    """
    found: dict[str, Distribution] = {}
    conda: dict[str, str] = {}
    for hit in paste.each("listed", longest=_LONGEST_LISTED):
        for one in hit.found.re.finditer(paste.lines[hit.line][:_LONGEST_LISTED]):
            name, installer = normalised(one["name"]), "pip"
            if one["how"] == "conda":
                build = (one["rest"].split() or [""])[0]
                conda.setdefault(name, f"{one['version']} {build}".strip())
                name, installer = "torch" if name == "pytorch" else name, "conda"
            found.setdefault(name, Distribution(name, one["version"], installer=installer))
    return found, conda
