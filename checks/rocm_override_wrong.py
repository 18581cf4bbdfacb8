import re

from msgspec import structs

from tunedoctor.api import (
    AmdGpu,
    AmdGpus,
    Facts,
    Finding,
    TorchBuild,
    amd_gfx_by_name,
    amd_on_bus,
    check,
    heard,
    listed,
    parts,
    rocm_archs,
    rocm_override,
    set_variable,
    unset_variable,
    worded,
)

NAME = "HSA_OVERRIDE_GFX_VERSION"


@check("rocm-override-wrong")
def rocm_override_wrong(facts: Facts) -> Finding | None:  # noqa: PLR0911  the value, the GPU, the build and what was typed
    """Judge the value against the first discrete GPU; one that is only needless is a warning.

    A report can show that somebody set the variable and that the process did not get it.
    """
    value = facts.environment.get(NAME)
    gpus = facts.amd
    if (
        not gpus
        and (cards := amd_on_bus(facts.pci))
        and heard(facts.errors, "rocm-override-wrong/crashes")
    ):
        gpus = AmdGpus(gpus=cards)
    if value is None:
        return _not_passed(facts, gpus, facts.torch) if gpus and facts.torch else None
    if not gpus.gpus:
        return None
    gpu = next((g for g in gpus.gpus if not g.integrated), gpus.gpus[0])
    crossed = _crossed(facts, value, gpu)
    if crossed is not None or facts.torch.accelerator != "rocm":
        return crossed
    archs = {
        a.split(":")[0] for a in (*(facts.runtime.archs), *facts.torch.archs) if a.startswith("gfx")
    }
    archs = archs or set(rocm_archs(facts.torch.version, facts.torch.hip))
    works = any(
        s.name.startswith("matmul cuda:") and s.outcome == "ok" for s in facts.runtime.stages
    )
    target = _target(value)
    if target == gpu.gfx or works:
        return None
    wanted = _wanted(gpu.gfx)
    if gpu.gfx in archs:
        row = rocm_override(gpu.gfx)
        stopgap = row is not None and row.grade == "stopgap"
        crosses = value != wanted if stopgap else not target or target[:-2] != gpu.gfx[:-2]
        return _needless(facts, value, target, gpu, crosses=crosses)
    if value == wanted or not gpu.gfx:
        return None
    return worded(
        "rocm-override-wrong",
        found=f"{NAME} is '{value}'; {gpu.name or 'the GPU'} is {gpu.gfx}"
        + (f", which takes {wanted}" if wanted else ", which no value fits"),
        cure=set_variable(facts.host, NAME, wanted) if wanted else unset_variable(facts.host, NAME),
        evidence=(NAME, f"torch {facts.torch.version} has code for {listed(sorted(archs), 6)}"),
    )


def _crossed(facts: Facts, value: str, gpu: AmdGpu) -> Finding | None:
    """Tell of a crash under a value of another family than the product.

    rocminfo itself shows the target that the variable names; the product tells which it is.
    """
    real, target = amd_gfx_by_name(gpu.name) if gpu.name else "", _target(value)
    same = not real or not target or target[:-2] == real[:-2]
    if (
        same
        or gpu.gfx not in (real, target)
        or not heard(facts.errors, "rocm-override-wrong/crashes")
    ):
        return None
    return _needless(facts, value, target, structs.replace(gpu, gfx=real), crosses=True)


def _not_passed(facts: Facts, gpus: AmdGpus, build: TorchBuild) -> Finding | None:
    """Tell of a GPU that needs the variable, which was asked for or set by hand and is not in the environment."""
    commands = facts.typed.commands
    named = any(NAME in command for command in commands)
    gpu = next((g for g in gpus.gpus if not g.integrated and _wanted(g.gfx)), None)
    archs = {a.split(":")[0] for a in (*(facts.runtime.archs), *build.archs)}
    archs |= set(rocm_archs(build.version, build.hip))
    if gpu is None or not named or gpu.gfx in archs:
        return None
    wanted = _wanted(gpu.gfx)
    return worded(
        "rocm-override-wrong/not-passed",
        title=f"{NAME} does not reach the process"[:60],
        found=f"{gpu.name or 'the GPU'} is {gpu.gfx} and needs {NAME}={wanted}; the variable was named in the shell, "
        "and the environment of its programs does not have it",
        cure=set_variable(facts.host, NAME, wanted),
    )


def _needless(facts: Facts, value: str, target: str, gpu: AmdGpu, *, crosses: bool) -> Finding:
    return worded(
        "rocm-override-wrong/needless",
        severity="error" if crosses else "warning",
        found=f"{NAME} is '{value}'{f' ({target})' if target else ''}; {gpu.name or 'the GPU'} is {gpu.gfx}, "
        "for which this build has its own code",
        host=facts.host,
    )


def _wanted(gfx: str) -> str:
    """Return the value that serves a GPU; "" for none."""
    found = rocm_override(gfx)
    return found.value if found is not None and found.grade != "fails" else ""


def _target(value: str) -> str:
    """Return the target that a value stands for: "10.3.0" -> gfx1030; "" for no such value."""
    if not re.fullmatch(r"\d{1,2}\.\d{1,3}\.\d{1,3}", value):
        return ""
    major, minor, step = parts(value)
    return f"gfx{major}{minor:x}{step:x}"
