import re

from tunedoctor.api import (
    Environment,
    Facts,
    Finding,
    NvidiaGpus,
    check,
    entries,
    expression,
    heard,
    tell,
    unset_variable,
    visible_gpus,
    worded,
)

CUDA = "CUDA_VISIBLE_DEVICES"
AMD = ("ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", CUDA)


@check("visible-devices-wrong")
def visible_devices_wrong(facts: Facts) -> Finding | None:
    """Of NVIDIA cards, all hidden or some entry bad; of AMD cards, the same for each variable."""
    if not facts.environment:
        return _from_text(facts) or _ranks(facts) or _beyond(facts) or _one_for_two(facts)
    if facts.nvidia.gpus and facts.torch.accelerator != "rocm":
        return _nvidia(
            facts, facts.environment, facts.nvidia, heard(facts.errors, "visible-devices-wrong")
        ) or _one_for_two(facts)
    if facts.amd.gpus and facts.torch.accelerator == "rocm":
        for name in AMD:
            problem = _problem(facts.environment.get(name), len(facts.amd.gpus), ())
            if problem:
                return _finding(
                    facts, name, facts.environment.get(name) or "", problem, len(facts.amd.gpus)
                )
    return (
        (_nameless(facts, facts.environment) if not facts.nvidia and not facts.amd else None)
        or _ordinal(facts, facts.environment)
        or _ranks(facts)
        or _one_for_two(facts)
    )


def _one_for_two(facts: Facts) -> Finding | None:
    """Suspect what makes two ranks take one GPU: too many ranks, a variable, or a script that names the device."""
    said = heard(facts.errors, "visible-devices-wrong/duplicate")
    if not said:
        return None
    return worded("visible-devices-wrong/duplicate", said=said)


def _nvidia(facts: Facts, variables: Environment, cards: NvidiaGpus, said: str) -> Finding | None:
    setting = variables.get(CUDA)
    uuids = tuple(card.uuid for card in cards.gpus if card.uuid)
    problem = _problem(setting, len(cards.gpus), uuids)
    if not problem or setting is None:
        return None
    left = len(visible_gpus(cards.gpus, variables))
    finding = _finding(facts, CUDA, setting, problem, len(cards.gpus), said)
    if left:
        return worded(
            "visible-devices-wrong/nvidia",
            found=finding.found,
            means=f"the list ends there: training uses {left} of {len(cards.gpus)} GPUs",
            cure=finding.cure,
            cure_note=finding.cure_note,
            evidence=finding.evidence,
        )
    return finding


def _nameless(facts: Facts, variables: Environment) -> Finding | None:
    """Find a list that names no GPU of any machine: "all" is a word of NVIDIA_VISIBLE_DEVICES alone."""
    said, setting = heard(facts.errors, "visible-devices-wrong"), variables.get(CUDA)
    problem = _problem(setting, 1 << 20, ())
    if not said or setting is None or not problem:
        return None
    return worded(
        "visible-devices-wrong/nameless",
        title=f"{CUDA} hides every GPU" if problem.startswith("hides") else f"{CUDA} names no GPU",
        found=f"{CUDA} is '{setting}': {problem}; the error '{said}'",
        said=said,
        host=facts.host,
    )


def _problem(setting: str | None, count: int, uuids: tuple[str, ...]) -> str:
    """Return what is wrong with a list, "" for a good one. Without UUIDs to compare, any UUID is good."""
    if setting is None:
        return ""
    listed_ = entries(setting)
    if not listed_ or listed_[0] in ("-1", "NoDevFiles"):
        return "hides every GPU"
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


def _finding(
    facts: Facts, name: str, setting: str, problem: str, count: int, said: str = ""
) -> Finding:
    hides = problem == "hides every GPU"
    number = "1 GPU" if count == 1 else f"{count} GPUs"
    # that may be meant, unless something asked for a GPU and was told that there is none
    return worded(
        "visible-devices-wrong",
        title=f"{name} hides every GPU" if hides else f"{name} names no GPU that exists",
        severity="warning" if hides and not said else "error",
        found=f"{name} is '{setting}': {problem}; the machine has {number}"
        + (f"; the error '{said}'" if said else ""),
        said=said,
        cure=unset_variable(facts.host, name),
        evidence=(name,),
    )


def _from_text(facts: Facts) -> Finding | None:
    """Where the variables are not known: the driver lists GPUs, and CUDA says there is none."""
    if passed := heard(facts.errors, "visible-devices-wrong/unknown"):
        return worded("visible-devices-wrong/unknown-device", said=passed)
    said = heard(facts.errors, "visible-devices-wrong")
    if not said or not facts.nvidia.gpus or any(card.mig for card in facts.nvidia.gpus):
        return None
    names = (
        f"nvidia-smi lists {len(facts.nvidia.gpus)} GPU{'s' if len(facts.nvidia.gpus) > 1 else ''}"
    )
    # a container that got no GPU says the same, while nvidia-smi ran outside of it
    return worded("visible-devices-wrong/none-seen", said=said, names=names)


def _ranks(facts: Facts) -> Finding | None:
    """Find a launcher that was asked for more processes than there are GPUs."""
    said = heard(facts.errors, "visible-devices-wrong/slot", "visible-devices-wrong/ranks")
    asked = next(
        (
            f
            for c in (facts.typed.commands)
            if (f := expression("visible-devices-wrong/ranks").search(c))
        ),
        None,
    )
    if not said or asked is None or (any(card.mig for card in facts.nvidia.gpus)):
        return None
    return worded(
        "visible-devices-wrong/ranks",
        found=f"the command asks for {asked[0].strip()}; the error '{said}'",
        said=said,
    )


def _ordinal(facts: Facts, variables: Environment) -> Finding | None:
    """Find a process that asks for a number beyond the GPUs that the list leaves it: more ranks than GPUs."""
    left = entries(variables.get(CUDA) or "")
    said = heard(facts.errors, "visible-devices-wrong/ranks")
    if not said or not left or any(entry.startswith("MIG-") for entry in left):
        return None
    if any(card.mig for card in facts.nvidia.gpus):
        return None
    return worded(
        "visible-devices-wrong/ordinal",
        found=f"{CUDA} is '{','.join(left)}', which leaves {len(left)}; the error '{said}'",
        said=said,
        cure=tell(f"torchrun --nproc_per_node={len(left)} SCRIPT"),
    )


def _beyond(facts: Facts) -> Finding | None:
    """Believe a launcher that counted the GPUs itself; CUDA's own words leave open who asked for which."""
    sure = heard(facts.errors, "visible-devices-wrong/counted")
    said = sure or heard(facts.errors, "visible-devices-wrong/ordinal")
    if not said or facts.nvidia:
        return None
    return worded(
        "visible-devices-wrong/beyond",
        said=said,
        settle="" if sure else f"nvidia-smi -L; echo ${CUDA}",
    )
