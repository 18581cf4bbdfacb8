"""The fixes: each chooses steps for a finding, from facts only; nothing here runs anything."""

import shlex
from pathlib import PurePath

from tunedoctor import api

COMPANIONS = ("torchvision", "torchaudio")
CUDA = ("nvidia-", "cuda-")
"""Wheels whose version torch's own metadata decides."""
METADATA = api.pattern(r"(\S+\.(?:dist|egg)-info) (?:has no METADATA|states no version)")
"""How the facts describe metadata without content, which installers do not remove."""


@api.fix(
    "broken-packages",
    "Reinstall packages that are incomplete or damaged",
    cures=["broken-install", "torch-import-crash", "library-import-fails", "cuda-library-missing"],
)
def broken_packages(
    finding: api.Finding,
    facts: api.Facts,
    packages: api.Packages,
    interpreter: api.Interpreter,
    torch: api.TorchBuild | None,
) -> api.Draft | None:
    """Reinstall incomplete packages in their installed version, and delete what an interrupted upgrade left.

    If a package has two sets of metadata, those of the version that is not in use are deleted, too.
    """
    prefix = interpreter.prefix or "?"
    own = [b for b in packages.broken if PurePath(b.location).is_relative_to(prefix)]
    named_packages = [b for b in packages.broken if b.name in finding.found]
    if any(package not in own for package in named_packages):
        return None  # it is outside the environment
    # leftovers of a reinstalled package are deleted as well, or they would be the next finding
    named_packages += [
        b for b in own if named_packages and b.problem == "leftover" and b not in named_packages
    ]
    paths = [
        (path, package.problem)
        for package in named_packages
        for path in _folders(package, packages, interpreter)
    ]
    steps: list[api.DeletePath | api.Install | api.Resolve] = [
        api.DeletePath(path=path, why=why) for path, why in paths
    ]
    lines = [*finding.cure.installs]
    names = {api.name_of(r) for line in lines for r in line.requirements}
    for broken in named_packages:
        if broken.problem != "leftover" and broken.name not in names:
            version = packages.version(broken.name)
            lines += api.reinstall(interpreter, torch, broken.name, version).installs
    for name in (distribution.distribution for distribution in facts.contracts.damaged):
        if name not in names and f"that {name} installed" in finding.found:
            lines += api.reinstall(interpreter, torch, name, packages.version(name)).installs
    unknown = {
        package.name
        for package in named_packages
        if package.problem in ("no metadata", "no version")
    }
    unknown |= {package.name for package in packages.distributions if package.editable}
    for line in lines:
        names_of_line = tuple(map(api.name_of, line.requirements))
        if not line.reinstalls and not unknown.issuperset(names_of_line):
            return None
        # its version is unknown: the resolver chooses one that fits the others
        put = api.install_of(line, packages) if unknown.isdisjoint(names_of_line) else None
        steps.append(put or api.Resolve(requirements=names_of_line))
    return api.Draft(steps=tuple(steps), reason=finding.found) if steps else None


def _folders(
    broken: api.BrokenDistribution, packages: api.Packages, interpreter: api.Interpreter
) -> list[str]:
    """Return the paths to delete, relative to the environment."""
    names: list[str] = []
    if broken.problem == "leftover":
        names = [broken.name]
    elif broken.problem == "doubled":
        installed = packages.get(broken.name)
        own = installed.metadata if installed is not None else ""
        names = [part for part in (p.strip() for p in broken.detail.split(",")) if part != own]
    elif metadata_match := METADATA.match(broken.detail):
        names = [metadata_match[1]]
    folder = PurePath(broken.location).relative_to(interpreter.prefix)
    return [(folder / PurePath(name).name).as_posix() for name in names if name]


@api.fix(
    "mixed-cuda-wheels",
    "Remove NVIDIA wheels of another CUDA major version",
    cures=["mixed-cuda-wheels"],
)
def mixed_cuda_wheels(
    finding: api.Finding, facts: api.Facts, wheels: api.CudaWheels, packages: api.Packages
) -> api.Draft | None:
    """Remove what the finding names, and reinstall the same libraries of torch's CUDA major and what torch lacks."""
    removes = (line for line in finding.cure.pip if isinstance(line, api.PipUninstall))
    gone = tuple(name for line in removes for name in line.names)
    if not gone:
        return None
    hidden = {_stem(wheel.name) for wheel in wheels.wheels if wheel.name in gone}
    hurt = [w for w in wheels.wheels if w.name not in gone and _stem(w.name) in hidden]
    pins = [api.Pin(name=w.name, version=w.version, was=w.version) for w in hurt]
    pins += [
        api.Pin(name=pair[0], version=pair[1])
        for requirement in api.unmet(
            packages, facts.interpreter, facts.host, facts.torch, ["torch"]
        )
        if not requirement.installed
        and (pair := api.exact(requirement.requirement))
        and pair[0].startswith("nvidia-")
    ]
    put = api.Install(pins=tuple(pins), reinstall=tuple(w.name for w in hurt))
    return api.Draft(steps=(api.Remove(names=gone), *([put] if pins else [])), reason=finding.found)


def _stem(name: str) -> str:
    """Return "nvidia-nccl" for "nvidia-nccl-cu12"."""
    head, _, tail = name.rpartition("-cu")
    return head if head and tail.isdigit() else name


