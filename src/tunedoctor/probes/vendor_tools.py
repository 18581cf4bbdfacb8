"""GPUs that the kernel's own files do not show and the vendor's tool names: under WSL, and in some containers."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from msgspec.structs import replace

from tunedoctor.child import run
from tunedoctor.clean import inert
from tunedoctor.facts import AmdGpu, AmdGpus, IntelGpu
from tunedoctor.probes.nvidia_smi import find_program

AMD: Mapping[str, tuple[str, ...]] = {
    "rocminfo": (),
    "amd-smi": ("static", "--asic", "--bus"),
    "rocm-smi": ("--showproductname", "--showbus", "--showid", "--json"),
}
"""Program -> arguments that list GPUs; the first is the compute runtime itself."""
INTEL: Mapping[str, tuple[str, ...]] = {"xpu-smi": ("discovery",), "sycl-ls": ()}
SECONDS = 4.0
"""For all tools of a vendor: with the files read before, less than a probe may take."""
MOST = 1 << 20
"""Bytes of an answer that are read."""


def amd_told(environ: Mapping[str, str], more: Iterable[Path] = ()) -> AmdGpus | None:
    """Return the GPUs that ROCm's tools list; `more` are folders of ROCm. None where no tool names one."""
    for tool, lines in _answers(AMD, environ, [str(folder / "bin") for folder in more]):
        from tunedoctor.readers.rocm.amd_smi import amd_smi  # noqa: PLC0415  seldom needed
        from tunedoctor.readers.rocm.read import read  # noqa: PLC0415

        for fact in read(lines):
            if isinstance(fact, AmdGpus):
                return replace(fact, told_by=tool)
        # a bare list has no names
        if nameless := amd_smi(lines):
            gpus = (AmdGpu(at, gfx="", name="AMD GPU", slot=p.slot) for at, p in nameless.items())
            return AmdGpus(gpus=tuple(gpus), told_by=tool)
    return None


def intel_told(environ: Mapping[str, str]) -> IntelGpu | None:
    """Return the GPUs that Intel's tools list; None where no tool names one that training can use."""
    for _, lines in _answers(INTEL, environ):
        from tunedoctor.readers.system.intel import intel  # noqa: PLC0415  seldom needed
        from tunedoctor.readers.system.pci import Bus  # noqa: PLC0415

        fact = intel(lines, Bus())
        if fact is not None and fact.discrete:
            return fact
    return None


def _answers(
    tools: Mapping[str, tuple[str, ...]], environ: Mapping[str, str], more: Iterable[str] = ()
) -> Iterator[tuple[str, list[str]]]:
    """Run one tool after the other while there is time, and yield what each printed."""
    left = SECONDS
    for name, arguments in tools.items():
        path = find_program(name, environ, more)
        if path and left > 0:
            ended = run([path, *arguments], timeout=left, limit=MOST)
            left -= ended.seconds
            if ended.how == "exit" and not ended.truncated:
                yield name, inert(ended.out).splitlines()
