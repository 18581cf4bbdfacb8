import re
from collections.abc import Iterator
from typing import Any

from tunedoctor import api


@api.check("gpu-does-not-compute")
def gpu_does_not_compute(facts: api.Facts, runtime: api.Runtime) -> api.Finding | None:
    """Use the first stage `matmul DEVICE DTYPE` that failed."""
    unfinished = [
        stage for stage in runtime.stages if stage.outcome in ("failed", "crashed", "hung")
    ]
    mine = (
        stage
        for stage in unfinished
        if stage.name.startswith("matmul ") and " cpu" not in stage.name
    )
    build = facts.expression("/of-the-build")
    failed = [stage for stage in mine if not build.search(f"{stage.error_type} {stage.error}")]
    if not failed or all(stage.name.endswith("bfloat16") for stage in failed):
        return None
    first = failed[0]
    _, device, dtype = (*first.name.split(" "), "", "")[:3]
    text = (first.error.strip().splitlines() or [first.outcome])[-1][:200]
    found = f"{device} in {dtype}: {text}"
    return facts.worded(":wrong" if "is off by" in text else ":else", found=found, stage=first)


TAKEN_BACK = re.compile(r"to 0x0\b|\(None\)\s*$")


@api.check("gpu-faulty")
def gpu_faulty(facts: api.Facts) -> api.Finding | None:
    """Report the worst first: lost, beyond repair, needs a reset now, then earlier faults in the log."""
    lost = facts.nvidia_answer.says(15)
    newest = next((x for x in reversed(facts.kernel_log.xids) if x.number == 79), None)
    if lost or facts.kernel_log.fell_off_bus or newest:
        slot, log = newest.slot if newest else "", "kernel log" if facts.kernel_log else ""
        error_text = "GPU is lost" if lost else ""
        by = "the driver reports 'GPU is lost' (15)" if lost else "the kernel log says so"
        return facts.worded("/lost", said=error_text, evidence=(log,), slot=slot, by=by)
    states = sorted(_states(facts), key=lambda state: SEVERE.index(state[0].partition(":")[0]))
    others = [f"{fields['name']}: {fields['says']}" for _, fields in states[1:4]]
    for key, fields in states[:1]:
        return facts.worded(key, **fields, others=others)
    for card in (gpu for gpu in facts.amd.gpus if gpu.ras_uncorrected):
        return facts.worded("/amd", card=card, blocks=card.ras_blocks)
    return _logged(facts) or facts.if_heard("/ras", "")


SEVERE = ("/beyond-repair", "/asks", "/asks-later", "/memory-errors")


def _states(facts: api.Facts) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the driver's current state of each card: a description and what it needs."""
    for card in facts.nvidia.gpus:
        recovery_keys: dict[str, str] = api.table("xids")["recovery"]
        card_is: dict[str, Any] = {"index": card.index, "name": f"GPU {card.index} ({card.name})"}
        action = card.recovery_action.upper().replace(" ", "_")
        action_text = f"recovery action {action}" if action not in ("", "NONE", "N/A") else ""
        key = recovery_keys.get(action, "asks:reboot" if "REBOOT" in action else "asks:reset")
        if card.remap_failed:
            says = "; ".join(filter(None, ("remapping of faulty memory rows failed", action_text)))
            yield "/beyond-repair", card_is | {"uuid": card.uuid or "not known", "says": says}
            continue
        if action_text:
            yield f"/{key}", card_is | {"says": action_text}
        errors, pending = card.ecc_uncorrected, card.remap_pending
        count = f"{errors} uncorrectable memory errors since boot" if errors else ""
        row = "the GPU needs a reset to map out a faulty memory row" if pending else ""
        page = "the GPU needs a reset to retire a faulty memory page" if card.pages_pending else ""
        if says := "; ".join(filter(None, (count, row, page))):
            yield "/memory-errors", card_is | {"says": says}


def _logged(facts: api.Facts) -> api.Finding | None:
    """Return the faults in the log of this boot, unless a later Xid 154 cleared them."""
    cleared: set[str] = set()
    for xid in reversed(facts.kernel_log.xids):
        if xid.number == 154 and TAKEN_BACK.search(xid.text):
            cleared.add(xid.slot)
        meaning = api.xid_meaning(xid.number, xid.text)
        if meaning is not None and xid.slot not in cleared:
            asks, name = meaning.asks, meaning.name
            answers = any(card.slot == xid.slot for card in facts.nvidia.gpus)
            past = asks == "idle" or (answers and asks in ("reset", "reboot"))
            case = "/logged:past" if past else ""
            return facts.worded(case, f"/logged:{asks}", xid=xid, name=name)
    return None


