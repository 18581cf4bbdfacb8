from tunedoctor import api

KEPT = (7, 5)
"""From here on no build dropped a generation. Source: pytorch, .ci/manywheel/build_cuda.sh by release."""


@api.check("gpu-too-old-for-torch")
def gpu_too_old_for_torch(facts: api.Facts) -> api.Finding | None:
    """Compare each card with the code of the build; where they are not known, read torch's own warning."""
    seen = api.coverage(facts)
    said = "" if seen else facts.heard("gpu-too-old-for-torch/too-old")
    refused = None if seen else api.card_refused(facts.errors)
    cards = seen.too_old if seen else ()
    # what torch refuses below 8.0 is too old for it
    if refused is not None and api.parts(refused.compute_capability) < (8, 0):
        cards = (refused,)
    image = ""
    if not cards and not said and not facts.torch:
        image = facts.heard("gpu-too-old-for-torch/no-image")
        cards = _old_ones(facts) if image else ()
    if triton := facts.if_heard("gpu-too-old-for-torch/triton-too-old"):
        return triton
    if not cards and not said:
        return _never_supported(facts)
    capabilities = tuple(dict.fromkeys(card.compute_capability for card in cards))
    found = f"{api.cards_named(cards)}; {api.code_of(facts.torch, seen)}"
    if seen is not None and seen.works:
        title = "This PyTorch has no code for one old GPU"
        return api.one_of_several(title, found, seen, facts.host)
    if image:
        found = f"{api.cards_named(cards)}, and the error '{image}'"
    elif not cards:
        found = f"PyTorch says '{said}'"
    driver, wanted = facts.nvidia_driver.version, capabilities or ("7.0",)
    fit = api.rebuild_cuda(facts.host, facts.interpreter, facts.torch, driver, wanted)
    never = any(api.parts(c) < (5,) for c in capabilities)
    return facts.worded(
        "gpu-too-old-for-torch",
        "gpu-too-old-for-torch:code" if fit else "",
        "gpu-too-old-for-torch:never" if never else "gpu-too-old-for-torch:dropped",
        # an extension built without code for the card ends with the same words
        "gpu-too-old-for-torch:image" if image else "",
        found=found,
        said=said or image,
        way=fit,
        source=seen.source if seen else "",
    )


def _never_supported(facts: api.Facts) -> api.Finding | None:
    """Take a capability that a text itself tells, beside the error of a card without code."""
    spoken = facts.heard("gpu-too-old-for-torch/spoken")
    parts_ = ("gpu-too-old-for-torch/no-image", "gpu-too-old-for-torch/no-kernel")
    said = facts.heard(*parts_) if spoken else ""
    if not said:
        return None
    spoken, said = (words.partition("`")[0].partition(")")[0] for words in (spoken, said))
    return facts.worded("gpu-too-old-for-torch/never-supported", said=said, spoken=spoken[:40])


def _old_ones(facts: api.Facts) -> tuple[api.NvidiaGpu, ...]:
    """Return the cards of a machine that has only old ones: an error of theirs tells of a build that dropped them."""
    cards = facts.nvidia.gpus
    old = [c for c in cards if c.compute_capability and api.parts(c.compute_capability) < KEPT]
    return tuple(old) if len(old) == len(cards) else ()
