"""rocminfo, whole or after grep; clinfo where it names an AMD target; lists of targets; torch's device properties."""

from tunedoctor.readers.paste import Paste, search
from tunedoctor.readers.rocm.words import Part, hexadecimal, size, value

_MOST = 256


def by_runtime(paste: Paste) -> list[Part]:
    """Return the GPUs that the runtime lists, in order: by rocminfo or clinfo, a list of targets, or torch."""
    return agents(paste) or _enumerated(paste) or _properties(paste)


def agents(paste: Paste) -> list[Part]:
    """Return the GPUs that rocminfo or clinfo lists, in order."""
    found: list[Part] = []
    targets: list[str] = []
    agent, named = Part(), True  # the agent whose lines follow; it was named
    for _, row, match in (
        paste.each("rocminfo") if "ame:" in paste.text or "gfx" in paste.text else ()
    ):
        if row == "agent":
            agent, named = Part(), False
        elif row == "isa":
            targets.append(match["isa"])
        elif row == "name":
            gfx = search("amd_words.gfx", match["said"].strip())
            # a processor: what follows is not of the GPU above; only its heading opens another
            agent, named = Part() if named or not gfx else agent, True
            if gfx and len(found) < _MOST:
                agent.gfx = gfx[0]
                found.append(agent)
        elif row == "cl_device":
            found.append(Part(gfx=match["gfx"]))
        elif row == "cl_board":
            if found and not found[-1].name:
                found[-1].name = value(match["board"])
        elif agent.gfx:
            _more(agent, match.groupdict())
    return found or [Part(gfx=one) for one in dict.fromkeys(targets)]


def _more(agent: Part, told: dict[str, str]) -> None:
    agent.name = value(told.get("name", "")) or agent.name
    agent.device = hexadecimal(told.get("device", "")) or agent.device
    agent.apu = agent.apu or "apu" in told
    if place := int(told.get("place", 0)):
        agent.slot = f"0000:{place >> 8 & 255:02x}:{place >> 3 & 31:02x}.{place & 7}"
    if pool := size(told.get("size", ""), told.get("unit") or "B"):
        agent.memory = max(agent.memory or 0, pool)


def _enumerated(paste: Paste) -> list[Part]:
    """Return what rocm_agent_enumerator or amdgpu-arch lists: one name a line, gfx000 for the processor."""
    found: list[Part] = []
    last = -2  # the last line of a list
    for line, row, match in paste.each("amd_targets.asked", "amd_targets.bare"):
        if row == "asked" or match[1] == "gfx000":
            last = line
        elif not any(one.strip() for one in paste.lines[max(last, 0) + 1 : line]) and last >= 0:
            last = line
            found.append(Part(gfx=match[1]))
    return found[:_MOST]


def _properties(paste: Paste) -> list[Part]:
    """Return the devices as torch prints them: _CudaDeviceProperties(name='…', …, gcnArchName='gfx1100', …)."""
    return [
        Part(gfx=one["gfx"], name=one["name"].strip(), memory=size(one["memory"] or ""))
        for found in paste.all("amd_targets.properties", longest=40_000)
        for one in found.re.finditer(found.string)
    ][:_MOST]
