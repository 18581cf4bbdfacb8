"""The result of doctor set: what stays, what changes and why, as commands and as files; or why no set exists.

A requirements file is for the default index, because it can't name an index for a single package. If torch comes from
another index, the first lines of the file contain the command that installs torch and its dependencies.
"""

import shlex
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Literal, cast

import msgspec
from msgspec.structs import replace

from tunedoctor.facts import Target
from tunedoctor.installers.uv import Failed, NoSolution, Outcome, ResolveQuestion
from tunedoctor.model.plan import AnyStep, Install, Remove
from tunedoctor.model.versions import parts
from tunedoctor.planning.make import PlannedSet, SetTarget, question_for
from tunedoctor.planning.planner import Planned, plan_requests
from tunedoctor.planning.search import table_packages
from tunedoctor.planning.set_request import GROUP, NoPlanError, TorchPick
from tunedoctor.planning.steps import pinned
from tunedoctor.wheels.commands import backend_of, uv_index
from tunedoctor.wheels.rules import index_name

Verdict = Literal["set", "none", "unknown"]


class PackageChange(msgspec.Struct, frozen=True):
    """A package of the set, and how its version changes."""

    name: str
    version: str
    was: str = ""
    """Installed version; "" where it is not there."""
    change: Literal["kept", "changed", "added", "removed"] = "kept"
    """removed: a cure takes it out, and its version is ""."""
    why: str = ""
    named: bool = True
    """The commands and the project name it; others come along with these."""


class SetTorch(msgspec.Struct, frozen=True):
    """The PyTorch build of the set."""

    version: str
    variant: str
    index: str = ""
    """URL of the wheel index; "" for the default index."""
    kept: bool = False


class SetCommands(msgspec.Struct, frozen=True):
    """Commands that install the set, in the order in which to run them; () if nothing has to be installed."""

    pip: tuple[str, ...] = ()
    uv: tuple[str, ...] = ()


class PackageSet(msgspec.Struct, frozen=True, kw_only=True):
    """The result that `doctor set --format json` prints."""

    schema: Literal["doctor.set/1"] = "doctor.set/1"
    verdict: Verdict
    target: str = ""
    """The environment that was looked at; "" for a described machine."""
    python: str = ""
    platform: str = ""
    torch: SetTorch | None = None
    packages: tuple[PackageChange, ...] = ()
    about: tuple[str, ...] = ()
    """What the set must hold; the others come with these."""
    smallest: bool = True
    """Nothing that it changes could stay as it is."""
    dropped: dict[str, str] = {}
    """Left out of a fresh set, with the reason."""
    left: tuple[str, ...] = ()
    """Known breaks that no version of the packages leaves."""
    why: str = ""
    """The clash, or what could not be told; in one sentence."""
    details: str = ""
    """The resolver's own words."""
    way_out: str = ""
    ways_out: tuple[str, ...] = ()
    """All of them, best first; `way_out` is the first."""
    source_only: dict[str, str] = {}
    """Packages that the sources have as source alone, with their newest version."""
    assumed: tuple[str, ...] = ()
    """Facts of the machine that were not given and are assumed: "glibc 2.35"."""
    commands: SetCommands = SetCommands()
    files: tuple[str, ...] = ()

    @property
    def changed(self) -> tuple[PackageChange, ...]:
        """Packages that the commands install."""
        return tuple(
            change_of_package
            for change_of_package in self.packages
            if change_of_package.change != "kept"
        )


def find_package_set(
    place: SetTarget, requests: Mapping[str, str]
) -> tuple[PackageSet, PlannedSet | None]:
    """Return the result for a request, and the set, if one exists."""
    question, target = question_for(place.machine), place.snapshot.find(Target)
    target_path, python = target.asked if target else "", question.python
    result = PackageSet(
        verdict="set",
        target=target_path,
        python=python,
        platform=question.platform,
        assumed=place.assumed,
    )
    left: tuple[str, ...] = ()
    try:
        plan = plan_requests(place, requests)
    except NoPlanError as error:
        if error.tried is None:
            return replace(
                result,
                verdict="unknown" if error.silent else "none",
                why=error.why,
                details=error.details,
                way_out=next(iter(error.by_hand), ""),
                ways_out=error.by_hand,
                source_only=error.source_only,
            ), None
        plan, left = error.tried, (error.why,)
    made = cast("PlannedSet", plan.made)  # all of a set is left to the resolver
    torch, packages = made.torch, _packages(plan, made)
    dependencies = {change.name for change in packages if not change.named}
    return replace(
        result,
        torch=SetTorch(torch.version, torch.variant, torch.index_url, torch.kept),
        packages=packages,
        about=made.want.roots,
        dropped=made.dropped,
        left=(*made.found.left, *left),
        commands=_commands(plan, made, place.python, dependencies & {*made.pins}),
    ), made


