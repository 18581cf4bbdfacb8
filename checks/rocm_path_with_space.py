from tunedoctor.api import (
    Disks,
    Errors,
    Finding,
    Interpreter,
    Known,
    Runtime,
    Severity,
    TorchBuild,
    check,
    heard,
    parts,
    worded,
)


@check("rocm-path-with-space")
def rocm_path_with_space(
    torch: TorchBuild,
    interpreter: Known[Interpreter],
    disks: Known[Disks],
    runtime: Known[Runtime],
    errors: Known[Errors],
) -> Finding | None:
    """Look at the environment's path, then at the working folder, unless a computation was seen to work.

    In a report the paths of the traceback tell, where it ends in the error that this fault gives.
    """
    if torch.accelerator != "rocm" or parts(torch.hip)[:1] != (6,):
        return None
    if runtime is not None and any(
        s.name.startswith("matmul cuda:") and s.outcome == "ok" for s in runtime.stages
    ):
        return None
    work = next((disk.path for disk in disks.disks if disk.use == "work"), "") if disks else ""
    prefix = (interpreter.prefix if interpreter else "") or torch.location
    place = next((path for path in (torch.location, prefix, work) if " " in path), "")
    said = heard(errors, "rocm-path-with-space")
    program = _program(errors) if said else ""
    if program and not place:
        return _finding(torch, program, f"; the error '{said}'", severity="error").saying(said)
    if not place:
        return None
    return _finding(torch, place, "", severity="error" if place != work else "warning")


def _program(errors: Errors | None) -> str:
    """Return the path of the program, outermost in a traceback, where it has a space."""
    found = errors.errors if errors else ()
    return next((e.frames[0].file for e in found if e.frames and " " in e.frames[0].file), "")


def _finding(torch: TorchBuild, place: str, more: str, *, severity: Severity) -> Finding:
    return worded(
        "rocm-path-with-space",
        severity=severity,
        found=f"torch {torch.version} is built for ROCm {'.'.join(torch.hip.split('.')[:2])}; '{place}' has a space"
        + more,
        evidence=(place,),
    )
