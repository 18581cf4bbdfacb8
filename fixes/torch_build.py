"""Put in the torch build that fits the machine.

Which build it is the wheel choice says: the newest one whose CUDA or ROCm the driver serves, with code for every GPU,
for this Python and this system. torchvision, torchaudio, the CUDA libraries and the libraries above it move as little
as the new build needs.
"""

from tunedoctor.api import Draft, Finding, Packages, Resolve, fix, name_of

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
    held = {one.name for one in packages.distributions} if packages is not None else set[str]()
    lines = (line.requirements for line in reversed(finding.cure.installs))
    wanted = next((line for line in lines if "torch" in map(name_of, line)), ())
    # versions of companions are the resolver's to say; new ones come with a new torch alone
    own = [one for one in wanted if name_of(one) not in PAIRED]
    if "torch" not in held:
        if held & {*PAIRED}:
            # their own release is nearer than the newest
            own = ["torch" if name_of(one) == "torch" else one for one in own]
        own += [name for name in map(name_of, wanted) if name == "torchvision"]
    return Draft(steps=(Resolve(requirements=tuple(own)),), reason=finding.found) if own else None
