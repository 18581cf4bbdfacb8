from tunedoctor.api import (
    Facts,
    Finding,
    Severity,
    TorchBuild,
    check,
    heard,
    parts,
    worded,
)


@check("rocm-path-with-space")
def rocm_path_with_space(facts: Facts, torch: TorchBuild) -> Finding | None:
    """Look at the environment's path, then at the working folder, unless a computation was seen to work.

    In a report the paths of the traceback tell, where it ends in the error that this fault gives.
    """
    if torch.accelerator != "rocm" or parts(torch.hip)[:1] != (6,):
        return None
    if any(s.name.startswith("matmul cuda:") and s.outcome == "ok" for s in facts.runtime.stages):
        return None
    work = next((disk.path for disk in facts.disks.disks if disk.use == "work"), "")
    prefix = (facts.interpreter.prefix) or torch.location
    place = next((path for path in (torch.location, prefix, work) if " " in path), "")
    said = heard(facts.errors, "rocm-path-with-space")
    program = _program(facts) if said else ""
    if program and not place:
        return _finding(torch, program, f"; the error '{said}'", severity="error").saying(said)
    if not place:
        return None
    return _finding(torch, place, "", severity="error" if place != work else "warning")


def _program(facts: Facts) -> str:
    """Return the path of the program, outermost in a traceback, where it has a space."""
    found = facts.errors.errors
    return next((e.frames[0].file for e in found if e.frames and " " in e.frames[0].file), "")


def _finding(torch: TorchBuild, place: str, more: str, *, severity: Severity) -> Finding:
    return worded(
        "rocm-path-with-space",
        severity=severity,
        found=f"torch {torch.version} is built for ROCm {'.'.join(torch.hip.split('.')[:2])}; '{place}' has a space"
        + more,
        evidence=(place,),
    )
