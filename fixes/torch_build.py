"""Put in the torch build that fits the machine.

Which build it is the wheel choice says: the newest one whose CUDA or ROCm the driver serves, with code for every GPU,
for this Python and this system. torchvision, torchaudio, the CUDA libraries and the libraries above it move as little
as the new build needs.
"""

from tunedoctor.api import Draft, Finding, Packages, PipInstall, Resolve, fix, name_of

PAIRED = ("torchvision", "torchaudio")


@fix(
    "torch-build",
    "Install the torch build that fits",
    cures=[
        "torch-missing",
        "torch-cpu-only",
        "driver-too-old",
        "gpu-too-new-for-torch",
        "gpu-too-old-for-torch",
        "gpu-arch-not-in-rocm-build",
        "glibc-too-old",
        "macos-too-old",
        "windows-missing-dll",
        "platform-unsupported",
        "torch-too-old-for-library",
        "torch-old",
        "cuda-old",
    ],
)
def torch_build(finding: Finding, packages: Packages | None) -> Draft | None:
    """Take the build that the finding names; a cure that installs no torch is another fix's."""
    there = packages.version("torch") if packages is not None else ""
    for line in reversed(finding.cure.installs):
        if any(name_of(one) == "torch" for one in line.requirements):
            wanted = _wanted(line, there)
            if not there and any(packages.get(name) for name in PAIRED if packages):
                # its own release is nearer than the newest
                wanted = tuple("torch" if name_of(one) == "torch" else one for one in wanted)
            return Draft(steps=(Resolve(requirements=wanted),), reason=finding.found)
    return None


def _wanted(line: PipInstall, there: str) -> tuple[str, ...]:
    """Leave the versions of companions to the resolver; new ones come with a new torch alone."""
    own = tuple(one for one in line.requirements if name_of(one) not in PAIRED)
    beside = (name_of(one) for one in line.requirements if name_of(one) == "torchvision")
    return own if there else (*own, *beside)
