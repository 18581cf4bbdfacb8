from tunedoctor.api import (
    Facts,
    Finding,
    Runtime,
    TorchBuild,
    Unknown,
    check,
    known,
    same_torch,
    tell,
)


@check("torch-import-crash")
def torch_import_crash(
    facts: Facts, runtime: Runtime, torch: TorchBuild | Unknown | None
) -> Finding | None:
    """Find a first stage that failed or crashed, though a torch is there."""
    stage = runtime.stage("import torch")
    if stage is None or stage.outcome not in ("failed", "crashed"):
        return None
    build = known(torch)
    if torch is None or (build is None and stage.outcome != "crashed"):
        return None
    lines = [line.strip() for line in stage.error.splitlines() if line.strip()]
    last = (lines[-1] if stage.outcome == "failed" else lines[0]) if lines else "no message"
    illegal = "SIGILL" in stage.error
    return Finding(
        found=f"import torch {'raises' if stage.outcome == 'failed' else 'ends with'} {last[:200]}",
        means="nothing that uses torch starts"
        + (
            "; the processor, as this machine shows it, lacks instructions of the build"
            if illegal
            else ""
        ),
        cure=same_torch(facts.interpreter, build.version, build.variant)
        if build is not None
        else tell('python -X faulthandler -c "import torch"'),
        cure_note="a download of torch alone, no reboot"
        if build is not None
        else "prints the library in which it dies; then install torch anew in a fresh environment",
        evidence=tuple(line for line in lines if line.startswith("File "))[:3],
    )