OLD = ("gfx103", "gfx101", "gfx900", "gfx906")


@api.check("gpu-lacks-bf16")
def gpu_lacks_bf16(facts: api.Facts) -> api.Finding | None:
    """Judge the best GPU of the build's vendor; an error text makes it an error."""
    error = facts.heard()
    cards = api.visible_gpus(facts.nvidia.gpus, facts.environment)
    cards_with_capability = [card for card in cards if card.compute_capability]
    descriptions = [
        f"{c.name} (compute capability {c.compute_capability})" for c in cards_with_capability
    ]
    old = all(api.parts(card.compute_capability) < (8, 0) for card in cards_with_capability)
    if facts.torch.accelerator == "rocm":
        discrete = [gpu for gpu in facts.amd.gpus if not gpu.integrated]
        descriptions = [f"{gpu.name or 'GPU'} ({gpu.gfx})" for gpu in discrete]
        old = all(gpu.gfx.startswith(OLD) for gpu in discrete)
    names = api.listed(dict.fromkeys(descriptions)) if old else ""
    error = error or (facts.heard("/on-old") if names else "")
    if not names and not error:
        return None
    # a Trainer also says this if it sees no GPU; it names Ampere only if it sees one
    setup = facts.heard("/anywhere")
    case = ":anywhere" if setup and not names and not facts.heard("/ampere") else ""
    return facts.worded(case, found=names, said=error)


SHARE = 0.3
"""Share of the memory that must be in use before it is reported."""


@api.check("gpu-memory-taken")
def gpu_memory_taken(facts: api.Facts, gpus: api.NvidiaGpus) -> api.Finding | None:
    """Report the GPU with the least free memory."""
    full = [
        (1 - card.memory_free / card.memory_total, card)
        for card in api.visible_gpus(gpus.gpus, facts.environment)
        if card.memory_total and card.memory_free is not None and not card.unified_memory
    ]
    share, card = max(full, key=lambda pair: pair[0], default=(0, None))
    if card is None or share <= SHARE:
        return None
    biggest = sorted(card.processes, key=lambda process: process.memory or 0, reverse=True)
    python = bool(biggest) and "python" in biggest[0].name.lower() and biggest[0].pid > 1
    sizes = [f", {api.gib(process.memory)}" if process.memory else "" for process in biggest]
    holders = [
        f"{process.name or 'process'} ({process.pid}{size})"
        for process, size in zip(biggest[:4], sizes, strict=False)
    ]
    pid = biggest[0].pid if biggest else 0
    return facts.worded(":python" if python else ":else", card=card, pid=pid, holders=holders)


@api.check("gpu-not-started")
def gpu_not_started(facts: api.Facts) -> api.Finding | None:
    """Decide by an empty GPU list with cards on the bus; otherwise by a driver message."""
    cards = [card for card in facts.pci.of("10de") if card.driver in ("nvidia", "")]
    empty = facts.nvidia_module.loaded and facts.nvidia_module.gpus_in_proc == 0 and cards
    reason = facts.heard("/said-why")
    error = reason or facts.heard()
    if facts.nvidia.gpus:
        return None
    answer, driver = facts.nvidia_answer, facts.nvidia_driver
    # nvidia-smi reached the driver but got no GPU; in WSL that has other reasons
    none = answer.smi_code == 6 and "No devices" in answer.smi_text and not facts.host.wsl
    if none and not error and not facts.pci and not facts.container:
        read = next((e.text for e in facts.errors.errors if "No devices" in e.text), "")
        return facts.worded("/lists-none", said=read)
    if not (empty or error):
        return None
    models = [model for card in cards if (model := api.nvidia_by_pci(card.device))]
    names = api.listed(model.name for model in models) or "the NVIDIA GPU"
    old = any(model.last_branch for model in models)
    floor = "570" if any(api.parts(m.compute_capability) >= (10,) for m in models) else ""
    why = f"the error '{error}'" if error else "/proc/driver/nvidia/gpus is empty"
    needs = ""
    if driver and floor and not api.at_least(driver.version, floor):
        needs = f"driver {floor} or newer"
    elif driver.open_module and old:
        needs = "the proprietary module"
    elif driver.open_module is False and any(m.module == "open" for m in models):
        needs = "the open module"
    elif not reason and not floor and not old:
        case = "/no-reason:said" if error else "/no-reason:listed"
        return facts.worded(case, said=error, number=driver.version or "not known", names=names)
    branch, name = "580" if floor else "", f"driver {driver.version}" if driver.version else ""
    advice = api.install_driver(facts.host, branch, old_card=old, container=facts.container)
    kind = {True: "open", False: "proprietary", None: ""}[driver.open_module]
    why, error = (f"{names} needs {needs}", "") if needs else (why, error)
    return facts.worded(said=error, way=advice, why=why, driver=name, kind=kind)


