from tunedoctor import api


@api.check("gpu-does-not-compute")
def gpu_does_not_compute(facts: api.Facts, runtime: api.Runtime) -> api.Finding | None:
    """Take the first stage `matmul DEVICE DTYPE` that went wrong."""
    ended = [one for one in runtime.stages if one.outcome in ("failed", "crashed", "hung")]
    mine = (s for s in ended if s.name.startswith("matmul ") and " cpu" not in s.name)
    build = api.expression("gpu-does-not-compute/of-the-build")
    failed = [s for s in mine if not build.search(f"{s.error_type} {s.error}")]
    if not failed or all(stage.name.endswith("bfloat16") for stage in failed):
        return None
    first = failed[0]
    _, device, dtype = (*first.name.split(" "), "", "")[:3]
    text = (first.error.strip().splitlines() or [first.outcome])[-1][:200]
    wrong = "is off by" in text
    case = "gpu-does-not-compute:wrong" if wrong else "gpu-does-not-compute:else"
    found = f"{device} in {dtype}: {text}"
    return facts.worded("gpu-does-not-compute", case, found=found, stage=first)
