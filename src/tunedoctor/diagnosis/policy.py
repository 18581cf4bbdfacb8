"""The checks of a policy: each entry holds one fact against what a team asks for."""

import json
from collections.abc import Callable, Iterable, Iterator
from types import FunctionType
from typing import Any

from tunedoctor import facts as kinds
from tunedoctor.facts import Unknown
from tunedoctor.model.findings import (
    Check,
    Cure,
    Finding,
    Result,
    advise,
    exact,
    pip,
    set_variable,
    tell,
)
from tunedoctor.model.snapshot import Facts, Snapshot
from tunedoctor.model.versions import minor, parts, specifiers, within
from tunedoctor.model.wording import counted, gib, listed, many
from tunedoctor.tables.load import table
from tunedoctor.tables.policy import Rule

PREFIX = "policy-"
"""How the id of each finding begins."""


def policy_checks(rules: Iterable[Rule], file: str) -> tuple[Check, ...]:
    """Return a check for each entry of the policy that stands in `file`."""
    return tuple(
        Check(
            id=one.id,
            title=f"{_what(one)} is not as the policy asks"[:60],
            means=one.row.means,
            run=_bound(_JUDGES[one.key], one),
            origin=file,
            group=one.row.of,
            settle=f"doctor check --only {one.id}",
            page=f"{_what(one)} has to be as the policy of {file} asks: {one.said}.",
        )
        for one in rules
    )


def _bound(function: Callable[..., Result], rule: Rule) -> Callable[..., Result]:
    """Return a copy of a function whose `rule` is this one: the facts that a check takes are read off its code."""
    code: Any = function
    made = FunctionType(code.__code__, code.__globals__, code.__name__)
    made.__annotations__ = code.__annotations__
    made.__kwdefaults__ = {"rule": rule}
    return made


def _what(rule: Rule) -> str:
    if rule.row.what and rule.name:
        return f"{rule.row.what} ({rule.name})"
    return rule.row.what or rule.name


def _breach(rule: Rule, found: str, cure: Cure | None = None) -> Finding:
    """Return the finding: `found` says what is there instead."""
    row = rule.row
    number = int(rule.wanted) if isinstance(rule.wanted, bool) else rule.wanted
    text = row.cure.replace("{wanted}", rule.said).replace("{number}", str(number))
    own = tell(text, row.who) if row.command else advise(text, row.who)
    return Finding(found=f"{found}; the policy asks for {rule.said}", cure=cure or own)


def _meets(version: str, wanted: str) -> bool | None:
    """Tell whether a version meets a specifier, by its local label too where that names one."""
    if (pin := exact(f"x{wanted}")) and "+" in wanted:
        return version == pin[1]
    return within(version, wanted)


def _versioned(rule: Rule, what: str, version: str, cure: Cure | None = None) -> Result:
    meets = _meets(version, rule.wanted) if version else None
    if meets is None:
        return Unknown(why=f"the version of {what} can't be compared: {version or 'not told'}")
    return None if meets else _breach(rule, f"{what} is {version}", cure)


def _python(interpreter: kinds.Interpreter, *, rule: Rule) -> Result:
    return _versioned(rule, "Python", interpreter.version)


def _package(
    packages: kinds.Packages,
    interpreter: kinds.Interpreter | Unknown | None,
    torch: kinds.TorchBuild | Unknown | None,
    *,
    rule: Rule,
) -> Result:
    name = rule.name or rule.key
    there = packages.get(name)
    version = there.version if there else ""
    if name == "torch" and isinstance(torch, kinds.TorchBuild):
        version = torch.version  # with its local label
    cure = pip(interpreter, "install", f"{name}{rule.wanted}")
    if not version and there is None:
        return _breach(rule, f"{name} is not installed", cure)
    return _versioned(rule, name, version, cure)


def _driver(driver: kinds.NvidiaDriver | Unknown | None, *, rule: Rule) -> Result:
    if isinstance(driver, Unknown):
        return driver
    return (
        _versioned(rule, "the driver", driver.version) if driver else _breach(rule, rule.row.none)
    )


