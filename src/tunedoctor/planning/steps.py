"""Turn a set into steps for an environment: packages to remove, and packages to install, pinned, with hashes and sizes.

Packages that conda or pixi installed stay, because pip would remove files that their own records still list.
"""

import re
import shlex
from collections.abc import Collection, Iterable, Mapping

from msgspec.structs import replace

from tunedoctor.contracts.requirements import marker_environment, requirements
from tunedoctor.diagnosis.agreement import Drafted
from tunedoctor.facts import CondaPrefix, Host, Interpreter, Packages
from tunedoctor.installers.uv import NoSolution
from tunedoctor.model.findings import name_of
from tunedoctor.model.plan import AnyStep, Install, Pin, Plan, PlanError, Remove, Resolve, merge
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.model.versions import normalised, within
from tunedoctor.planning.conflict import explain
from tunedoctor.planning.make import PlannedSet, SetTarget
from tunedoctor.planning.set_request import GROUP, NoPlanError, public, with_torch

UNPACKED = 3.0
"""Room that a plan takes, in downloads: the wheel, what is in it, and byte code. torch's wheels grow 1.9-fold."""


def wishes_of(drafts: Iterable[Drafted]) -> tuple[str, ...]:
    """Return the requirements that drafts leave to the resolver."""
    steps = (step for draft in drafts for step in draft.draft.steps if isinstance(step, Resolve))
    return tuple(word for step in steps for word in step.requirements)


def joined(drafts: Iterable[Drafted], steps: tuple[Remove | Install, ...] = ()) -> Plan:
    """Return the one plan of drafts and what the resolver fills in. Raises RefusedError: they contradict each other."""
    moved = {p.name for s in steps if isinstance(s, Install) for p in s.pins}
    changing_plans = [without(_plan(draft), moved) for draft in drafts if draft.changes]
    manual = [_plan(draft) for draft in drafts if not draft.changes]
    try:
        return merge((*changing_plans, Plan(steps=steps), *manual))
    except PlanError as error:
        raise NoPlanError(str(error)) from error


def _plan(draft: Drafted) -> Plan:
    """Return the plan of a draft without what the resolver adds; manual steps fix nothing."""
    steps: tuple[AnyStep, ...] = tuple(s for s in draft.draft.steps if not isinstance(s, Resolve))
    if not draft.changes:
        return Plan(steps=steps)
    reasons = (draft.draft.reason,) if draft.draft.reason else ()
    names = (*map(name_of, wishes_of((draft,))), *(pin.name for pin in Plan(steps=steps).pins))
    asks = {draft.id: tuple(dict.fromkeys(names))}
    return Plan(steps=steps, cures=(draft.id,), reasons=reasons, asks=asks)


def without(plan: Plan, moved: set[str]) -> Plan:
    """Return a plan that says nothing of packages that the resolver moves: it sees all of them, a fix its own."""
    steps: list[AnyStep] = []
    for step in plan.steps:
        if isinstance(step, Install):
            pins = tuple(pin for pin in step.pins if pin.name not in moved)
            reinstalled = tuple(name for name in step.reinstall if name not in moved)
            if pins:
                steps.append(replace(step, pins=pins, reinstall=reinstalled))
        elif isinstance(step, Remove):
            names = tuple(name for name in step.names if name not in moved)
            steps += [Remove(names=names)] if names else []
        else:
            steps.append(step)
    return replace(plan, steps=tuple(steps))