@api.check("gpu-throttled")
def gpu_throttled(facts: api.Facts) -> api.Finding | None:
    """Use the driver's reasons, for AMD the tool's output; otherwise a lowered power limit."""
    slow = [c for c in facts.nvidia.gpus if c.throttle]
    if not slow:
        hot = [c for c in facts.amd.gpus if c.throttle]
        if each := [f"GPU {c.index} ({c.name}): {api.listed(c.throttle)}" for c in hot[:4]]:
            return facts.worded("/amd:live", each=each)
        fixed = (c for c in facts.nvidia.gpus if "Laptop" not in c.name)  # there firmware lowers it
        low = [c for c in fixed if 0 < (c.power_limit or 0) < (c.power_default or 0)]
        each = [f"GPU {c.index} ({c.name}): {c.power_limit} of {c.power_default} W" for c in low]
        return facts.if_heard("/amd") or (facts.worded("/lowered", each=each) if each else None)
    words = api.table("outputs")["throttle"]["words"]
    power = {reason for card in slow for reason in card.throttle} <= {"power-brake", "hw-slowdown"}
    found = "; ".join(
        f"GPU {card.index} ({card.name}): {api.listed(words.get(r, r) for r in card.throttle)}"
        for card in slow[:4]
    )
    return facts.worded(":power" if power else ":else", found=found, index=slow[0].index)


VISIBLE = "CUDA_VISIBLE_DEVICES"


@api.check("mig-misconfigured")
def mig_misconfigured(facts: api.Facts) -> api.Finding | None:
    """Report MIG GPUs without instances, or a failed run that did not name one of several."""
    split, source = [card for card in facts.nvidia.gpus if card.mig], facts.nvidia.source
    if not split:
        # errors of a library or the driver's tools if no card in MIG mode is listed
        return facts.if_heard("/read-as-number", "/asked")
    asserted = facts.heard("/assertion")
    if facts.runtime.gpu_works and not asserted:
        return None
    setting = facts.environment.get(VISIBLE) or ""
    selected = sum(entry.startswith("MIG-") for entry in api.entries(setting))
    instances = sum(card.mig_instances for card in split)
    indexes = [str(card.index) for card in split]
    failed = asserted or facts.runtime.gpu_available is False
    if instances == 0 and len(split) == len(facts.nvidia.gpus) and source != "report":
        # a report rarely lists the instances: without a failure this proves nothing
        if not failed and (source != "nvml" or selected):
            return None
        return facts.worded(
            "/none",
            gpus=indexes,
            which=",".join(indexes),
            name=split[0].name,
            shown="no instance exists" if source == "nvml" else "no instance is shown",
            run="the run" if failed else "",
        )
    if not failed or selected == 1 or instances == 1:
        return None
    return facts.worded(
        "/unnamed:several" if "MIG-" in setting else "",
        "/unnamed",
        cure=api.tell(facts.set_variable(VISIBLE, "MIG-UUID").command),
        count=len(split),
        instances=instances,
        setting=f"'{setting}'" if setting else "not set",
    )


CUDA = "CUDA_VISIBLE_DEVICES"
AMD = ("ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", CUDA)
HIDES = "hides every GPU"


@api.check("visible-devices-wrong")
def visible_devices_wrong(facts: api.Facts) -> api.Finding | None:
    """Report variables that hide all NVIDIA cards or have a bad entry; for AMD check each variable."""
    # two ranks use one GPU: too many ranks, a variable, or a script that names the device
    doubled = facts.if_heard("/duplicate")
    if not facts.environment:
        return _from_text(facts) or _ranks(facts) or _beyond(facts) or doubled
    rocm, cards = facts.torch.accelerator == "rocm", facts.nvidia.gpus
    if cards and not rocm:
        left = len(api.visible_gpus(cards, facts.environment))
        return (
            _check_variable(facts, CUDA, len(cards), [c.uuid for c in cards if c.uuid], left)
            or doubled
        )
    for name in AMD if rocm and facts.amd.gpus else ():
        if bad := _check_variable(facts, name, len(facts.amd.gpus)):
            return bad
    nameless = None if facts.nvidia or facts.amd else _nameless(facts)
    return nameless or _ordinal(facts) or _ranks(facts) or doubled


