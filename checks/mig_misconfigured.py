from tunedoctor import api

VISIBLE = "CUDA_VISIBLE_DEVICES"


@api.check("mig-misconfigured")
def mig_misconfigured(facts: api.Facts) -> api.Finding | None:
    """No instance on any MIG GPU, or a run that failed without naming one of several."""
    split, source = [card for card in facts.nvidia.gpus if card.mig], facts.nvidia.source
    if not split:
        # what a library or the driver's own tools said, where no card in MIG mode is shown
        return facts.if_heard("mig-misconfigured/read-as-number", "mig-misconfigured/asked")
    asserted = facts.heard("mig-misconfigured/assertion")
    if facts.runtime.gpu_works and not asserted:
        return None
    setting = facts.environment.get(VISIBLE) or ""
    named = sum(entry.startswith("MIG-") for entry in api.entries(setting))
    instances = sum(card.mig_instances for card in split)
    indexes = [str(card.index) for card in split]
    failed = asserted or facts.runtime.gpu_available is False
    if instances == 0 and len(split) == len(facts.nvidia.gpus) and source != "report":
        # a report seldom shows the instances: without a failure it proves nothing
        if not failed and (source != "nvml" or named):
            return None
        return facts.worded(
            "mig-misconfigured/none",
            gpus=indexes,
            which=",".join(indexes),
            name=split[0].name,
            shown="no instance exists" if source == "nvml" else "no instance is shown",
            run="the run" if failed else "",
        )
    if not failed or named == 1 or instances == 1:
        return None
    return facts.worded(
        "mig-misconfigured/unnamed:several" if "MIG-" in setting else "",
        "mig-misconfigured/unnamed",
        cure=api.tell(facts.set_variable(VISIBLE, "MIG-UUID").command),
        count=len(split),
        instances=instances,
        setting=f"'{setting}'" if setting else "not set",
    )
