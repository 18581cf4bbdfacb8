from tunedoctor import api


@api.check("torch-import-hang")
def torch_import_hang(facts: api.Facts, runtime: api.Runtime) -> api.Finding | None:
    """Find a first stage that hung."""
    stage = runtime.stage("import torch")
    if stage is None or stage.outcome != "hung":
        return None
    lines = [line.strip() for line in stage.error.splitlines() if line.strip()]
    place = next((line for line in lines if line.startswith(("File ", "<module> "))), "")
    key, seconds = "torch-import-hang", f"{stage.seconds:.0f}" if stage.seconds else ""
    case = "torch-import-hang:seconds" if seconds else ""
    start = api.python(facts.interpreter)
    shown = tuple(lines[:3])
    return facts.worded(case, key, seconds=seconds, place=place, python=start, evidence=shown)
