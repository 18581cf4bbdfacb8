from tunedoctor.api import (
    NO_KERNEL,
    Coverage,
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


@check("gpu-too-new-for-torch")
def gpu_too_new_for_torch(facts: Facts) -> Finding | None:
    """Compare each card with the code of the build; where they are not known, read torch's own warning."""
    seen = coverage(facts)
    if seen is not None and heard(facts.errors, "gpu-too-new-for-torch/no-image"):
        seen = _without_ptx(seen)
    cards = seen.too_new if seen else ()
    if seen is None:
        refused = card_refused(facts.errors)
        # 8.0 and newer were never dropped
        apart = refused is not None and parts(refused.compute_capability) >= (8, 0)
        cards = (refused,) if refused is not None and apart else ()
        if not cards and not facts.torch:
            cards = (
                _new_ones(facts) if heard(facts.errors, "gpu-too-new-for-torch/no-image") else ()
            )
    if not cards:
        return _unknown_arch(heard(facts.errors, "gpu-too-new-for-torch/unknown-arch"))
    capabilities = tuple(dict.fromkeys(card.compute_capability for card in cards))
    found = f"{cards_named(cards)}; {code_of(facts.torch, seen)}"
    evidence = (seen.source,) if seen and seen.source else ()
    if seen is not None and seen.works:
        title = "This PyTorch has no code for one GPU, which is newer"
        return one_of_several(title, found, seen, facts.host)
    version = facts.nvidia_driver.version
    title = "This PyTorch has no code for the GPU of this Jetson" if "8.7" in capabilities else ""
    fit = rebuild_cuda(facts.host, facts.interpreter, facts.torch, version, capabilities)
    if fit is not None:
        return Finding(
            title=title,
            found=found,
            means=NO_KERNEL,
            cure=fit.cure,
            cure_note=f"torch {fit.version} for CUDA {cuda_of(fit.variant)}: about 3 GB, no reboot",
            evidence=evidence,
        )
    later = rebuild_cuda(facts.host, facts.interpreter, facts.torch, "", capabilities)
    if later is None:
        return worded(
            "gpu-too-new-for-torch",
            title=title,
            found=found,
            cure_note="or build from source with TORCH_CUDA_ARCH_LIST=" + ";".join(capabilities),
            evidence=evidence,
        )
    windows = facts.host.os == "windows" or facts.host.wsl == 2
    floor = driver_floor(cuda_of(later.variant), windows=windows)
    install = install_driver(facts.host, floor, container=facts.container)
    return Finding(
        title=title,
        found=f"{found}; driver {version} is below {floor}, which builds with such code need",
        means=NO_KERNEL,
        cure=install.cure,
        cure_note=f"{install.note}; then {later.cure.command}",
        evidence=evidence,
    )


def _without_ptx(seen: Coverage) -> Coverage:
    """Count compiled code alone: a run that says it has none got none from PTX either."""
    compiled = [arch for arch in seen.archs if arch.startswith("sm_")]
    newest = max((parts(f"{a[3:-1]}.{a[-1]}") for a in compiled if a[3:].isdigit()), default=())
    new = tuple(c for c in seen.works if newest and parts(c.compute_capability) > newest)
    new = tuple(c for c in new if archs_run(compiled, c.compute_capability) is False)
    works = tuple(c for c in seen.works if c not in new)
    return seen._replace(works=works, too_new=(*seen.too_new, *new))


def _new_ones(facts: Facts) -> tuple[NvidiaGpu, ...]:
    """Return the cards of a machine that has only new ones: an error of theirs tells of an older build."""
    cards = facts.nvidia.gpus
    new = [c for c in cards if c.compute_capability and parts(c.compute_capability) >= NEW]
    return tuple(new) if len(new) == len(cards) else ()


def _unknown_arch(said: str) -> Finding | None:
    """Tell of a compiler beside torch that does not know the GPU; nobody knows which torch it came with."""
    if not said:
        return None
    return worded(
        "gpu-too-new-for-torch/unknown-arch",
        said=said,
        cure=pip(
            None, "install", "--upgrade", "torch", index="https://download.pytorch.org/whl/cu128"
        ),
    )
