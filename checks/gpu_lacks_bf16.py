from tunedoctor import api

OLD = ("gfx103", "gfx101", "gfx900", "gfx906")


@api.check("gpu-lacks-bf16")
def gpu_lacks_bf16(facts: api.Facts) -> api.Finding | None:
    """Go by the best GPU of the build's vendor; an error text makes an error of it."""
    said = facts.heard("gpu-lacks-bf16")
    cards = api.visible_gpus(facts.nvidia.gpus, facts.environment)
    told_ = [card for card in cards if card.compute_capability]
    named = [f"{c.name} (compute capability {c.compute_capability})" for c in told_]
    old = all(api.parts(card.compute_capability) < (8, 0) for card in told_)
    if facts.torch.accelerator == "rocm":
        discrete = [gpu for gpu in facts.amd.gpus if not gpu.integrated]
        named = [f"{gpu.name or 'GPU'} ({gpu.gfx})" for gpu in discrete]
        old = all(gpu.gfx.startswith(OLD) for gpu in discrete)
    names = api.listed(dict.fromkeys(named)) if old else ""
    said = said or (facts.heard("gpu-lacks-bf16/on-old") if names else "")
    if not names and not said:
        return None
    # a Trainer says so where no GPU is seen as well: it names Ampere only where one is
    setup = facts.heard("gpu-lacks-bf16/anywhere")
    anywhere = setup and not names and not facts.heard("gpu-lacks-bf16/ampere")
    case = "gpu-lacks-bf16:anywhere" if anywhere else ""
    return facts.worded("gpu-lacks-bf16", case, found=names, said=said)
