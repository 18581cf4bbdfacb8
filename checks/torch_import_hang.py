from tunedoctor.api import Facts, Finding, Runtime, check, python, tell, worded


@check("torch-import-hang")
def torch_import_hang(facts: Facts, runtime: Runtime) -> Finding | None:
    """Find a first stage that hung."""
    stage = runtime.stage("import torch")
    if stage is None or stage.outcome != "hung":
        return None
    lines = [line.strip() for line in stage.error.splitlines() if line.strip()]
    place = next((line for line in lines if line.startswith(("File ", "<module> "))), "")
    return worded(
        "torch-import-hang",
        found=(
            f"import torch gave no answer in {stage.seconds:.0f} s"
            if stage.seconds
            else "import torch does not come to its end"
        )
        + (f"; it stood at {place}" if place else ""),
        cure=tell(f"{python(facts.interpreter)} -X faulthandler -X importtime -c 'import torch'"),
        evidence=tuple(lines[:3]),
    )