def _packages(planned: Planned, made: PlannedSet) -> tuple[PackageChange, ...]:
    want, installed, moved = made.want, made.want.installed, made.moved
    explained = {*want.roots, *made.found.why, *table_packages()} if want.fresh else {*moved}
    packages: dict[str, PackageChange] = {}
    kind: Literal["kept", "changed", "added"]
    for name, pin in made.pins.items():
        owners = [owner for owner in pin.via if owner in moved] or list(pin.via)
        goes_with = f"matches {' and '.join(owners[:2])}" if owners else ""
        kind = "kept" if name not in moved else "changed" if name in installed else "added"
        why = made.why.get(name, goes_with) if name in moved else ""
        was = installed.get(name, "")
        packages[name] = PackageChange(name, pin.version, was, kind, why, name in explained)
    for name in planned.plan.removed:
        packages[name] = PackageChange(name, "", installed.get(name, ""), "removed", named=False)
    for pin in (pin for pin in planned.plan.pins if pin.name not in moved):
        kind = "changed" if pin.name in installed else "added"
        packages[pin.name] = PackageChange(pin.name, pin.version, pin.was, kind, named=False)
    return tuple(packages.values())


def _commands(
    planned: Planned, made: PlannedSet, python: str, dependencies: Collection[str]
) -> SetCommands:
    """Return the commands for pip and uv ("": the active interpreter), without what comes `dependencies`."""
    own = shlex.quote(python or "python")
    target_option = f" --python {own}" if python else ""
    lines = [pair for step in planned.plan.changes for pair in _lines(step, made, dependencies)]
    return SetCommands(
        tuple(f"{own} -m pip {verb} {words}" for verb, words, _ in lines),
        tuple(
            f"uv pip {verb.removesuffix(' -y')}{target_option} {words}" for verb, _, words in lines
        ),
    )


def _lines(
    step: AnyStep, made: PlannedSet, dependencies: Collection[str]
) -> Iterator[tuple[str, str, str]]:
    if isinstance(step, Remove):
        yield _out(step.names)
    if not isinstance(step, Install):
        return
    torch, moved = made.torch, made.moved
    pins = [pin for pin in step.pins if pin.name not in dependencies]
    by_pip = f" --index-url {step.index}" if step.index else ""
    if separate := " ".join(pin.requirement for pin in pins if pin.name not in moved):
        by_uv = by_pip.replace("index-url", "default-index")
        arguments = f"--no-deps {separate}"
        yield "install", f"--force-reinstall {arguments}{by_pip}", f"--reinstall {arguments}{by_uv}"
    words = [pin.requirement for pin in pins if pin.name in moved]
    if not words:
        return
    # a pin without label is met by the build that is to go
    if stale := [n for n in step.reinstall if n in moved and not made.labels.get(n)]:
        yield _out(stale)
    if not any(word.startswith("torch==") for word in words):
        # an installer that is not told puts another one in its place
        group = any(pin.name in GROUP for pin in pins)
        own = pinned("torch", torch.version, made.labels if group else {})
        words.insert(0 if group else len(words), f"torch=={own}")
    # UV_DEFAULT_INDEX beats --index-url, and nothing beats a backend
    backed = step.index and backend_of(step.index, torch.variant)
    by_uv = f" --torch-backend={torch.variant}" if backed else by_pip.replace("-url", "")
    arguments = " ".join(words)
    yield "install", f"{arguments}{by_pip}", f"{arguments}{by_uv}"


def _out(names: Collection[str]) -> tuple[str, str, str]:
    words = " ".join(names)
    return "uninstall -y", words, words


MARK = "# written by doctor set"
"""First words of the files that the doctor writes over without asking."""


def frozen(
    answer: PackageSet, made: PlannedSet, name: str, resolve: Callable[[ResolveQuestion], Outcome]
) -> str | Failed:
    """Return the text of the file `name`, or why its hashes could not be had."""
    pins_of_set = made.found.pins
    if made.torch.index_url:
        pins_of_set = tuple(pin for n, pin in made.pins.items() if n not in GROUP)
    pins = tuple(f"{pin.name}=={pin.version}" for pin in pins_of_set)
    resolved = resolve(made.question._replace(requirements=pins, hashes=True, dependencies=False))
    if isinstance(resolved, NoSolution):
        return Failed("uv", "the versions of the set are no longer on the index")
    if isinstance(resolved, Failed):
        return resolved
    return f"{_head(answer, made, name)}{resolved.text}"


