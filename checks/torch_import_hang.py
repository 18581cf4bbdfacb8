from tunedoctor import api


@api.check("torch-import-hang")
def torch_import_hang(facts: api.Facts, runtime: api.Runtime) -> api.Finding | None:
    """Find a first stage that hung."""
    stage = runtime.stage("import torch")
    if stage is None or stage.outcome != "hung":
        return None
    lines = [line.strip() for line in stage.error.splitlines() if line.strip()]
    place = next((line for line in lines if line.startswith(("File ", "<module> "))), "")
    return facts.worded(
        "torch-import-hang",
        found=(
            f"import torch gave no answer in {stage.seconds:.0f} s"
            if stage.seconds
            else "import torch does not come to its end"
        )
        + (f"; it stood at {place}" if place else ""),
        cure=api.tell(
            f"{api.python(facts.interpreter)} -X faulthandler -X importtime -c 'import torch'"
        ),
        evidence=tuple(lines[:3]),
    )
