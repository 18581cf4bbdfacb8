"""The checks of a policy: each entry compares one fact with what a team requires."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import FunctionType
from typing import Any

from tunedoctor import facts as kinds
from tunedoctor.facts import Fact, Unknown
from tunedoctor.model import findings
from tunedoctor.model.machine import GPUS
from tunedoctor.model.snapshot import Facts, Snapshot
from tunedoctor.model.versions import minor, parts, pep440, within
from tunedoctor.model.wording import gib, listed, many, name_counts
from tunedoctor.probes.settings import looked_for
from tunedoctor.tables.config import Rule
from tunedoctor.tables.load import table


def policy_checks(rules: Iterable[Rule], file: str) -> tuple[findings.Check, ...]:
    """Return a check for each entry of the policy in `file`."""
    return tuple(
        findings.Check(
            id=rule.id,
            title=f"{_what(rule)} differs from the policy"[:60],
            means=rule.row.means,
            run=_bound(_JUDGES[rule.key], rule),
            origin=file,
            group=rule.row.of,
            settle=f"doctor check --only {rule.id}",
            page=f"The policy in {file} requires this of {_what(rule)}: {rule.text}.",
        )
        for rule in rules
    )


def _bound(function: Callable[..., findings.Result], rule: Rule) -> Callable[..., findings.Result]:
    """Return a copy of a function bound to `rule`: its code tells which facts a check uses, so partial() won't do."""
    code: Any = function
    copy = FunctionType(code.__code__, code.__globals__, code.__name__)
    copy.__annotations__ = code.__annotations__
    copy.__kwdefaults__ = {"rule": rule}
    return copy


def _what(rule: Rule) -> str:
    both = rule.row.what and rule.name
    return f"{rule.row.what} ({rule.name})" if both else rule.row.what or rule.name


def _breach(rule: Rule, observation: str, cure: findings.Cure | None = None) -> findings.Finding:
    """Return the finding; `found` describes the actual state."""
    row = rule.row
    number = int(rule.wanted) if isinstance(rule.wanted, bool) else rule.wanted
    text = row.cure.replace("{wanted}", rule.text).replace("{number}", str(number))
    own = findings.tell(text, row.who) if row.command else findings.advise(text, row.who)
    return findings.Finding(
        found=f"{observation}; the policy requires {rule.text}", cure=cure or own
    )


def _meets(version: str, specifier: str) -> bool | None:
    """Return whether a version meets a specifier; its local label is compared if the specifier names one."""
    if (pin := findings.exact(f"x{specifier}")) and "+" in specifier:
        return version == pin[1]
    return within(version, specifier)


def _versioned(
    rule: Rule, what: str, version: str, cure: findings.Cure | None = None
) -> findings.Result:
    meets = _meets(version, rule.wanted) if version else None
    if meets is None:
        return Unknown(why=f"the version of {what} can't be compared: {version or 'unknown'}")
    return None if meets else _breach(rule, f"{what} is {version}", cure)


def _python(interpreter: kinds.Interpreter, *, rule: Rule) -> findings.Result:
    return _versioned(rule, "Python", interpreter.version)


def _package(
    packages: kinds.Packages,
    interpreter: kinds.Interpreter | Unknown | None,
    torch: kinds.TorchBuild | Unknown | None,
    *,
    rule: Rule,
) -> findings.Result:
    name = rule.name or rule.key
    installed: Any = packages.get(name)
    if name == "torch" and isinstance(torch, kinds.TorchBuild):
        installed = torch  # with its local label
    cure = findings.pip(interpreter, "install", f"{name}{rule.wanted}")
    if installed is None:
        return _breach(rule, f"{name} is not installed", cure)
    return _versioned(rule, name, installed.version, cure)


def _driver(driver: kinds.NvidiaDriver | Unknown | None, *, rule: Rule) -> findings.Result:
    if isinstance(driver, kinds.NvidiaDriver):
        return _versioned(rule, "the driver", driver.version)
    return driver or _breach(rule, rule.row.none)


