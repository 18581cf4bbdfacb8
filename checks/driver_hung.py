from tunedoctor import api


@api.check("driver-hung")
def driver_hung(facts: api.Facts) -> api.Finding | None:
    """NVML hung, or nvidia-smi did where NVML did not answer well; else a text that says so."""
    answer = facts.nvidia_answer
    asked = {"NVML": answer.nvml, "nvidia-smi": answer.smi}
    stuck = [name for name, how in asked.items() if how == "hung" and answer.nvml != "ok"]
    said = facts.heard("driver-hung")
    waits = "" if said else facts.heard("driver-hung/waits")
    if not stuck and not said and not waits:
        return None
    key, names = "driver-hung", " and ".join(stuck)
    case = f"{key}:stuck" if stuck else f"{key}:waits" if waits else ""
    return facts.worded(
        case, key, said=said or waits, evidence=tuple(stuck), stuck=names, inside=facts.container
    )
