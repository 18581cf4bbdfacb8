import re

from msgspec import structs

from tunedoctor import api

NAME = "HSA_OVERRIDE_GFX_VERSION"


@api.check("rocm-override-wrong")
def rocm_override_wrong(facts: api.Facts) -> api.Finding | None:  # noqa: PLR0911  the value, the GPU and the build
    """Judge the value against the first discrete GPU; one that is only needless is a warning.

    A report can show that somebody set the variable and that the process did not get it.
    """
    value, gpus = facts.environment.get(NAME), facts.amd
    crashes = facts.heard("rocm-override-wrong/crashes")
    if not gpus and crashes and (cards := api.amd_on_bus(facts.pci)):
        gpus = api.AmdGpus(gpus=cards)
    if value is None:
        return _not_passed(facts, gpus)
    if not gpus.gpus:
        return None
    gpu = next((g for g in gpus.gpus if not g.integrated), gpus.gpus[0])
    crossed = _crossed(facts, value, gpu) if crashes else None
    if crossed is not None or facts.torch.accelerator != "rocm":
        return crossed
    ran = (s.name for s in facts.runtime.stages if s.outcome == "ok")
    computed = any(name.startswith("matmul cuda:") for name in ran)
    target, wanted = _target(value), _wanted(gpu.gfx)
    archs = api.gfx_targets(facts) or api.rocm_archs(facts.torch.version, facts.torch.hip)
    if target == gpu.gfx or computed:
        return None
    if gpu.gfx in archs:
        row = api.rocm_override(gpu.gfx)
        stopgap = row is not None and row.grade == "stopgap"
        crosses = value != wanted if stopgap else not target or target[:-2] != gpu.gfx[:-2]
        return _needless(facts, value, gpu, crosses=crosses)
    if value == wanted or not gpu.gfx:
        return None
    return facts.worded(
        "rocm-override-wrong",
        cure=facts.set_variable(NAME, wanted or None),
        evidence=(NAME, f"{facts.torch.named} has code for {api.listed(sorted(archs), 6)}"),
        value=value,
        gpu=gpu,
        fits=f"takes {wanted}" if wanted else "no value fits",
    )


def _crossed(facts: api.Facts, value: str, gpu: api.AmdGpu) -> api.Finding | None:
    """Tell of a crash under a value of another family than the product.

    rocminfo itself shows the target that the variable names; the product tells which it is.
    """
    real, target = api.amd_gfx_by_name(gpu.name) if gpu.name else "", _target(value)
    same = not real or not target or target[:-2] == real[:-2]
    if same or gpu.gfx not in (real, target):
        return None
    return _needless(facts, value, structs.replace(gpu, gfx=real), crosses=True)


def _not_passed(facts: api.Facts, gpus: api.AmdGpus) -> api.Finding | None:
    """Tell of a GPU that needs the variable, which was asked for or set by hand and is not in the environment."""
    named = any(NAME in command for command in facts.typed.commands)
    gpu = next((g for g in gpus.gpus if not g.integrated and _wanted(g.gfx)), None)
    archs = {*api.gfx_targets(facts), *api.rocm_archs(facts.torch.version, facts.torch.hip)}
    if gpu is None or not facts.torch or not named or gpu.gfx in archs:
        return None
    wanted = _wanted(gpu.gfx)
    return facts.worded("rocm-override-wrong/not-passed", gpu=gpu, wanted=wanted)


def _needless(facts: api.Facts, value: str, gpu: api.AmdGpu, *, crosses: bool) -> api.Finding:
    case = "rocm-override-wrong/needless:crosses" if crosses else ""
    key, target = "rocm-override-wrong/needless", _target(value)
    return facts.worded(case, key, value=value, target=target, gpu=gpu)


def _wanted(gfx: str) -> str:
    """Return the value that serves a GPU; "" for none."""
    found = api.rocm_override(gfx)
    return found.value if found is not None and found.grade != "fails" else ""


def _target(value: str) -> str:
    """Return the target that a value stands for: "10.3.0" -> gfx1030; "" for no such value."""
    if not re.fullmatch(r"\d{1,2}\.\d{1,3}\.\d{1,3}", value):
        return ""
    major, minor, step = api.parts(value)
    return f"gfx{major}{minor:x}{step:x}"