def steps_of(made: PlannedSet, place: SetTarget, requests: Collection[str]) -> tuple[Install, ...]:
    """Return the installs of a set for what is `requests`: torch and companions from their index, then the rest."""
    installed, needed = place.installed_versions, _serving(made, place.installed_versions, requests)
    moved = [(pin, pinned(n, pin.version, made.labels)) for n, pin in made.moved.items()]
    pins = [
        replace(pin, version=version, was=installed.get(pin.name, ""))
        for pin, version in moved
        if pin.name in needed
    ]
    group = tuple(pin for pin in pins if pin.name in GROUP)
    rest = tuple(pin for pin in pins if pin.name not in GROUP)
    torch = made.torch
    reinstalled = tuple(pin.name for pin in group if public(pin.was) == public(pin.version))
    first = Install(pins=group, index=torch.index_url, no_deps=torch.kept, reinstall=reinstalled)
    return tuple(step for step in (first, Install(pins=rest)) if step.pins)


def whole_set(made: PlannedSet) -> tuple[Install, ...]:
    """Return the installs of a set for an empty environment: torch and its companions first."""
    pins = [replace(p, version=pinned(n, p.version, made.labels)) for n, p in made.pins.items()]
    group = tuple(pin for pin in pins if pin.name in GROUP)
    rest = tuple(pin for pin in pins if pin.name not in GROUP)
    first = Install(pins=group, index=made.torch.index_url, no_deps=False)
    return tuple(step for step in (first, Install(pins=rest)) if step.pins)


def pinned(name: str, version: str, labels: Mapping[str, str]) -> str:
    """Return a version with the local label of its file."""
    label = labels.get(name, "")
    return f"{version}+{label}" if label else version


def _serving(made: PlannedSet, installed: Collection[str], requests: Collection[str]) -> set[str]:
    """Return the requested packages, and what these and the installed packages require.

    A set always contains torch, and what torch requires moves with it. If torch is neither installed nor requested,
    another fix installs it.
    """
    pins = made.found.pins
    names_wanted = {*installed, *requests}
    if "torch" in names_wanted:
        return {pin.name for pin in pins}
    serving = {*requests}
    while more := {p.name for p in pins if (names_wanted | serving) & {*p.via}} - serving:
        serving |= more
    return serving


def new_torch(plan: Plan) -> Install | None:
    """Return the install of another build of torch; only its index knows the libraries that it needs."""
    return next((s for s in plan.steps if isinstance(s, Install) and not s.no_deps), None)


def exchanged(plan: Plan, snapshot: Snapshot, new_pins: Iterable[Pin] = ()) -> Plan:
    """Take out, with cures of them, CUDA libraries and Triton of the old torch that a new one and others do not use."""
    if (packages := snapshot.find(Packages)) is None:
        return plan
    environment = marker_environment(snapshot.find(Interpreter), snapshot.find(Host))
    distributions = packages.distributions
    others = (
        requirements(d.requires, environment) for d in distributions if not with_torch(d.name)
    )
    needed = {"torch", *(pin.name for pin in new_pins), *(n for pairs in others for n, _ in pairs)}
    unused = tuple(
        sorted(d.name for d in distributions if with_torch(d.name) and d.name not in needed)
    )
    if not unused:
        return plan
    return merge((without(plan, {*unused}), Plan(steps=(Remove(names=unused),))))


def fetched(plan: Plan, place: SetTarget) -> Plan:
    """Return the plan with all hashes, sizes and the packages that only a new torch needs. Raises RefusedError."""
    installed = place.installed_versions
    if (torch_install := new_torch(plan)) is not None:
        resolved = _looked_up(
            torch_install, place, {n: v for n, v in installed.items() if not with_torch(n)}
        )
        # of its solution what torch alone brings is kept: the set has the versions of all others
        of_torch = [pin for pin in resolved.pins if pin.name in GROUP or with_torch(pin.name)]
        changed_pins = tuple(
            replace(pin, was=installed.get(pin.name, ""))
            for pin in of_torch
            if pin.name in (*GROUP, *torch_install.reinstall)
            or installed.get(pin.name) != pin.version
        )
        rest = without(plan, {pin.name for pin in of_torch})
        install_plan = Plan(steps=(replace(resolved, pins=changed_pins, no_deps=True),))
        plan = exchanged(merge((rest, install_plan)), place.snapshot, resolved.pins)
    steps = (_looked_up(s, place, installed) if isinstance(s, Install) else s for s in plan.steps)
    plan = replace(plan, steps=tuple(steps))
    total = sum(pin.download_bytes for pin in plan.pins)
    return replace(plan, download_bytes=total, disk_bytes=int(total * UNPACKED))


