from tunedoctor.api import (
    Facts,
    Finding,
    TorchBuild,
    Unknown,
    check,
    cuda_of,
    expression,
    heard,
    tell,
    torch_install,
    worded,
)


@check("torch-missing")
def torch_missing(facts: Facts, torch: TorchBuild | Unknown | None) -> Finding | None:
    """Absent: no torch on the path of the target. Where nobody looked, the error of its import tells."""
    if isinstance(torch, TorchBuild):
        return None
    if torch is not None or not facts.interpreter:
        return _from_error(facts)
    fit = torch_install(facts)
    what = {
        "cu": f"for CUDA {cuda_of(fit.variant)}",
        "ro": "for ROCm",
        "xp": "for XPU",
        "cp": "for the CPU",
    }
    size = "about 3 GB" if fit.variant[:2] in ("cu", "ro", "xp") else "about 0.3 GB"
    note = f"torch {fit.version} {what.get(fit.variant[:2], '')}: {size}".replace(" :", ":")
    if facts.interpreter.externally_managed:
        note += "; the system manages this Python: make a venv first with python3 -m venv .venv"
    if facts.packages.get("tunedoctor") is not None:
        note += (
            "; this is the doctor's own environment, look at yours with doctor check --target PATH"
        )
    found = f"no torch on the path of {facts.interpreter.executable}, Python {facts.interpreter.version}"
    if facts.interpreter.kind != "unknown":
        found += f" ({facts.interpreter.kind})"
    return Finding(
        found=found,
        means="every training script stops with ModuleNotFoundError: No module named 'torch'",
        cure=fit.cure or tell("python3.12 -m venv ~/train"),
        cure_note=note if fit.cure else fit.why or "no torch build fits this Python and system",
        evidence=facts.interpreter.site_packages,
    )


def _from_error(facts: Facts) -> Finding | None:
    """Believe the error of an import where no list shows a torch; in a build, only where a list shows none."""
    said = heard(facts.errors, "torch-missing")
    listed = facts.packages or None
    if not said or not facts.errors or (listed and listed.get("torch")):
        return None
    files = [
        frame.file for error in facts.errors.errors if said in error.text for frame in error.frames
    ]
    built = any(expression("torch-missing/building").search(file) for file in files)
    built = built or any(
        expression("torch-missing/isolated").search(error.text) for error in facts.errors.errors
    )
    if built and not (listed and listed.get("pip")):
        return None
    return worded(
        "torch-missing",
        found=f"the error '{said}'" + ("; the list of packages has no torch" if listed else ""),
        said=said,
    )
