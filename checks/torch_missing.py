from tunedoctor import api


@api.check("torch-missing")
def torch_missing(facts: api.Facts, torch: api.TorchBuild | api.Unknown | None) -> api.Result:
    """Absent: no torch on the path of the target. Where nobody looked, the error of its import tells."""
    if isinstance(torch, api.TorchBuild):
        return None
    own = facts.interpreter
    if torch is not None or not own:
        return _from_error(facts)
    fit = api.torch_install(facts)
    return facts.worded(
        "torch-missing/absent:fits" if fit.cure else "torch-missing/absent:none",
        "torch-missing/absent",
        cure=fit.cure,
        evidence=own.site_packages,
        kind=own.kind.replace("unknown", ""),
        note=fit.note.replace(", no reboot", ""),
        why=fit.why,
        doctor=facts.packages.get("tunedoctor"),
    )


def _from_error(facts: api.Facts) -> api.Finding | None:
    """Believe the error of an import where no list shows a torch; in a build, only where a list shows none."""
    said, there = facts.heard("torch-missing"), facts.packages.get("torch")
    if not said or there:
        return None
    errors = [error for error in facts.errors.errors if said in error.text]
    building = api.expression("torch-missing/building")
    built = any(building.search(frame.file) for error in errors for frame in error.frames)
    built = built or facts.matched("torch-missing/isolated") is not None
    if built and not facts.packages.get("pip"):
        return None
    return facts.worded("torch-missing", said=said)
