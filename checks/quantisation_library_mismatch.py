import re

from tunedoctor.api import (
    Broken,
    Cure,
    Facts,
    Finding,
    bitsandbytes_cuda,
    brief,
    broken_pairs,
    check,
    heard,
    listed,
    matched,
    merged,
    minor,
    misfits,
    parts,
    pinned,
    pip,
    python,
    together,
    unset_variable,
    within,
    worded,
)

NEAREST = ">=0.50.0"
"""Releases that take a binary of the same CUDA major."""

TORCHAO_FOR = {
    "2.7": "0.12.0",
    "2.8": "0.13.0",
    "2.9": "0.14.1",
    "2.10": "0.16.0",
    "2.11": "0.17.0",
}
"""torch -> the torchao built for it. Source: torchao's own message and its release notes."""


@check("quantisation-library-mismatch")
def quantisation_library_mismatch(facts: Facts) -> Finding | None:
    """Known pairs, then the binary for the build's CUDA, then what an error says."""
    id_ = "quantisation-library-mismatch"
    pairs = broken_pairs(id_, facts.packages, facts.torch, facts.environment, facts.errors)
    if pairs:
        return _from_pair(facts, pairs[0])
    version = facts.packages.version("bitsandbytes")
    lacks = _lacks(facts, version)
    said = heard(facts.errors, "quantisation-library-mismatch")
    if lacks:
        return worded(
            "quantisation-library-mismatch/no-binary",
            found=lacks + (f"; '{said}' was printed" if said else ""),
            said=said,
            interpreter=facts.interpreter,
        )
    if said:
        return worded(
            "quantisation-library-mismatch",
            found=f"the error '{said}'" + (f", from bitsandbytes {version}" if version else ""),
            said=said,
            interpreter=facts.interpreter,
        )
    for one in misfits(facts.errors):
        if {one.owner, one.other} & {"torchao", "bitsandbytes"}:
            mine = "torchao" if "torchao" in (one.owner, one.other) else "bitsandbytes"
            return worded(
                "quantisation-library-mismatch/misfit",
                said=one.said,
                cure=_fitting(facts, mine),
                owner=one.owner,
                other=one.other,
            )
    if words := _words(facts):
        return words
    skipped = heard(facts.errors, "quantisation-library-mismatch/torchao")
    return _torchao(facts, skipped) if skipped else None


def _words(facts: Facts) -> Finding | None:
    """Suspect what an error's words alone speak for: another release, or kernels that were not built."""
    for one in misfits(facts.errors, loosely=True):
        if one.other in ("torchao", "bitsandbytes"):
            return worded(
                "quantisation-library-mismatch/suspected",
                said=one.said,
                cure=_fitting(facts, one.other),
                settle=f"{python(facts.interpreter)} -m pip check",
                other=one.other,
            )
    if kernels := matched(facts.errors, "quantisation-library-mismatch/kernels"):
        return worded(
            "quantisation-library-mismatch/kernels",
            said=kernels[0].strip(" :-")[:140],
            settle=f"{python(facts.interpreter)} -m pip list",
            interpreter=facts.interpreter,
        )
    return None


def _from_pair(facts: Facts, broken: Broken) -> Finding:
    row = broken.row
    both = together(broken.versions)
    variable = next(iter(row.env.get("env_var", ())), "")
    return Finding(
        severity=row.severity,
        found=f"{both}: {brief(row.cause)}"
        + (f"; '{broken.said}' was printed" if broken.said else "")
        if both
        else f"the error '{broken.said}'",
        said=broken.said,
        means=f"{'import bitsandbytes' if row.stage == 'import' else 'training'} stops: '{row.says}'",
        cure=unset_variable(facts.host, str(variable))
        if variable
        else pip(facts.interpreter, "install", *pinned(merged([row.fix]))),
        evidence=row.source,
    )


def _lacks(facts: Facts, version: str) -> str:
    """Tell that a release holds no binary for the build's CUDA; "" where it does or nobody knows."""
    if not version or facts.torch.accelerator != "cuda" or not facts.torch.cuda:
        return ""
    if facts.host and (facts.host.os != "linux" or facts.host.machine != "x86_64"):
        return ""
    forced = facts.environment.get("BNB_CUDA_VERSION")
    codes = bitsandbytes_cuda(version)
    if not codes or forced:
        return ""
    wanted = int("".join(map(str, parts(facts.torch.cuda)[:2])))
    served = wanted in codes or (
        within(version, NEAREST) is True and any(code // 10 == wanted // 10 for code in codes)
    )
    if served:
        return ""
    have = listed((f"{code // 10}.{code % 10}" for code in codes[-3:]), 3)
    return (
        f"torch {facts.torch.version} is built for CUDA {facts.torch.cuda}; "
        f"bitsandbytes {version} has binaries up to {have}"
    )


def _fitting(facts: Facts, name: str) -> Cure:
    own = (
        TORCHAO_FOR.get(minor(facts.torch.version), "") if facts.torch and name == "torchao" else ""
    )
    return pip(facts.interpreter, "install", *([f"{name}=={own}"] if own else ["--upgrade", name]))


def _torchao(facts: Facts, said: str) -> Finding:
    version = facts.packages.version("torchao")
    said_torch = re.search(r"(?:torch version|found) (\d+\.\d+)", said)
    minor_ = minor(facts.torch.version) if facts.torch else said_torch[1] if said_torch else ""
    own = TORCHAO_FOR.get(minor_, "")
    return worded(
        "quantisation-library-mismatch/torchao",
        found=f"torchao {version} says '{said}'".replace("  ", " "),
        said=said,
        cure=pip(
            facts.interpreter,
            "install",
            *([f"torchao=={own}"] if own else ["--upgrade", "torchao"]),
        ),
        cure_note="the release made for this torch" if own else "",
    )