def _gpus(
    nvidia: kinds.NvidiaGpus | Unknown | None,
    amd: kinds.AmdGpus | Unknown | None,
    intel: kinds.IntelGpu | Unknown | None,
    apple: kinds.AppleGpu | Unknown | None,
    *,
    rule: Rule,
) -> findings.Result:
    several = (nvidia, amd, intel, apple)
    count, silent = _count(*several), next((x for x in several if isinstance(x, Unknown)), None)
    # a driver that does not answer may have more GPUs
    if within(f"{count}", rule.wanted) and (not silent or within(f"{1 << 20}", rule.wanted)):
        return None
    return silent or _breach(rule, f"this machine has {many(count, 'GPU')}")


def _count(*several: Fact | Unknown | None) -> int:
    count = 0
    for fact in several:
        match fact:
            case kinds.NvidiaGpus():
                count += len(fact.gpus)
            case kinds.AmdGpus():
                count += len(_cards(fact))
            case kinds.IntelGpu(discrete=True):
                count += len(fact.names)
            case kinds.AppleGpu():
                count += 1
            case _:
                pass
    return count


def _cards(amd: Fact | Unknown | None) -> Sequence[kinds.AmdGpu]:
    """Return AMD's GPUs without those that are part of a processor."""
    gpus = amd.gpus if isinstance(amd, kinds.AmdGpus) else ()
    return [gpu for gpu in gpus if not gpu.integrated]


def _each(
    rule: Rule,
    drivers: Iterable[Fact | Unknown | None],
    wrong: Iterable[str],
    reported: Sequence[object],
) -> findings.Result:
    """Check every GPU: `wrong` describes those that fail, `told` has the value that the driver reports for each."""
    if some := listed(name_counts(wrong)):
        return _breach(rule, f"{rule.row.what} is {some}")
    if silent := next((driver for driver in drivers if isinstance(driver, Unknown)), None):
        return silent
    if not reported:
        return _breach(rule, rule.row.none, findings.advise("Run on a machine with such GPUs"))
    untold = Unknown(why=f"the driver does not report {rule.row.what} for every GPU")
    return untold if any(value in (None, "") for value in reported) else None


def _gpu_memory(
    nvidia: kinds.NvidiaGpus | Unknown | None, amd: kinds.AmdGpus | Unknown | None, *, rule: Rule
) -> findings.Result:
    gpus: list[kinds.NvidiaGpu | kinds.AmdGpu] = [*_cards(amd)]
    gpus += nvidia.gpus if isinstance(nvidia, kinds.NvidiaGpus) else ()
    sizes = [(gpu.index, gpu.memory_total or None) for gpu in gpus]
    small = (f"{gib(size)} (GPU {i})" for i, size in sizes if size and size < rule.wanted)
    return _each(rule, (nvidia, amd), small, [size for _, size in sizes])


def _nvidia(nvidia: kinds.NvidiaGpus | Unknown | None, *, rule: Rule) -> findings.Result:
    gpus = nvidia.gpus if isinstance(nvidia, kinds.NvidiaGpus) else ()
    values = [(gpu, getattr(gpu, rule.key.replace("-", "_"))) for gpu in gpus]
    if rule.row.kind == "flag":
        is_ = "off" if rule.wanted else "on"
        wrong = [f"{is_} (GPU {gpu.index})" for gpu, flag in values if flag is (not rule.wanted)]
    else:
        some = ((gpu, code) for gpu, code in values if code)
        wrong = [f"{code} ({gpu.name})" for gpu, code in some if not within(code, rule.wanted)]
    return _each(rule, (nvidia,), wrong, [value for _, value in values])


def _gfx(amd: kinds.AmdGpus | Unknown | None, *, rule: Rule) -> findings.Result:
    targets = [card.gfx for card in _cards(amd)]
    return _each(
        rule,
        (amd,),
        (target for target in targets if target and target not in rule.wanted),
        targets,
    )


def _ram(ram: kinds.Memory, *, rule: Rule) -> findings.Result:
    if ram.usable >= rule.wanted:
        return None
    limited = ram.limit_place and ram.usable < ram.total
    limit = f", the limit of {ram.limit_place}" if limited else ""
    return _breach(rule, f"RAM is {gib(ram.usable)}{limit}")


def _shm(shared: kinds.SharedMemory | Unknown | None, *, rule: Rule) -> findings.Result:
    if not isinstance(shared, kinds.SharedMemory):
        return shared or _breach(rule, rule.row.none)
    observation = f"{rule.row.what} has {gib(shared.total)}"
    return None if shared.total >= rule.wanted else _breach(rule, observation)


