"""Put in anew what is not whole, and delete what an interrupted upgrade left.

The version stays; where nobody can tell it, the resolver says which one fits the others. Of metadata that lie there
twice, those of the version that is not in use go as well.
"""

from pathlib import PurePath

from tunedoctor.api import (
    BrokenDistribution,
    Cure,
    DeletePath,
    Draft,
    Finding,
    Install,
    Interpreter,
    Packages,
    Resolve,
    TorchBuild,
    companion_install,
    fix,
    install_of,
    name_of,
    pattern,
    pip,
    same_torch,
)

COMPANIONS = ("torchvision", "torchaudio")
METADATA = pattern(r"(\S+\.(?:dist|egg)-info) (?:has no METADATA|states no version)")
"""How the facts name metadata that say nothing: installers don't take them away."""


@fix(
    "broken-packages",
    "Put in anew what is not whole",
    cures=["broken-install", "torch-import-crash", "library-import-fails", "cuda-library-missing"],
)
def broken_packages(
    finding: Finding, packages: Packages, interpreter: Interpreter, torch: TorchBuild | None
) -> Draft | None:
    """Reinstall what the finding tells of in the version that is there; leftovers are deleted."""
    told = [b for b in packages.broken if b.name in finding.found]
    if any(not PurePath(one.location).is_relative_to(interpreter.prefix or "?") for one in told):
        return None  # it lies outside of the environment
    paths = [(path, one.problem) for one in told for path in _folders(one, packages, interpreter)]
    steps: list[DeletePath | Install | Resolve] = [
        DeletePath(path=path, why=why) for path, why in paths
    ]
    lines = [*finding.cure.installs]
    names = {name_of(r) for line in lines for r in line.requirements}
    for one in told:
        if one.problem != "leftover" and one.name not in names:
            lines += _again(one.name, packages, interpreter, torch).installs
    unknown = {one.name for one in told if one.problem in ("no metadata", "no version")}
    for line in lines:
        wanted = tuple(map(name_of, line.requirements))
        if not line.anew and not unknown.issuperset(wanted):
            return None
        # of what version it is nobody can tell: the resolver says which one fits the others
        steps.append(
            (install_of(line, packages) if line.anew else None) or Resolve(requirements=wanted)
        )
    return Draft(steps=tuple(steps), reason=finding.found) if steps else None


def _again(
    name: str, packages: Packages, interpreter: Interpreter, torch: TorchBuild | None
) -> Cure:
    """Return what puts a further broken package in anew."""
    version = packages.version(name)
    plain = version.partition("+")[0]
    if torch is not None and name == "torch":
        return same_torch(interpreter, torch.version, torch.variant)
    if torch is not None and name in COMPANIONS and plain:
        return companion_install(interpreter, torch, name, plain)
    pin = f"{name}=={plain}" if plain else name
    return pip(interpreter, "install", "--force-reinstall", "--no-deps", pin)


def _folders(one: BrokenDistribution, packages: Packages, interpreter: Interpreter) -> list[str]:
    """Return what is to be deleted, relative to the environment."""
    names: list[str] = []
    if one.problem == "leftover":
        names = [one.name]
    elif one.problem == "doubled":
        held = packages.get(one.name)
        own = held.metadata if held is not None else ""
        names = [part for part in (p.strip() for p in one.detail.split(",")) if part != own]
    elif told := METADATA.match(one.detail):
        names = [told[1]]
    inside = PurePath(one.location).relative_to(interpreter.prefix)
    return [(inside / PurePath(name).name).as_posix() for name in names if name]