def _head(answer: PackageSet, made: PlannedSet, name: str) -> str:
    torch = made.torch
    lines = [f"{MARK} for Python {answer.python}, {answer.platform}"]
    if torch.index_url:
        group = [_pin(change, made) for change in answer.packages if change.name in GROUP]
        lines.append(f"#   pip install {' '.join(group)} --index-url {torch.index_url}")
        lines.append(f"#   pip install --require-hashes --no-deps -r {name}")
    else:
        lines.append(f"#   pip install --require-hashes -r {name}")
    return "\n".join(lines) + "\n"


def _pin(change: PackageChange, made: PlannedSet) -> str:
    return f"{change.name}=={pinned(change.name, change.version, made.labels)}"


def project(
    answer: PackageSet, made: PlannedSet, others: Sequence[tuple[PackageSet, PlannedSet]] = ()
) -> str:
    """Return a pyproject.toml. `others`: the sets for GPUs of other makes, which get a dependency group each.

    An index is explicit: uv takes from it what `sources` names and nothing else. The lock is limited to this machine's
    system, because a lock for all systems fails if the build has no wheel for one.
    """
    sets = ((answer, made), *others)
    rows = [
        {one.name: _pin(one, made) for one in answer.packages if one.named} for answer, made in sets
    ]
    common = {name: row for name, row in rows[0].items() if all(r.get(name) == row for r in rows)}
    low = ".".join(map(str, parts(answer.python)[:2])) or "3.11"
    arch, _, rest = answer.platform.partition("-")
    system = "darwin" if "apple" in rest else "win32" if "windows" in rest else "linux"
    machine_names = {
        "darwin": {"aarch64": "arm64"},
        "win32": {"x86_64": "AMD64", "aarch64": "ARM64"},
    }
    arch = machine_names.get(system, {}).get(arch, arch)
    lines = [
        f"{MARK}: install it with uv sync",
        "[project]",
        'name = "fine-tune"',
        'version = "0"',
        f'requires-python = "=={low}.*"',
        "dependencies = [",
        *(f'    "{row}",' for row in common.values()),
        "]",
        "",
    ]
    groups = [_build_name(made.torch) for _, made in sets] if others else []
    if groups:
        lines.append("[dependency-groups]")
        for group, packages in zip(groups, rows, strict=True):
            own = [row for name, row in packages.items() if name not in common]
            lines += [f"{group} = [", *(f'    "{row}",' for row in own), "]"]
        lines.append("")
    lines += [
        "[tool.uv]",
        "package = false",
        f"environments = [\"sys_platform == '{system}' and platform_machine == '{arch}'\"]",
    ]
    if groups:
        names = ", ".join(f'{{ group = "{group}" }}' for group in groups)
        lines += [f'default-groups = ["{groups[0]}"]', f"conflicts = [[{names}]]"]
    torch_packages = [name for name in rows[0] if name in GROUP]
    if others:
        lines += _grouped_indexes(groups, [made.torch for _, made in sets], torch_packages)
    elif made.torch.index_url:
        url = made.torch.index_url
        lines += ["", *uv_index(index_name(url), url, torch_packages)]
    return "\n".join(lines) + "\n"


def _build_name(torch: TorchPick) -> str:
    """Return the name of the group with a build: "cu128", "rocm64"."""
    variant = torch.index_url.rstrip("/").rpartition("/")[2] if torch.index_url else "cuda"
    return variant.replace(".", "")


def _grouped_indexes(
    groups: Iterable[str], builds: Iterable[TorchPick], packages: Iterable[str]
) -> list[str]:
    """Return the lines of the indexes, and from which of them a group takes PyTorch."""
    pairs = [(group, torch.index_url) for group, torch in zip(groups, builds, strict=True)]
    lines: list[str] = []
    for _, url in pairs:
        if url:
            lines += ["", "[[tool.uv.index]]", f'name = "{index_name(url)}"', f'url = "{url}"']
            lines.append("explicit = true")
    lines += ["", "[tool.uv.sources]"]
    for package in packages:
        rows = (
            f'    {{ index = "{index_name(url)}", group = "{group}" }},'
            for group, url in pairs
            if url
        )
        lines += [f"{package} = [", *rows, "]"]
    return lines
