from tunedoctor import api

NEW = (10, 0)
"""From here on builds before torch 2.7 hold no code. Source: pytorch, .ci/manywheel/build_cuda.sh by release."""
CU128 = "https://download.pytorch.org/whl/cu128"


@api.check("gpu-too-new-for-torch")
def gpu_too_new_for_torch(facts: api.Facts) -> api.Finding | None:
    """Compare each card with the code of the build; where they are not known, read torch's own warning."""
    seen, image = api.coverage(facts), facts.heard("gpu-too-new-for-torch/no-image")
    if seen is not None and image:
        seen = _without_ptx(seen)
    cards = seen.too_new if seen else _from_text(facts, image)
    if not cards:
        # a compiler beside torch that does not know the GPU; nobody knows which torch it came with
        said = facts.heard("gpu-too-new-for-torch/unknown-arch")
        key = "gpu-too-new-for-torch/unknown-arch"
        newest = api.pip(None, "install", "--upgrade", "torch", index=CU128)
        return facts.worded(key, said=said, cure=newest) if said else None
    capabilities = tuple(dict.fromkeys(card.compute_capability for card in cards))
    found = f"{api.cards_named(cards)}; {api.code_of(facts.torch, seen)}"
    if seen is not None and seen.works:
        title = "This PyTorch has no code for one GPU, which is newer"
        return api.one_of_several(title, found, seen, facts.host)
    own = (facts.host, facts.interpreter, facts.torch)
    way = api.rebuild_cuda(*own, facts.nvidia_driver.version, capabilities)
    later = None if way else api.rebuild_cuda(*own, "", capabilities)
    note = floor = ""
    install = None
    if later:
        floor = api.driver_floor(api.cuda_of(later.variant), windows=facts.host.windows_driver)
        install = api.install_driver(facts.host, floor, container=facts.container)
        note = f"{install.note}; then {later.cure.command}"
    return facts.worded(
        "gpu-too-new-for-torch:driver" if later else "",
        "gpu-too-new-for-torch",
        "gpu-too-new-for-torch:code" if way or later else "",
        "gpu-too-new-for-torch:jetson" if "8.7" in capabilities else "",
        way=way or install,
        cure_note=note,
        source=seen.source if seen else "",
        cards=found,
        floor=floor,
        archs=";".join(capabilities),
    )


def _without_ptx(seen: api.Coverage) -> api.Coverage:
    """Count compiled code alone: a run that says it has none got none from PTX either."""
    compiled = [arch for arch in seen.archs if arch.startswith("sm_")]
    newest = max((api.parts(f"{a[3:-1]}.{a[-1]}") for a in compiled if a[3:].isdigit()), default=())
    younger = [c for c in seen.works if newest and api.parts(c.compute_capability) > newest]
    new = tuple(c for c in younger if api.archs_run(compiled, c.compute_capability) is False)
    works = tuple(card for card in seen.works if card not in new)
    return seen._replace(works=works, too_new=(*seen.too_new, *new))


def _from_text(facts: api.Facts, image: str) -> tuple[api.NvidiaGpu, ...]:
    """Return the card that torch's warning refuses, or those of a machine that has only new ones, by their error."""
    refused = api.card_refused(facts.errors)
    # 8.0 and newer were never dropped
    if refused is not None and api.parts(refused.compute_capability) >= (8, 0):
        return (refused,)
    cards = facts.nvidia.gpus if image and not facts.torch else ()
    new = [c for c in cards if c.compute_capability and api.parts(c.compute_capability) >= NEW]
    return tuple(new) if len(new) == len(cards) else ()
