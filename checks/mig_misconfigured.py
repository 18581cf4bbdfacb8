from tunedoctor.api import (
    Facts,
    Finding,
    NvidiaGpu,
    check,
    entries,
    heard,
    if_heard,
    listed,
    set_variable,
    tell,
    worded,
)


@check("mig-misconfigured")
def mig_misconfigured(facts: Facts) -> Finding | None:
    """No instance on any MIG GPU, or a run that failed without naming one of several."""
    split = [card for card in facts.nvidia.gpus if card.mig]
    if not facts.nvidia or not split:
        return _from_text(facts)
    if facts.runtime.gpu_works and not heard(facts.errors, "mig-misconfigured/assertion"):
        return None
    setting = (facts.environment.get("CUDA_VISIBLE_DEVICES")) or ""
    named = sum(entry.startswith("MIG-") for entry in entries(setting))
    instances = sum(card.mig_instances for card in split)
    failed = (facts.runtime.gpu_available is False) or bool(
        heard(facts.errors, "mig-misconfigured/assertion")
    )
    if instances == 0 and len(split) == len(facts.nvidia.gpus) and facts.nvidia.source != "report":
        # a report seldom shows the instances: without a failure it proves nothing
        if (facts.nvidia.source == "nvml" and not named) or failed:
            return _none(split, failed=failed, told_by=facts.nvidia.source)
        return None
    if failed and named != 1 and instances != 1:
        return _unnamed(facts, split, instances, setting)
    return None


def _none(split: list[NvidiaGpu], *, failed: bool, told_by: str) -> Finding:
    which = ",".join(str(card.index) for card in split)
    shown = "no instance exists" if told_by == "nvml" else "no instance is shown"
    return worded(
        "mig-misconfigured/none",
        found=f"MIG is on for GPU {listed(str(c.index) for c in split)} ({split[0].name}); {shown}",
        means="torch counts no usable device: 'No CUDA GPUs are available'"
        + (", as the run shows" if failed else ""),
        evidence=(told_by,),
        which=which,
    )


def _unnamed(facts: Facts, split: list[NvidiaGpu], instances: int, setting: str) -> Finding:
    value = f"is '{setting}'" if setting else "is not set"
    return worded(
        "mig-misconfigured/unnamed",
        title="MIG is on, and the process names several instances"
        if "MIG-" in setting
        else "MIG is on, and the process names no MIG instance",
        found=f"{len(split)} GPUs in MIG mode with {instances} instances; CUDA_VISIBLE_DEVICES {value}",
        cure=tell(set_variable(facts.host, "CUDA_VISIBLE_DEVICES", "MIG-UUID").command),
    )


def _from_text(facts: Facts) -> Finding | None:
    """Go by what a library or the driver's own tools said, where no card in MIG mode is shown."""
    return if_heard(facts.errors, "mig-misconfigured/read-as-number", "mig-misconfigured/asked")
