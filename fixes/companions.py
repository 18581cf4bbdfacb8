"""Put in the torchvision, torchaudio or xformers that belongs to the installed torch, or take out one that has none.

torch itself stays. They come from the index that torch came from, without their dependencies.
"""

from tunedoctor.api import (
    Draft,
    Finding,
    Install,
    Packages,
    Pin,
    PipUninstall,
    Remove,
    exact,
    fix,
)


@fix(
    "companions",
    "Install the torchvision and torchaudio of this torch",
    cures=["torch-companion-mismatch", "gpu-too-new-for-torch"],
)
def companions(finding: Finding, packages: Packages) -> Draft | None:
    """Carry out the cure's own pip commands."""
    steps: list[Install | Remove] = []
    for line in finding.cure.pip:
        if isinstance(line, PipUninstall):
            steps.append(Remove(names=line.names))
            continue
        pairs = [exact(one) for one in line.requirements]
        if not all(pairs) or not line.no_deps:
            return None
        pins = tuple(
            Pin(name=n, version=v, was=packages.version(n)) for n, v in filter(None, pairs)
        )
        again = tuple(pin.name for pin in pins if pin.was)
        steps.append(Install(pins=pins, index=line.index, reinstall=again))
    return Draft(steps=tuple(steps), reason=finding.found) if steps else None
