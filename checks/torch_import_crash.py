from tunedoctor import api


@api.check("torch-import-crash")
def torch_import_crash(
    facts: api.Facts, runtime: api.Runtime, torch: api.TorchBuild | api.Unknown | None
) -> api.Finding | None:
    """Find a first stage that failed or crashed, though a torch is there."""
    stage = runtime.stage("import torch")
    if stage is None or stage.outcome not in ("failed", "crashed"):
        return None
    raised, build = stage.outcome == "failed", facts.torch
    if torch is None or (raised and not build):
        return None
    lines = [line.strip() for line in stage.error.splitlines() if line.strip()] or ["no message"]
    same = api.same_torch(facts.interpreter, build.version, build.variant)
    places = tuple(line for line in lines if line.startswith("File "))[:3]
    return facts.worded(
        "torch-import-crash:build" if build else "torch-import-crash:else",
        "torch-import-crash",
        cure=same if build else None,
        evidence=places,
        last=f"raises {lines[-1][:200]}" if raised else f"ends with {lines[0][:200]}",
        lacks="the processor" if "SIGILL" in stage.error else "",
    )
