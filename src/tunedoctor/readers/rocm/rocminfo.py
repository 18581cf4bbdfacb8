"""rocminfo, whole or after grep; rocm_agent_enumerator; clinfo where it names an AMD target; HIP's own log."""

from collections.abc import Sequence

from tunedoctor.lazy import pattern
from tunedoctor.readers.rocm.words import GFX, LONGEST, Part, hexadecimal, size, value

_AGENT = pattern(r"^\s*Agent\s{1,3}\d{1,3}\s*\*?\s*$")
_NAME = pattern(r"^\W{0,12}Name:\s{1,40}(\S.{0,120})$")
_MARKETING = pattern(r"^\W{0,12}Marketing Name:\s{0,40}(\S.{0,120})$")
_APU = pattern(r"^\s*Memory Properties:\s{0,40}APU")
_CHIP = pattern(r"^\s*Chip ID:\s{1,40}\d{1,10}\((0x[0-9a-f]{1,8})\)")
_BDF = pattern(r"^\s*BDFID:\s{1,40}(\d{1,8})\b")
_SIZE = pattern(r"^\s*Size:\s{1,40}(\d{1,15})\(0x[0-9a-f]{1,16}\)\s{0,4}(KB|MB|B)?")
_ISA = pattern(r"amdgcn-amd-amdhsa--(gfx[0-9a-f]{3,5})(?![\w-])")
_BARE = pattern(r"\s*(gfx[0-9a-f]{3,5})\s*")
_TYPED = pattern(r"\brocm_agent_enumerator\b|\bamdgpu-arch\b|\boffload-arch\b")
_CL_DEVICE = pattern(r"^\s*Device Name:?\s{1,60}(gfx[0-9a-f]{3,5})(?![\w-])")
_CL_BOARD = pattern(r"^\s*(?:Device )?Board [Nn]ame(?: \(AMD\))?:?\s{1,60}(\S.{0,120})$")
_LOG = pattern(r"Gfx Major/Minor/Stepping:\s{0,4}(\d{1,2})/(\d{1,2})/(\d{1,2})")
_MOST = 256


class _Agents:
    """What was read so far: GPUs, targets of ISA lines, and the agent whose lines follow."""

    def __init__(self) -> None:
        self.found: list[Part] = []
        self.isa: list[str] = []
        self.current: Part | None = None
        self.named = False

    def name(self, line: str, name: str) -> None:
        """Take a Name: an agent's own, or that of its instruction set."""
        target = _ISA.search(line)
        gfx = GFX.match(name.strip())
        if target:
            self.isa.append(target[1])
        elif gfx and len(self.found) < _MOST:
            if self.current is None or self.named:
                self.current = Part()
            self.current.gfx, self.named = gfx[0], True
            self.found.append(self.current)
        elif "amdgcn" not in line:
            # a processor: what follows is not of the GPU above; only its heading opens another
            self.current, self.named = None, True

    def board(self, line: str) -> None:
        """Take the lines of clinfo."""
        if name := _CL_BOARD.match(line):
            if self.found and not self.found[-1].name:
                self.found[-1].name = value(name[1])
        elif device := _CL_DEVICE.match(line):
            self.found.append(Part(gfx=device[1]))


def agents(lines: Sequence[str]) -> list[Part]:
    """Return the GPUs that rocminfo or clinfo lists, in order."""
    told = _Agents()
    for whole in lines:
        line = whole[:LONGEST]
        if _AGENT.match(line):
            told.current, told.named = Part(), False
        elif name := _NAME.match(line):
            told.name(line, name[1])
        elif told.current is not None and told.current.gfx and ":" in line:
            _more(told.current, line)
        if "ame" in line:
            told.board(line)
    return told.found or [Part(gfx=one) for one in dict.fromkeys(told.isa)]


def _more(agent: Part, line: str) -> None:
    if marketing := _MARKETING.match(line):
        agent.name = value(marketing[1])
    elif chip := _CHIP.match(line):
        agent.device = hexadecimal(chip[1])
    elif (bdf := _BDF.match(line)) and int(bdf[1]):
        place = int(bdf[1])
        agent.slot = f"0000:{place >> 8 & 255:02x}:{place >> 3 & 31:02x}.{place & 7}"
    elif pool := _SIZE.match(line):
        agent.memory = max(agent.memory or 0, size(pool[1], pool[2] or "B") or 0) or None
    elif _APU.match(line):
        agent.apu = True


def enumerated(lines: Sequence[str]) -> list[Part]:
    """Return what rocm_agent_enumerator or amdgpu-arch lists: one name a line, gfx000 for the processor."""
    found: list[Part] = []
    asked = False
    for number, whole in enumerate(lines):
        line = whole[:LONGEST]
        if "gfx" not in line:
            asked = (asked and not line.strip()) or bool(_TYPED.search(line))
        elif bare := _BARE.fullmatch(line):
            above = lines[number - 1].strip() if number else ""
            asked = asked or bare[1] == "gfx000" or above == "gfx000"
            if asked and bare[1] != "gfx000" and len(found) < _MOST:
                found.append(Part(gfx=bare[1]))
    return found


def logged(lines: Sequence[str]) -> list[Part]:
    """Return the GPUs that HIP's own log names (AMD_LOG_LEVEL=3)."""
    return [
        Part(gfx=f"gfx{int(one[1])}{int(one[2]):x}{int(one[3]):x}")
        for line in lines
        if "Stepping" in line and (one := _LOG.search(line[:LONGEST]))
    ][:_MOST]
