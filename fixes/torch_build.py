"""Put in the torch build that fits the machine.

Which build it is the wheel choice says: the newest one whose CUDA or ROCm the driver serves, with code for every GPU,
for this Python and this system. torchvision, torchaudio, the CUDA libraries and the libraries above it move as little
as the new build needs.
"""

from msgspec import structs

from tunedoctor.api import (
    Distribution,
    Draft,
    Finding,
    Host,
    Interpreter,
    Packages,
    PipInstall,
    Resolve,
    Unknown,
    exact,
    family,
    fix,
    has_wheel,
    known,
    name_of,
    python_tag,
    table_archs,
    unmet,
)

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
def torch_build(
    finding: Finding,
    packages: Packages | None,
    interpreter: Interpreter | Unknown | None,
    host: Host | Unknown | None,
) -> Draft | None:
    """Take the build that the finding names; a cure that installs no torch is another fix's."""
    there = packages.version("torch") if packages is not None else ""
    for line in reversed(finding.cure.installs):
        if any(name_of(one) == "torch" for one in line.requirements):
            wanted = _wanted(line, there)
            if packages is not None and not there:
                wanted = _missed(wanted, packages, known(interpreter), known(host))
            return Draft(steps=(Resolve(requirements=wanted),), reason=finding.found)
    return None


def _missed(
    wanted: tuple[str, ...],
    packages: Packages,
    interpreter: Interpreter | None,
    host: Host | None,
) -> tuple[str, ...]:
    """Put back the release whose torchvision or torchaudio is still there, where it serves as well as the newest."""
    newest = next(
        (pair for one in wanted if name_of(one) == "torch" and (pair := exact(one))), None
    )
    if newest is None or interpreter is None or host is None:
        return wanted
    variant = newest[1].partition("+")[2]
    for version in _of_companions(packages):
        where = family(host, interpreter)
        torch = Distribution(name="torch", version=version)
        after = structs.replace(packages, distributions=(*packages.distributions, torch))
        names = [one.name for one in packages.distributions]
        content = all(one.name != "torch" for one in unmet(after, interpreter, host, None, names))
        archs = set(table_archs(newest[1], variant, where))
        served = archs <= set(table_archs(version, variant, where))
        if content and served and has_wheel(version, python_tag(interpreter), where):
            label = f"+{variant}" if variant else ""
            return tuple(
                f"torch=={version}{label}" if name_of(one) == "torch" else one for one in wanted
            )
    return wanted


def _of_companions(packages: Packages) -> tuple[str, ...]:
    """Return the torch releases that installed companions ask for."""
    held = (packages.get(name) for name in PAIRED)
    asked = (one for d in held if d is not None for one in d.requires)
    pairs = (exact(one.replace("(", "").replace(")", "").replace(" ", "")) for one in asked)
    return tuple(dict.fromkeys(p[1] for p in pairs if p is not None and p[0] == "torch"))


def _wanted(line: PipInstall, there: str) -> tuple[str, ...]:
    """Leave the versions of companions to the resolver; new ones come with a new torch alone."""
    own = tuple(one for one in line.requirements if name_of(one) not in PAIRED)
    beside = (name_of(one) for one in line.requirements if name_of(one) == "torchvision")
    return own if there else (*own, *beside)