def _gpus(
    nvidia: kinds.NvidiaGpus | Unknown | None,
    amd: kinds.AmdGpus | Unknown | None,
    intel: kinds.IntelGpu | Unknown | None,
    *,
    rule: Rule,
) -> Result:
    count = len(nvidia.gpus) if isinstance(nvidia, kinds.NvidiaGpus) else 0
    count += sum(not one.integrated for one in amd.gpus) if isinstance(amd, kinds.AmdGpus) else 0
    count += len(intel.names) if isinstance(intel, kinds.IntelGpu) and intel.discrete else 0
    allowed = specifiers(rule.wanted)
    if allowed is None or allowed.contains(str(count)):
        return None
    silent = next((one for one in (nvidia, amd, intel) if isinstance(one, Unknown)), None)
    return silent or _breach(rule, f"this machine has {many(count, 'GPU')}")


def _gpu_memory(
    nvidia: kinds.NvidiaGpus | Unknown | None, amd: kinds.AmdGpus | Unknown | None, *, rule: Rule
) -> Result:
    cards: tuple[Any, ...] = (
        *(nvidia.gpus if isinstance(nvidia, kinds.NvidiaGpus) else ()),
        *(amd.gpus if isinstance(amd, kinds.AmdGpus) else ()),
    )
    small = [
        f"{gib(c.memory_total)} (GPU {c.index})"
        for c in cards
        if (c.memory_total or rule.wanted) < rule.wanted
    ]
    if small:
        return _breach(rule, f"GPU memory is {listed(small)}")
    silent = next((one for one in (nvidia, amd) if isinstance(one, Unknown)), None)
    if silent:
        return silent
    if not cards:
        return _breach(rule, rule.row.none)
    untold = any(card.memory_total is None for card in cards)
    return Unknown(why="the driver does not tell the memory of each GPU") if untold else None


def _capability(nvidia: kinds.NvidiaGpus | Unknown | None, *, rule: Rule) -> Result:
    if not isinstance(nvidia, kinds.NvidiaGpus):
        return nvidia or _breach(rule, rule.row.none)
    every = [(one, one.compute_capability) for one in nvidia.gpus]
    wrong = [
        f"{code} ({one.name})" for one, code in every if code and not within(code, rule.wanted)
    ]
    if wrong:
        return _breach(rule, f"compute capability is {listed(counted(wrong))}")
    return (
        None if all(code for _, code in every) else Unknown(why="a compute capability is not told")
    )


def _gfx(amd: kinds.AmdGpus | Unknown | None, *, rule: Rule) -> Result:
    if not isinstance(amd, kinds.AmdGpus):
        return amd or _breach(rule, rule.row.none)
    wrong = [one.gfx for one in amd.gpus if not one.integrated and one.gfx not in rule.wanted]
    return _breach(rule, f"the gfx target is {listed(counted(wrong))}") if wrong else None


def _ram(ram: kinds.Memory, *, rule: Rule) -> Result:
    limit = (
        f", the limit of {ram.limit_place}" if ram.limit_place and ram.usable < ram.total else ""
    )
    return None if ram.usable >= rule.wanted else _breach(rule, f"RAM is {gib(ram.usable)}{limit}")


def _shm(shared: kinds.SharedMemory | Unknown | None, *, rule: Rule) -> Result:
    if not isinstance(shared, kinds.SharedMemory):
        return shared or _breach(rule, rule.row.none)
    return (
        None
        if shared.total >= rule.wanted
        else _breach(rule, f"{rule.row.what} has {gib(shared.total)}")
    )


def _disk(disks: kinds.Disks, *, rule: Rule) -> Result:
    one = next((disk for disk in disks.disks if disk.use == rule.name), None)
    if one is None:
        return Unknown(why=f"no {rule.name} folder was looked at")
    if one.free >= rule.wanted:
        return None
    text = rule.row.cure.replace("{wanted}", rule.said).replace("{hint}", one.hint or "a link")
    return _breach(rule, f"{one.path} has {gib(one.free)} free", advise(text))


