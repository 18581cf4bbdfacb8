"""import torch does not return.

What it means
    The import waits: for a driver that does not answer, for a network file system, or in code that someone put in
    front of it.

How it is found
    doctor check --deep gives import torch a time limit in a child and tells where Python stood. In a report,
    the status 124 of `timeout`, a stack that py-spy or faulthandler printed, or a remark below the import.

Cures
    Look at the place that is named. A driver that hangs is cured by a reboot.

When to ignore it
    On a cold network file system the first import takes minutes: run it again.

Seen as
    no answer in 60 s
"""

from tunedoctor.api import Finding, Interpreter, Known, Runtime, check, python, tell, worded


@check(
    "torch-import-hang",
    "import torch does not return",
    explains=["library-import-fails", "torch-sees-no-gpu"],
)
def torch_import_hang(
    runtime: Runtime,
    interpreter: Known[Interpreter],
) -> Finding | None:
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
        cure=tell(f"{python(interpreter)} -X faulthandler -X importtime -c 'import torch'"),
        evidence=tuple(lines[:3]),
    )