@api.fix("steps", "Set the variable, or change the packages, that a finding names", cures=())
def steps(finding: api.Finding, facts: api.Facts) -> api.Draft | None:
    """Set the variable or request the versions; return None for findings that need another kind of fix.

    If a copy in another folder hides the environment's own package, a variable excludes that folder first, because
    installing cannot change which copy is used.
    """
    packages, own, cure = facts.packages, facts.interpreter, finding.cure
    requested = {api.name_of(r) for line in cure.installs for r in line.requirements}
    apart, behind = None, False
    if packages and own.kind in ("venv", "conda"):
        user = {own.user_site} if own.user_site_on else set[str]()
        hiding = {c.hidden_by for c in packages.copies if c.name in requested}
        if hiding & {*own.pythonpath}:
            apart = facts.set_variable("PYTHONPATH", None)
        elif hiding & user:
            apart = facts.set_variable("PYTHONNOUSERSITE", "1")
        else:
            others = {*own.pythonpath, *user}
            behind = any(
                d.name in requested and d.location in others for d in packages.distributions
            )
    if variable := api.variable_of(apart or cure, own):
        return api.Draft(steps=(variable,), reason=finding.found)
    changes = _steps(cure, packages, requested) if packages and not behind else ()
    return api.Draft(steps=changes, reason=finding.found) if changes else None


def _steps(
    cure: api.Cure, packages: api.Packages, requested: set[str]
) -> tuple[api.Install | api.Remove | api.Resolve, ...]:
    """Return the changes that need no resolver, for example torchvision for an unchanged torch.

    Otherwise return what to request from the resolver.
    """

    def own(line: api.PipInstall | api.PipUninstall) -> api.Install | api.Remove | None:
        if isinstance(line, api.PipUninstall):
            return api.Remove(names=line.names)
        return api.install_of(line, packages) if "--no-deps" in line.flags else None

    alone = [own(line) for line in cure.pip]
    if not requested & {broken.name for broken in packages.broken} and all(alone):
        return tuple(step for step in alone if step)
    lines = [line for line in cure.installs if not line.reinstalls]
    requested_lines = [
        (requirement, "--upgrade" in line.flags)
        for line in lines
        for requirement in line.requirements
    ]
    pins = dict(
        pair
        for requirement, _ in requested_lines
        if requirement.startswith(CUDA) and (pair := api.exact(requirement))
    )
    others = (
        (requirement, upgrade)
        for requirement, upgrade in requested_lines
        if api.name_of(requirement) not in pins
    )
    rest = tuple(
        _newer(requirement, packages) if upgrade else requirement for requirement, upgrade in others
    )
    put = api.Install(pins=tuple(api.Pin(name=name, version=v) for name, v in pins.items()))
    return (*([put] if pins else []), *([api.Resolve(requirements=rest)] if rest else []))


def _newer(requirement: str, packages: api.Packages) -> str:
    """Return "peft>0.17.1" for "peft" if 0.17.1 is installed: an upgrade without a range needs a newer version."""
    installed = packages.version(api.name_of(requirement)).partition("+")[0]
    return (
        f"{requirement}>{installed}"
        if installed and requirement == api.name_of(requirement)
        else requirement
    )


@api.fix("tell-new", "Show how to create an environment", cures=["target-missing"])
def tell_new(finding: api.Finding, target: api.Target) -> api.Draft:
    """Show the finding's own command, and the one that creates a complete environment in an unused folder."""
    place = target.asked if "does not exist" in target.problem else "./.venv"
    new = f"doctor fix --new {shlex.quote(place)}"
    why = "creates an environment with all training libraries in an unused folder"
    own = api.Tell(command=finding.cure.command, why=finding.cure_note)
    return api.Draft(steps=(own, api.Tell(command=new, why=why)), reason=finding.found)


@api.fix(
    "torch-build",
    "Install the PyTorch build that fits this machine",
    cures=[
        *("torch-missing", "torch-cpu-only", "torch-old", "torch-too-old-for-library", "cuda-old"),
        *("gpu-too-new-for-torch", "gpu-too-old-for-torch", "gpu-arch-not-in-rocm-build"),
        *("driver-too-old", "glibc-too-old", "macos-too-old"),
        *("windows-missing-dll", "platform-unsupported"),
    ],
)
def torch_build(finding: api.Finding, packages: api.Packages | None) -> api.Draft | None:
    """Install the build that the finding names; findings that install no torch belong to another fix."""
    installed = (
        {package.name for package in packages.distributions} if packages is not None else set[str]()
    )
    lines = (line.requirements for line in reversed(finding.cure.installs))
    requirements = next((line for line in lines if "torch" in map(api.name_of, line)), ())
    # the resolver chooses versions of companions; new ones are only added with a new torch
    own = [
        requirement for requirement in requirements if api.name_of(requirement) not in COMPANIONS
    ]
    if "torch" not in installed:
        if installed & {*COMPANIONS}:
            # the release that fits the installed companions is nearer than the newest
            own = [
                "torch" if api.name_of(requirement) == "torch" else requirement
                for requirement in own
            ]
        own += [name for name in map(api.name_of, requirements) if name == "torchvision"]
    steps = (api.Resolve(requirements=tuple(own)),)
    return api.Draft(steps=steps, reason=finding.found) if own else None
