from tunedoctor.api import Facts, Finding, check, heard, worded


@check("driver-hung")
def driver_hung(facts: Facts) -> Finding | None:
    """NVML hung, or nvidia-smi did where NVML did not answer well; else a text that says so."""
    stuck = [
        name
        for name, how in (
            ("NVML", facts.nvidia_answer.nvml),
            ("nvidia-smi", facts.nvidia_answer.smi),
        )
        if how == "hung" and facts.nvidia_answer.nvml != "ok"
    ]
    said = heard(facts.errors, "driver-hung")
    waits = "" if said else heard(facts.errors, "driver-hung/waits")
    said = said or waits
    if not stuck and not said:
        return None
    inside = "on the host of this container; " if facts.container else ""
    return worded(
        "driver-hung",
        found=f"{' and '.join(stuck)} gave no answer before the time limit"
        if stuck
        else f"the error '{said}'",
        said=said,
        evidence=tuple(stuck),
        settle="timeout 60 nvidia-smi; sudo dmesg | grep -E 'NVRM|Xid|blocked for'"
        if waits and not stuck
        else "",
        inside=inside,
    )
