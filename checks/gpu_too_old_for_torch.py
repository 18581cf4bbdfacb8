from tunedoctor.api import (
    NO_KERNEL,
    Facts,
    Finding,
    NvidiaGpu,
    card_refused,
    cards_named,
    check,
    code_of,
    coverage,
    cuda_of,
    heard,
    one_of_several,
    parts,
    rebuild_cuda,
    worded,
)

KEPT = (7, 5)
"""From here on no build dropped a generation. Source: pytorch, .ci/manywheel/build_cuda.sh by release."""


@check("gpu-too-old-for-torch")
def gpu_too_old_for_torch(facts: Facts) -> Finding | None:
    """Compare each card with the code of the build; where they are not known, read torch's own warning."""
    seen = coverage(facts)
    cards = seen.too_old if seen else ()
    said = "" if seen else heard(facts.errors, "gpu-too-old-for-torch/too-old")
    if seen is None:
        refused = card_refused(facts.errors)
        # what torch refuses below 8.0 is too old for it
        apart = refused is not None and parts(refused.compute_capability) < (8, 0)
        cards = (refused,) if refused is not None and apart else ()
    image = (
        ""
        if cards or said or facts.torch
        else heard(facts.errors, "gpu-too-old-for-torch/no-image")
    )
    if image:
        cards = _old_ones(facts)
    if triton := heard(facts.errors, "gpu-too-old-for-torch/triton-too-old"):
        return worded("gpu-too-old-for-torch/triton-too-old", said=triton)
    if not cards and not said:
        return _never_supported(facts)
    capabilities = tuple(dict.fromkeys(card.compute_capability for card in cards))
    found = (
        f"{cards_named(cards)}; {code_of(facts.torch, seen)}" if cards else f"PyTorch says '{said}'"
    )
    if image:
        found = f"{cards_named(cards)}, and the error '{image}'"
    # an extension built without code for the card ends with the same words
    settle = _CODE if image else ""
    evidence = (seen.source,) if seen and seen.source else ()
    if seen is not None and seen.works:
        title = "This PyTorch has no code for one old GPU"
        return one_of_several(title, found, seen, facts.host)
    fit = rebuild_cuda(
        facts.host,
        facts.interpreter,
        facts.torch,
        facts.nvidia_driver.version,
        capabilities or ("7.0",),
    )
    if fit is not None:
        return Finding(
            found=found,
            said=said or image,
            means=NO_KERNEL,
            cure=fit.cure,
            settle=settle,
            cure_note=f"torch {fit.version} for CUDA {cuda_of(fit.variant)}: about 3 GB, no reboot",
            evidence=evidence,
        )
    return worded(
        "gpu-too-old-for-torch",
        "gpu-too-old-for-torch:never"
        if any(parts(c) < (5,) for c in capabilities)
        else "gpu-too-old-for-torch:dropped",
        found=found,
        said=said or image,
        settle=settle,
        evidence=evidence,
    )


def _never_supported(facts: Facts) -> Finding | None:
    """Take a capability that a text itself tells, beside the error of a card without code."""
    spoken = heard(facts.errors, "gpu-too-old-for-torch/spoken")
    said = (
        heard(facts.errors, "gpu-too-old-for-torch/no-image", "gpu-too-old-for-torch/no-kernel")
        if spoken
        else ""
    )
    if not said:
        return None
    spoken, said = (words.partition("`")[0].partition(")")[0] for words in (spoken, said))
    return worded("gpu-too-old-for-torch/never-supported", said=said, spoken=spoken[:40])


_CODE = 'python -c "import torch; print(torch.__version__, torch.cuda.get_arch_list())"'


def _old_ones(facts: Facts) -> tuple[NvidiaGpu, ...]:
    """Return the cards of a machine that has only old ones: an error of theirs tells of a build that dropped them."""
    cards = facts.nvidia.gpus
    old = [c for c in cards if c.compute_capability and parts(c.compute_capability) < KEPT]
    return tuple(old) if len(old) == len(cards) else ()
