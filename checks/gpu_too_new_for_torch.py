from tunedoctor.api import (
    NO_KERNEL,
    Coverage,
    Cure,
    Facts,
    Finding,
    NvidiaGpu,
    archs_run,
    card_refused,
    cards_named,
    check,
    code_of,
    coverage,
    cuda_of,
    driver_floor,
    heard,
    install_driver,
    one_of_several,
    parts,
    pip,
    rebuild_cuda,
    worded,
)

NEW = (10, 0)
"""From here on builds before torch 2.7 hold no code. Source: pytorch, .ci/manywheel/build_cuda.sh by release."""
CU128 = "https://download.pytorch.org/whl/cu128"


@check("gpu-too-new-for-torch")
def gpu_too_new_for_torch(facts: Facts) -> Finding | None:
    """Compare each card with the code of the build; where they are not known, read torch's own warning."""
    seen, image = coverage(facts), heard(facts.errors, "gpu-too-new-for-torch/no-image")
    if seen is not None and image:
        seen = _without_ptx(seen)
    cards = seen.too_new if seen else _from_text(facts, image)
    if not cards:
        # a compiler beside torch that does not know the GPU; nobody knows which torch it came with
        said = heard(facts.errors, "gpu-too-new-for-torch/unknown-arch")
        key = "gpu-too-new-for-torch/unknown-arch"
        newest = pip(None, "install", "--upgrade", "torch", index=CU128)
        return worded(key, said=said, cure=newest) if said else None
    capabilities = tuple(dict.fromkeys(card.compute_capability for card in cards))
    found = f"{cards_named(cards)}; {code_of(facts.torch, seen)}"
    if seen is not None and seen.works:
        title = "This PyTorch has no code for one GPU, which is newer"
        return one_of_several(title, found, seen, facts.host)
    driver = facts.nvidia_driver.version
    fit = rebuild_cuda(facts.host, facts.interpreter, facts.torch, driver, capabilities)
    later = rebuild_cuda(facts.host, facts.interpreter, facts.torch, "", capabilities)
    key = note = floor = ""
    cure: Cure | None = None
    if fit:
        cure, note = fit.cure, fit.note
    elif later:
        floor = driver_floor(cuda_of(later.variant), windows=facts.host.windows_driver)
        install = install_driver(facts.host, floor, container=facts.container)
        key, cure = "gpu-too-new-for-torch:driver", install.cure
        note = f"{install.note}; then {later.cure.command}"
    return worded(
        key,
        "gpu-too-new-for-torch",
        "gpu-too-new-for-torch:jetson" if "8.7" in capabilities else "",
        means=NO_KERNEL if cure else "",
        cure=cure,
        cure_note=note,
        evidence=(seen.source if seen else "",),
        cards=found,
        driver=driver,
        floor=floor,
        archs=";".join(capabilities),
    )


def _without_ptx(seen: Coverage) -> Coverage:
    """Count compiled code alone: a run that says it has none got none from PTX either."""
    compiled = [arch for arch in seen.archs if arch.startswith("sm_")]
    newest = max((parts(f"{a[3:-1]}.{a[-1]}") for a in compiled if a[3:].isdigit()), default=())
    new = tuple(
        card
        for card in seen.works
        if newest
        and parts(card.compute_capability) > newest
        and archs_run(compiled, card.compute_capability) is False
    )
    works = tuple(card for card in seen.works if card not in new)
    return seen._replace(works=works, too_new=(*seen.too_new, *new))


def _from_text(facts: Facts, image: str) -> tuple[NvidiaGpu, ...]:
    """Return the card that torch's warning refuses, or those of a machine that has only new ones, by their error."""
    refused = card_refused(facts.errors)
    # 8.0 and newer were never dropped
    if refused is not None and parts(refused.compute_capability) >= (8, 0):
        return (refused,)
    cards = facts.nvidia.gpus if image and not facts.torch else ()
    new = [c for c in cards if c.compute_capability and parts(c.compute_capability) >= NEW]
    return tuple(new) if len(new) == len(cards) else ()