def _nameless(facts: api.Facts) -> api.Finding | None:
    """Find a list that is wrong on any machine: "all" is valid only in NVIDIA_VISIBLE_DEVICES."""
    error, setting = facts.heard(), facts.environment.get(CUDA)
    problem = _problem(setting, 1 << 20, [])
    if not error or not problem:
        return None
    hides = HIDES if problem == HIDES else "names no GPU"
    return facts.worded("/nameless", said=error, hides=hides, setting=setting, problem=problem)


def _problem(setting: str | None, count: int, uuids: list[str]) -> str:
    """Return what is wrong with a list, or "". Without UUIDs to compare, any UUID is accepted."""
    if setting is None:
        return ""
    listed_ = api.entries(setting)
    if not listed_ or listed_[0] in ("-1", "NoDevFiles"):
        return HIDES
    for entry in listed_:
        if re.fullmatch(r"[0-9]{1,6}", entry):
            if int(entry) >= count:
                return f"{entry} is higher than the index of the last GPU, {count - 1}"
        elif entry.startswith("GPU-"):
            if len(uuids) == count and not any(uuid.startswith(entry) for uuid in uuids):
                return f"no GPU here has the UUID {entry}"
        elif not entry.startswith("MIG-"):
            # an entry such as -1 after good ones ends the list on purpose
            return "" if entry == "-1" else f"'{entry}' is neither an index nor a UUID"
    return ""


def _check_variable(
    facts: api.Facts, name: str, count: int, uuids: list[str] | None = None, left: int = 0
) -> api.Finding | None:
    setting = facts.environment.get(name)
    problem = _problem(setting, count, uuids or [])
    if not problem:
        return None
    error = "" if left or uuids is None else facts.heard()
    # hiding all GPUs can be intended, unless something failed because it found none
    return facts.worded(
        ":some" if left else "",
        ":meant" if problem == HIDES and not error else "",
        said=error,
        name=name,
        hides=HIDES if problem == HIDES else "names no GPU that exists",
        setting=f"{name} is '{setting or ''}': {problem}",
        number="1 GPU" if count == 1 else f"{count} GPUs",
        left=left,
        count=count,
    )


def _in_mig(facts: api.Facts) -> bool:
    return any(card.mig for card in facts.nvidia.gpus)


def _from_text(facts: api.Facts) -> api.Finding | None:
    """Without known variables: the driver lists GPUs, but CUDA finds none."""
    if passed := facts.if_heard("/unknown"):
        return passed
    error, count = facts.heard(), len(facts.nvidia.gpus)
    if not error or not count or _in_mig(facts):
        return None
    names = f"nvidia-smi lists {count} GPU{'s' if count > 1 else ''}"
    # a container without a GPU gives the same error while nvidia-smi ran outside it
    return facts.worded("/none-seen", said=error, names=names)


def _ranks(facts: api.Facts) -> api.Finding | None:
    """Find a launcher with more processes than GPUs."""
    error = facts.heard("/slot", "/ranks")
    ranks = facts.expression("/ranks")
    requested = next((f for c in facts.typed.commands if (f := ranks.search(c))), None)
    if not error or requested is None or _in_mig(facts):
        return None
    return facts.worded("/ranks", said=error, asked=requested[0].strip())


def _ordinal(facts: api.Facts) -> api.Finding | None:
    """Find a process that uses a GPU number beyond those the list allows: more ranks than GPUs."""
    left = api.entries(facts.environment.get(CUDA) or "")
    error = facts.heard("/ranks")
    if not error or not left or any(entry.startswith("MIG-") for entry in left) or _in_mig(facts):
        return None
    return facts.worded("/ordinal", said=error, left=",".join(left), number=len(left))


def _beyond(facts: api.Facts) -> api.Finding | None:
    """Trust a launcher that counted the GPUs; CUDA's error does not show who requested which."""
    sure = facts.heard("/counted")
    error = sure or facts.heard("/ordinal")
    if not error or facts.nvidia:
        return None
    return facts.worded(
        "/beyond", said=error, settle="" if sure else f"nvidia-smi -L; echo ${CUDA}"
    )
