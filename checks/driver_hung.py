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
    return facts.worded(
        "driver-hung:stuck" if stuck else "driver-hung:waits" if waits else "",
        "driver-hung",
        said=said or waits,
        evidence=tuple(stuck),
        stuck=" and ".join(stuck),
        inside="on the host of this container; " if facts.container else "",
    )
