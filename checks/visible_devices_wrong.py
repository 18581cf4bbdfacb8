import re

from tunedoctor import api

CUDA = "CUDA_VISIBLE_DEVICES"
AMD = ("ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", CUDA)
HIDES = "hides every GPU"
ID = "visible-devices-wrong"


@api.check(ID)
def visible_devices_wrong(facts: api.Facts) -> api.Finding | None:
    """Of NVIDIA cards, all hidden or some entry bad; of AMD cards, the same for each variable."""
    # what makes two ranks take one GPU: too many ranks, a variable, or a script that names the device
    doubled = facts.if_heard("visible-devices-wrong/duplicate")
    if not facts.environment:
        return _from_text(facts) or _ranks(facts) or _beyond(facts) or doubled
    rocm, cards = facts.torch.accelerator == "rocm", facts.nvidia.gpus
    if cards and not rocm:
        left = len(api.visible_gpus(cards, facts.environment))
        return _judged(facts, CUDA, len(cards), [c.uuid for c in cards if c.uuid], left) or doubled
    for name in AMD if rocm and facts.amd.gpus else ():
        if bad := _judged(facts, name, len(facts.amd.gpus)):
            return bad
    nameless = None if facts.nvidia or facts.amd else _nameless(facts)
    return nameless or _ordinal(facts) or _ranks(facts) or doubled


def _nameless(facts: api.Facts) -> api.Finding | None:
    """Find a list that names no GPU of any machine: "all" is a word of NVIDIA_VISIBLE_DEVICES alone."""
    said, setting = facts.heard(ID), facts.environment.get(CUDA)
    problem = _problem(setting, 1 << 20, [])
    if not said or not problem:
        return None
    key, hides = "visible-devices-wrong/nameless", HIDES if problem == HIDES else "names no GPU"
    return facts.worded(key, said=said, hides=hides, setting=setting, problem=problem)


def _problem(setting: str | None, count: int, uuids: list[str]) -> str:
    """Return what is wrong with a list, "" for a good one. Without UUIDs to compare, any UUID is good."""
    if setting is None:
        return ""
    listed_ = api.entries(setting)
    if not listed_ or listed_[0] in ("-1", "NoDevFiles"):
        return HIDES
    for entry in listed_:
        if re.fullmatch(r"[0-9]{1,6}", entry):
            if int(entry) >= count:
                return f"{entry} is beyond the last GPU, {count - 1}"
        elif entry.startswith("GPU-"):
            if len(uuids) == count and not any(uuid.startswith(entry) for uuid in uuids):
                return f"no GPU here has the UUID {entry}"
        elif not entry.startswith("MIG-"):
            # an entry such as -1 after good ones ends the list on purpose
            return "" if entry == "-1" else f"'{entry}' is neither an index nor a UUID"
    return ""


def _judged(
    facts: api.Facts, name: str, count: int, uuids: list[str] | None = None, left: int = 0
) -> api.Finding | None:
    setting = facts.environment.get(name)
    problem = _problem(setting, count, uuids or [])
    if not problem:
        return None
    said = "" if left or uuids is None else facts.heard(ID)
    # hiding all may be meant, unless something asked for a GPU and was told that there is none
    meant = problem == HIDES and not said
    return facts.worded(
        "visible-devices-wrong:some" if left else "",
        "visible-devices-wrong:meant" if meant else "",
        ID,
        said=said,
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
    """Where the variables are not known: the driver lists GPUs, and CUDA says there is none."""
    if passed := facts.if_heard("visible-devices-wrong/unknown"):
        return passed
    said, count = facts.heard(ID), len(facts.nvidia.gpus)
    if not said or not count or _in_mig(facts):
        return None
    names = f"nvidia-smi lists {count} GPU{'s' if count > 1 else ''}"
    # a container that got no GPU says the same, while nvidia-smi ran outside of it
    return facts.worded("visible-devices-wrong/none-seen", said=said, names=names)


def _ranks(facts: api.Facts) -> api.Finding | None:
    """Find a launcher that was asked for more processes than there are GPUs."""
    said = facts.heard("visible-devices-wrong/slot", "visible-devices-wrong/ranks")
    ranks = api.expression("visible-devices-wrong/ranks")
    asked = next((f for c in facts.typed.commands if (f := ranks.search(c))), None)
    if not said or asked is None or _in_mig(facts):
        return None
    return facts.worded("visible-devices-wrong/ranks", said=said, asked=asked[0].strip())


def _ordinal(facts: api.Facts) -> api.Finding | None:
    """Find a process that asks for a number beyond the GPUs that the list leaves it: more ranks than GPUs."""
    left = api.entries(facts.environment.get(CUDA) or "")
    said = facts.heard("visible-devices-wrong/ranks")
    if not said or not left or any(one.startswith("MIG-") for one in left) or _in_mig(facts):
        return None
    key, number = "visible-devices-wrong/ordinal", len(left)
    return facts.worded(key, said=said, left=",".join(left), number=number)


def _beyond(facts: api.Facts) -> api.Finding | None:
    """Believe a launcher that counted the GPUs itself; CUDA's own words leave open who asked for which."""
    sure = facts.heard("visible-devices-wrong/counted")
    said = sure or facts.heard("visible-devices-wrong/ordinal")
    if not said or facts.nvidia:
        return None
    settle = "" if sure else f"nvidia-smi -L; echo ${CUDA}"
    return facts.worded("visible-devices-wrong/beyond", said=said, settle=settle)