def _disk(disks: kinds.Disks, *, rule: Rule) -> findings.Result:
    chosen_disk = next((disk for disk in disks.disks if disk.use == rule.name), None)
    if chosen_disk is None:
        return Unknown(why=f"no {rule.name} folder was examined")
    if chosen_disk.free >= rule.wanted:
        return None
    text = rule.row.cure.replace("{wanted}", rule.text).replace(
        "{hint}", chosen_disk.hint or "a link"
    )
    return _breach(
        rule, f"{chosen_disk.path} has {gib(chosen_disk.free)} free", findings.advise(text)
    )


def _variable(
    environment: kinds.Environment, host: kinds.Host | Unknown | None, *, rule: Rule
) -> findings.Result:
    value, required = environment.get(rule.name), rule.wanted
    if value is None and not looked_for(rule.name, environment.more):
        return Unknown(
            why=f"a snapshot does not contain {rule.name}; run doctor check on the machine itself"
        )
    if (value is not None) == required if isinstance(required, bool) else value == required:
        return None
    # the value is not shown, because it can be a secret
    how = "not set" if value is None else "set" if required is False else "set to another value"
    cure = (
        findings.set_variable(host, rule.name, required or None) if required is not True else None
    )
    return _breach(rule, f"{rule.name} is {how}", cure or findings.advise(f"set {rule.name}"))


def _speed(smoke: kinds.Smoke | Unknown | None, *, rule: Rule) -> findings.Result:
    speed = smoke.tokens_per_second if isinstance(smoke, kinds.Smoke) else None
    if speed is None:
        return Unknown(why="nothing was trained; doctor check --smoke measures the speed")
    observation = f"the training ran at {speed:.0f} tokens/s"
    return None if speed >= rule.wanted else _breach(rule, observation)


_JUDGES: dict[str, Callable[..., findings.Result]] = {
    "python": _python, "torch": _package, "packages": _package, "driver": _driver, "gpus": _gpus,
    "gpu-memory": _gpu_memory, "compute-capability": _nvidia, "gfx": _gfx, "ram": _ram, "disk": _disk,
    "shm": _shm, "variables": _variable, "mig": _nvidia, "ecc": _nvidia, "smoke-speed": _speed,
}  # fmt: skip


def from_good(snapshot: Snapshot) -> Iterator[str]:
    """Yield the lines of a doctor.toml that this machine meets, sizes rounded down to GiB.

    Invalid versions, which a foreign snapshot can contain, are left out.
    """
    facts = Facts(snapshot)
    cards, amd = facts.nvidia.gpus, _cards(snapshot.find(kinds.AmdGpus))
    each = [card.memory_total or 0 for card in cards] + [card.memory_total or 0 for card in amd]
    sizes = {"gpu-memory": min(each, default=0)}
    sizes |= {"ram": facts.ram.usable if facts.ram else 0, "shm": facts.shared_memory.total}
    codes = sorted({x.compute_capability for x in cards if pep440(x.compute_capability)}, key=parts)
    python, driver = facts.interpreter.version, facts.nvidia_driver.version
    count = _count(*(snapshot.find(kind) for kind in GPUS))
    targets = sorted({card.gfx for card in amd if card.gfx})
    entries: dict[str, object] = {"python": f"=={minor(python)}.*"} if pep440(python) else {}
    entries |= {"driver": f">={driver}"} if pep440(driver) else {}
    entries |= {"gpus": count} if count else {}
    entries |= {"compute-capability": f">={codes[0]}"} if codes else {}
    entries |= {"gfx": targets} if targets else {}
    for name in ("mig", "ecc"):
        modes = {getattr(card, name) for card in cards}
        entries |= {name: modes.pop()} if len(modes) == 1 and None not in modes else {}
    entries |= {key: f"{size >> 30} GiB" for key, size in sizes.items() if size >> 30}
    versions = {d.name: d.version for d in facts.packages.distributions if pep440(d.version)}
    yield "# Requirements taken from a machine that works. Loosen what may differ;"
    yield "# doctor explain policy lists all keys."
    yield "[policy]"
    yield from (f"{key} = {json.dumps(value)}" for key, value in entries.items())
    if stack := [name for name in table("probes")["shown"] if name in versions]:
        yield ""
        yield "[policy.packages]"
    yield from (f'{name} = "=={versions[name].partition("+")[0]}"' for name in stack)
