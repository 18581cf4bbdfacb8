"""Facts that only running the target, a smoke training or a pasted log can show."""

from typing import Literal

from tunedoctor.facts.base import Bytes, Count, Fact, Part

Outcome = Literal["ok", "failed", "crashed", "hung", "skipped"]


class Stage(Part, frozen=True):
    """One stage of the probe that runs in the target."""

    name: str
    """import torch, import numpy, numpy bridge, init cuda, matmul cuda:0 float16 …"""
    outcome: Outcome
    error: str = ""
    """Last lines of the exception, or how it died: "signal SIGSEGV", "exit status 3", "no answer in 60 s"."""
    error_type: str = ""
    seconds: float = 0.0


class RunDevice(Part, frozen=True):
    """A device as torch describes it."""

    kind: Literal["cuda", "rocm", "xpu", "mps"]
    index: int
    name: str
    compute_capability: str = ""
    gfx: str = ""
    memory_total: Bytes | None = None
    bf16: bool | None = None


class Stray(Part, frozen=True):
    """A package that was imported from outside of the site folders and the standard library."""

    module: str
    file: str
    by: str = ""
    """The file that put its folder on the path: a .pth file, sitecustomize.py; "" where none is known to."""


class Runtime(Fact, frozen=True):
    """The results of running torch in the target. Absent: it was not run (--deep does)."""

    stages: tuple[Stage, ...]
    """In order; the last is where a crash or a hang happened."""
    torch_version: str = ""
    torch_cuda: str = ""
    torch_hip: str = ""
    torch_file: str = ""
    gpu_available: bool | None = None
    """torch.cuda, torch.xpu or torch.mps is available; None where not asked or not told."""
    gpu_error: str = ""
    archs: tuple[str, ...] = ()
    devices: tuple[RunDevice, ...] = ()
    attention: tuple[str, ...] = ()
    """Back-ends of scaled dot product attention that ran: flash, efficient, cudnn, math."""
    warnings: tuple[str, ...] = ()
    strays: tuple[Stray, ...] = ()
    remembered: str = ""
    """When it was run, ISO 8601, where a quick look only remembers it; "" for a run of this look."""

    @property
    def gpu_works(self) -> bool:
        """True if the device is available and a multiplication was correct; a report contains no multiplication."""
        tried = [s for s in self.stages if s.name.startswith("matmul")]
        return bool(self.gpu_available) and (not tried or any(s.outcome == "ok" for s in tried))

    def stage(self, name: str) -> Stage | None:
        """Return the stage of that name, if it was begun."""
        return next((s for s in self.stages if s.name == name), None)


class Frame(Part, frozen=True):
    """One frame of a traceback."""

    file: str
    line: Count | None = None
    function: str = ""
    code: str = ""
    """The source line, where it was printed."""


class ErrorText(Part, frozen=True):
    """An error that was printed: by a stage of the probe or in a pasted log."""

    text: str
    """The message, with its type in front: "ImportError: libcudart.so.12: cannot open …"."""
    where: str = ""
    """The stage, the module that failed, or the line of the log."""
    type: str = ""
    """Class of the exception as printed, "torch.OutOfMemoryError"; empty where the line names none."""
    frames: tuple[Frame, ...] = ()
    """Of a traceback, outermost first; only the innermost 40."""


class Errors(Fact, frozen=True):
    """All errors seen, in order. Absent: nothing ran and no log was given."""

    errors: tuple[ErrorText, ...]


class Resemblance(Part, frozen=True):
    """A cause that the words of a text resemble: learned from labelled reports, and no proof."""

    cause: str
    likelihood: float
    """Of all causes that are known, 0 to 1."""
    because: str = ""
    """The line of the text that speaks for it most."""


class Alike(Part, frozen=True):
    """A solved case whose words are like those of a text."""

    thread: str
    """"owner/repo#123"."""
    cause: str
    score: float
    """How near it is, compared with the other cases of the same text."""
    shared: float
    """Which part of the text's rare words it has, 0 to 1."""


class Resembles(Fact, frozen=True):
    """Causes that the wording of a pasted text resembles. Unknown: not a report."""

    causes: tuple[Resemblance, ...]
    """Best first: those that count, and no others."""
    healthy: float
    """Likelihood that it is the text of a machine without a fault."""
    stopped: bool = True
    """A line says that something stopped, though the error itself may be cut off."""
    similar: tuple[Alike, ...] = ()
    """Solved cases that are like it, nearest first."""


