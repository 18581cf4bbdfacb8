from tunedoctor.api import (
    AmdGpus,
    Environment,
    Errors,
    Finding,
    Known,
    NvidiaGpus,
    TorchBuild,
    check,
    heard,
    listed,
    parts,
    told,
    visible_gpus,
    worded,
)


@check("gpu-lacks-bf16")
def gpu_lacks_bf16(
    nvidia: Known[NvidiaGpus],
    amd: Known[AmdGpus],
    torch: Known[TorchBuild],
    environment: Known[Environment],
    errors: Known[Errors],
) -> Finding | None:
    """Go by the best GPU of the build's vendor; an error text makes an error of it."""
    said = heard(errors, "gpu-lacks-bf16")
    names = _nvidia(nvidia, environment)
    if torch is not None and torch.accelerator == "rocm":
        discrete = [g for g in amd.gpus if not g.integrated] if amd else []
        old = discrete and all(
            g.gfx.startswith(("gfx103", "gfx101", "gfx900", "gfx906")) for g in discrete
        )
        names = (
            listed(dict.fromkeys(f"{g.name or 'GPU'} ({g.gfx})" for g in discrete)) if old else ""
        )
    said = said or (heard(errors, "gpu-lacks-bf16/on-old") if names else "")
    if not names and not said:
        return None
    return worded(
        "gpu-lacks-bf16",
        severity="error" if said else None,
        found=names or f"the error '{said}'",
        said=said,
        settle="" if names or not _anywhere(errors) else SETTLE,
    )


SETTLE = (
    'python -c "import torch; print(torch.cuda.is_available(), torch.cuda.get_device_capability())"'
)


def _anywhere(errors: Errors | None) -> bool:
    """Tell a message that a Trainer gives where no GPU is seen as well: it names Ampere only where one is."""
    words = "Your setup doesn't support bf16"
    return bool(told(errors, words)) and not told(errors, words + r"[^\n]{0,160}Ampere")


def _nvidia(gpus: NvidiaGpus | None, environment: Environment | None) -> str:
    cards = visible_gpus(gpus.gpus, environment) if gpus else ()
    told_ = [card for card in cards if card.compute_capability]
    if not told_ or any(parts(card.compute_capability) >= (8, 0) for card in told_):
        return ""
    return listed(
        dict.fromkeys(f"{c.name} (compute capability {c.compute_capability})" for c in told_)
    )