def _looked_up(install: Install, place: SetTarget, installed: Mapping[str, str]) -> Install:
    """Return an install with its hashes.

    Without a GPU every build of torch runs, also that of the user's sources, but a CUDA build is not used, because it
    is ten times as large and needs useless libraries.
    """
    ask, unfit = place.ask, ""
    ban, index = ask.declared.ban, ask.declared.placed(install.index)
    result = ask.look_up(install, place.python, installed)
    if isinstance(result, Install):
        return result
    if index and not place.machine.gpus:
        # there it has another label, or none
        bare = (replace(p, version=public(p.version)) for p in install.pins)
        from_default_index = replace(install, pins=tuple(bare), index="", no_deps=False)
        without_index = ask.look_up(from_default_index, place.python, installed)
        if isinstance(without_index, Install):
            cuda = any(pin.name.startswith(("nvidia-", "cuda-")) for pin in without_index.pins)
            if ask.declared.no_index or not cuda:
                requested_names = {pin.name for pin in install.pins}
                pins = (
                    pin
                    for pin in without_index.pins
                    if not install.no_deps or pin.name in requested_names
                )
                return replace(without_index, pins=tuple(pins))
            unfit = "the torch without a label is for CUDA, but there is no GPU here"
    if isinstance(result, NoSolution):
        lacking = ask.lacking(result.lacked or [pin.name for pin in install.pins], install.index)
        plain = explain(result, installed)
        why = "; ".join(filter(None, (plain, lacking, unfit)))
        requested_pins = " ".join(pin.requirement for pin in install.pins)
        words = f"--no-deps {requested_pins} --index-url {index}"
        silent = index in ask.silent
        remedies = elsewhere(words) if silent else ()
        raise NoPlanError(why, *remedies, ban=ban, partly=silent, details=result.text)
    retry = "run doctor fix again when the package index can be reached"
    raise NoPlanError(result.text, *(() if ban else (retry,)), ban=ban, silent=True)


def elsewhere(words: str) -> tuple[str, str]:
    """Return the commands with which another machine fetches packages, and those to run here afterwards."""
    fetch = f"python -m pip download --only-binary :all: -d wheels {words}"
    return (
        f"{fetch}  # on a machine with the same system and Python that reaches the index",
        'export PIP_FIND_LINKS="$PWD/wheels"  # here, with that folder; then run doctor again',
    )


_CALLED = {"torch": "pytorch"}
"""What conda calls a package, where that is another name."""