class Typed(Fact, frozen=True):
    """Commands that a pasted text shows after a prompt. Absent: not a report."""

    commands: tuple[str, ...]
    """Without the prompt, in order: "pip install torch --extra-index-url …", ">>> import torch" without its arrows."""


class Requirement(Part, frozen=True):
    """One stated requirement."""

    name: str
    """The package or thing that is required, normalised: torch, python, macos …"""
    specifier: str
    """">=2.4", "<1.0,>=0.34.0"."""
    by: str = ""
    """Who requires it: a package and its version, where told."""
    have: str = ""
    """The version that is there instead, where the same line tells it."""
    missing: bool = False
    """The same line says that it is not installed at all."""


class Wanted(Fact, frozen=True):
    """Requirements on the environment that a pasted text states. Absent: not a report."""

    requirements: tuple[Requirement, ...]


class Refusal(Part, frozen=True):
    """One requirement for which an installer found no file that this interpreter can use."""

    name: str
    """Normalised: torch."""
    specifier: str = ""
    """As asked: "==2.9.1+cu128"; empty where any version would have done."""
    reason: Literal["version", "nothing", "python", "abi", "platform", "unknown"] = "unknown"
    """version: others are offered, none that fits. nothing: the index has no version for this interpreter, or does
    not know the name. python, abi, platform: files there are, for other Pythons, ABIs or systems."""
    offered: tuple[str, ...] | None = None
    """Versions that the index offers to this interpreter, as printed; None where no list was printed."""
    python_floors: tuple[tuple[str, str], ...] = ()
    """(version, Requires-Python) of the versions that were ignored for the Python's sake."""
    tag: str = ""
    """The tag of this interpreter that nothing matches: cp313, manylinux_2_17_x86_64, win32."""
    wheel_tags: tuple[str, ...] = ()
    """Tags of the existing wheels, such as cp39 or macosx_11_0_arm64; or the name of the wheel that was refused."""
    index: str = ""
    installer: Literal["pip", "uv", "poetry", "conda", ""] = ""


class IndexAnswer(Fact, frozen=True):
    """The answers of package indexes to a failed install. Absent: not a report."""

    refusals: tuple[Refusal, ...]
    """In the order of the text, one for each requirement."""


class CardSpeed(Part, frozen=True):
    """Speeds of a card: TFLOP/s of products by type, GB/s of memory and of copies to it (h2d) and from it (d2h)."""

    device: str
    name: str
    gemm: dict[str, float]
    memory: float
    h2d: float
    d2h: float
    """0: not measured."""


class NodeSpeed(Part, frozen=True):
    """Measured speeds of the cards of a node and of the links between them."""

    cards: tuple[CardSpeed, ...]
    ranks: Count = 0
    """Cards that summed; two processes on the CPU."""
    all_reduce: float | None = None
    """GB/s, as nccl-tests counts bus bandwidth."""


class Smoke(Fact, frozen=True):
    """A tiny training in the target. Absent: it was not run (`doctor smoke` does)."""

    stages: tuple[Stage, ...]
    """In order; the first that is neither ok nor skipped is what training meets first."""
    reason: str = ""
    """Of the first failure, a word of the script: no-backward, file-damaged …; empty for an exception or a death."""
    model: str = ""
    """Folder of the user's model; empty for the tiny one."""
    device: str = ""
    """As torch calls it: cuda:0, mps, cpu."""
    kind: str = ""
    """cuda, rocm, xpu, mps or cpu; empty where it did not come to a device."""
    device_name: str = ""
    half: str = ""
    """The 16-bit type that training takes there: bfloat16 or float16."""
    attention: tuple[str, ...] = ()
    """Back-ends that gave right numbers in that type."""
    losses: tuple[float, ...] = ()
    """In nats a token, one for each step."""
    tokens_per_second: float | None = None
    """Median step of the training, the first two left out."""
    peak: Bytes | None = None
    """Reserved on the device; on the CPU, of the whole process."""
    memory_total: Bytes | None = None
    """Of the device; None on the CPU."""
    ranks: tuple[float, ...] = ()
    """Seconds of the same work on each rank, by rank, where several trained together."""
    node: NodeSpeed | None = None