def _variable(
    environment: kinds.Environment, host: kinds.Host | Unknown | None, *, rule: Rule
) -> Result:
    value = environment.get(rule.name)
    if (
        (value is not None) == rule.wanted
        if isinstance(rule.wanted, bool)
        else value == rule.wanted
    ):
        return None
    # what it is set to stays untold: it can be a secret
    is_ = f"{rule.name} is {'not set' if value is None else 'set' if rule.wanted is False else 'set to another value'}"
    if rule.wanted is True:
        return _breach(rule, is_, advise(f"set {rule.name}"))
    return _breach(rule, is_, set_variable(host, rule.name, rule.wanted or None))


def _flagged(nvidia: kinds.NvidiaGpus | Unknown | None, rule: Rule) -> Result:
    if not isinstance(nvidia, kinds.NvidiaGpus):
        return nvidia or _breach(rule, rule.row.none)
    told = [(one.index, getattr(one, rule.key)) for one in nvidia.gpus]
    if wrong := [f"GPU {index}" for index, is_ in told if is_ is not None and is_ != rule.wanted]:
        return _breach(
            rule, f"{rule.row.what} is {'off' if rule.wanted else 'on'} on {listed(wrong)}"
        )
    if any(is_ is None for _, is_ in told):
        return Unknown(why=f"the driver does not tell {rule.row.what} of each GPU")
    return None


def _mode(nvidia: kinds.NvidiaGpus | Unknown | None, *, rule: Rule) -> Result:
    return _flagged(nvidia, rule)


def _speed(smoke: kinds.Smoke | Unknown | None, *, rule: Rule) -> Result:
    speed = smoke.tokens_per_second if isinstance(smoke, kinds.Smoke) else None
    if speed is None:
        return Unknown(why="nothing was trained: doctor check --smoke measures it")
    return (
        None if speed >= rule.wanted else _breach(rule, f"the training took {speed:.0f} tokens/s")
    )


_JUDGES: dict[str, Callable[..., Result]] = {
    "python": _python, "torch": _package, "packages": _package, "driver": _driver, "gpus": _gpus,
    "gpu-memory": _gpu_memory, "compute-capability": _capability, "gfx": _gfx, "ram": _ram, "disk": _disk,
    "shm": _shm, "variables": _variable, "mig": _mode, "ecc": _mode, "smoke-speed": _speed,
}  # fmt: skip


def from_good(snapshot: Snapshot) -> Iterator[str]:
    """Yield the lines of a doctor.toml that this machine meets, sizes rounded down to GiB."""
    facts = Facts(snapshot)
    cards, amd = facts.nvidia.gpus, facts.amd.gpus
    memory = [one.memory_total or 0 for one in cards] + [one.memory_total or 0 for one in amd]
    sizes = {"gpu-memory": min(memory, default=0)}
    sizes |= {"ram": facts.ram.usable if facts.ram else 0, "shm": facts.shared_memory.total}
    found: dict[str, object] = {}
    if facts.interpreter:
        found["python"] = f"=={minor(facts.interpreter.version)}.*"
    if facts.nvidia_driver:
        found["driver"] = f">={facts.nvidia_driver.version}"
    if cards or amd:
        found["gpus"] = len(cards) + len(amd)
    if codes := sorted({one.compute_capability for one in cards} - {""}, key=parts):
        found["compute-capability"] = f">={codes[0]}"
    if amd:
        found["gfx"] = sorted({one.gfx for one in amd})
    for name in ("mig", "ecc"):
        told = {getattr(one, name) for one in cards}
        if len(told) == 1 and None not in told:
            found[name] = told.pop()
    found |= {key: f"{size >> 30} GiB" for key, size in sizes.items() if size >> 30}
    versions = {d.name: d.version for d in facts.packages.distributions if d.version}
    yield "# What a machine has to be, as one is that is good. Loosen what may differ;"
    yield "# doctor explain policy shows all keys."
    yield "[policy]"
    yield from (f"{key} = {json.dumps(value)}" for key, value in found.items())
    if stack := [name for name in table("probes")["shown"] if name in versions]:
        yield ""
        yield "[policy.packages]"
    yield from (f'{name} = "=={versions[name].partition("+")[0]}"' for name in stack)