def hold_off(plan: Plan, snapshot: Snapshot) -> None:
    """Check that a plan only changes what pip or uv installed, within the user's pins.

    Raises RefusedError if it changes or removes a package of conda, contradicts conda-meta/pinned, or if pixi, which
    reverts changes of others, manages the prefix. The user can then use the tool that manages the prefix.
    """
    packages, interpreter = snapshot.find(Packages), snapshot.find(Interpreter)
    if packages is None or interpreter is None or interpreter.kind != "conda":
        return
    conda_prefix = packages.prefix or CondaPrefix()
    planned_versions = {pin.name: pin.version for pin in plan.pins}
    for pin in conda_prefix.pins:
        name, specifier = _pinned(pin)
        if within(planned_versions.get(name, ""), specifier) is False:
            why = f"{name} {planned_versions[name]} conflicts with conda-meta/pinned, which says {pin}"
            change_line = f"change that line of {interpreter.prefix}/conda-meta/pinned"
            raise NoPlanError(why, change_line, final=True)
    changed_names = (
        *planned_versions,
        *(name for name in plan.removed if name not in planned_versions),
    )
    conda_owned = [n for n in changed_names if _is_condas(n, packages)]
    if not conda_owned and (conda_prefix.tool != "pixi" or not changed_names):
        return
    options, prefix = shlex.quote(conda_prefix.manifest), shlex.quote(interpreter.prefix)
    if conda_prefix.tool == "pixi":
        feature = f" --feature {shlex.quote(conda_prefix.environment)}"
        options = (
            f"--manifest-path {options}{feature if conda_prefix.environment != 'default' else ''}"
        )
        lines = _lines(
            f"pixi remove {options}", f"pixi add {options}", "==", conda_owned, planned_versions
        )
        of_pip = [n for n in changed_names if n not in conda_owned]
        options += " --pypi"
        lines += _lines(
            f"pixi remove {options}", f"pixi add {options}", "==", of_pip, planned_versions
        )
        why = "pixi manages this environment with its own file and reverts changes made by other tools"
        raise NoPlanError(why, *lines, final=True)
    remove_command, install_command = (
        f"{conda_prefix.tool} remove -p {prefix}",
        f"{conda_prefix.tool} install -p {prefix}",
    )
    packages_named = " and ".join(conda_owned[:3])
    why = f"conda installed {packages_named}; a change by pip or uv would make its records wrong"
    # the way on for what pip put in: the same fix without conda's packages
    rest = ["doctor fix"] if any(name not in conda_owned for name in planned_versions) else []
    raise NoPlanError(
        why,
        *_lines(remove_command, install_command, "=", conda_owned, planned_versions),
        *rest,
        final=True,
    )


def _lines(
    remove_command: str,
    install_command: str,
    equal: str,
    names: list[str],
    planned_versions: dict[str, str],
) -> list[str]:
    """Return the commands that remove and install packages, by the names that the tool has for them."""
    pypi = install_command.endswith("--pypi")
    names_of_tool = {name: name if pypi else _CALLED.get(name, name) for name in names}
    lines = [
        f"{remove_command} {names_of_tool[name]}" for name in names if name not in planned_versions
    ]
    versions = {
        n: planned_versions[n] if pypi else _with_build(planned_versions[n])
        for n in names
        if n in planned_versions
    }
    pins = [
        shlex.quote(f"{names_of_tool[name]}{equal}{version}") for name, version in versions.items()
    ]
    return [*lines, f"{install_command} {' '.join(pins)}"] if pins else lines


def _with_build(version: str) -> str:
    """Return "2.9.1=cuda126*" for "2.9.1+cu126", as conda-forge names its builds; only the release for other labels."""
    plain, _, label = version.partition("+")
    build = "cpu*" if label == "cpu" else f"cuda{label[2:]}*" if label.startswith("cu") else ""
    return f"{plain}={build}" if build else plain


def _pinned(line: str) -> tuple[str, str]:
    """Return ("numpy", "==1.26.*") of "numpy 1.26.*", "numpy=1.26" or "numpy ==1.26.*"; builds are left out."""
    match = re.match(r"([\w.-]+)\s*(=[^=\s][^\s]*|[^\s]*)", line)
    name, specifier = (match[1], match[2]) if match else ("", "")
    pip_name = next((pip for pip, conda in _CALLED.items() if conda == name), normalised(name))
    if re.match(r"=[^=]", specifier):
        fuzzy = specifier[1:].partition("=")[0].rstrip("*").rstrip(".")
        return pip_name, f"=={fuzzy}.*"
    return pip_name, f"=={specifier}" if specifier[:1].isdigit() else specifier


def _is_condas(name: str, packages: Packages) -> bool:
    installed = packages.get(name)
    installer = (
        installed.installer if installed is not None else "pip"
    )  # what pip wrote over is pip's by now
    conda_names = {name, _CALLED.get(name, name)} & packages.conda.keys()
    return installer == "conda" or (bool(conda_names) and installer not in ("pip", "uv"))
