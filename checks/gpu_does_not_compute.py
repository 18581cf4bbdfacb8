from tunedoctor import api


@api.check("gpu-does-not-compute")
def gpu_does_not_compute(facts: api.Facts, runtime: api.Runtime) -> api.Finding | None:
    """Take the first stage `matmul DEVICE DTYPE` that went wrong."""
    failed = [
        stage
        for stage in runtime.stages
        if stage.name.startswith("matmul ")
        and not stage.name.startswith("matmul cpu")
        and stage.outcome in ("failed", "crashed", "hung")
        and not api.expression("gpu-does-not-compute/of-the-build").search(
            f"{stage.error_type} {stage.error}"
        )
    ]
    if not failed or all(stage.name.endswith("bfloat16") for stage in failed):
        return None
    first = failed[0]
    _, device, dtype = (*first.name.split(" "), "", "")[:3]
    text = (first.error.strip().splitlines() or [first.outcome])[-1][:200]
    wrong = "is off by" in text
    case = "gpu-does-not-compute:wrong" if wrong else "gpu-does-not-compute:else"
    found = f"{device} in {dtype}: {text}"
    return facts.worded("gpu-does-not-compute", case, found=found, stage=first)
