"""What to say of GPUs that a torch build holds no code for, whichever side of the list they lie on."""

import re

from tunedoctor.advice.compiled import Coverage, code_list
from tunedoctor.advice.told import told
from tunedoctor.cure import set_variable
from tunedoctor.facts import Errors, Host, NvidiaGpu, TorchBuild, Unknown
from tunedoctor.findings import Finding
from tunedoctor.lazy import pattern
from tunedoctor.wording import listed

NO_KERNEL = (
    "the first kernel on it fails with 'no kernel image is available for execution on the device'"
)
_REFUSED = r"\S+ \S+ [^:]{0,60}with CUDA capability sm_\d+\S* is not compatible"

_FOUND = pattern(
    r"Found GPU\d{1,2} ([^\n]{2,80}?) which is of (?:cuda|compute) capability (\d{1,2})\.(\d)"
)
_LISTED = pattern(
    r"Found GPU\d{1,2} ([^\n]{2,80}?) which is of compute capability \(CC\) (\d{1,2})\.(\d)"
)
"""Since torch 2.11: said only of a card for which the build has no code. Source: torch/cuda/__init__.py."""
_RANGE = pattern(r"\((\d{1,2})\.(\d)\) - \((\d{1,2})\.\d\)")


def cards_named(cards: tuple[NvidiaGpu, ...]) -> str:
    """Return "NVIDIA GeForce RTX 5090 (12.0)" for each kind of card."""
    return listed(dict.fromkeys(f"{card.name} ({card.compute_capability})" for card in cards))


def code_of(build: TorchBuild | None, seen: Coverage | None) -> str:
    """Return what the build has code for, as far as it is known."""
    name = f"torch {build.version}" if build else "this PyTorch"
    if seen is not None and seen.archs:
        return f"{name} has code for {code_list(seen.archs)}"
    if build is not None and build.cuda:
        return f"{name} is built with CUDA {build.cuda}, which knows no such GPU"
    return f"{name} says that it is not compatible"


def card_refused(errors: Errors | Unknown | None) -> NvidiaGpu | None:
    """Return the card that torch's own warning calls incompatible."""
    if listed_ := _LISTED.search(
        told(errors, r"Found GPU\d{1,2} .{2,80} capability \(CC\) \d{1,2}\.\d")
    ):
        name, major, minor = listed_.groups()
        return NvidiaGpu(index=0, name=name, compute_capability=f"{major}.{minor}")
    if ranged := _below_or_above(errors):
        return ranged
    found = re.search(r"(.*?) with CUDA capability sm_(\d+)(\d)", told(errors, _REFUSED))
    if not found:
        return None
    name = re.sub(r".*(?:Warning|Error):\s*", "", found[1]).strip()
    return NvidiaGpu(index=0, name=name, compute_capability=f"{found[2]}.{found[3]}")


def _below_or_above(errors: Errors | Unknown | None) -> NvidiaGpu | None:
    """Return a card outside of the range that torch's warning of several lines states.

    The end of the range holds for its major only: code for 12.0 runs on 12.1, and torch 2.9 warned of that too.
    """
    if not isinstance(errors, Errors):
        return None
    text = "\n".join(error.text for error in errors.errors)
    limits = _RANGE.search(text)
    if limits is None:
        return None
    for card in _FOUND.finditer(text):
        have = int(card[2]), int(card[3])
        low, high = (int(limits[1]), int(limits[2])), int(limits[3])
        if have < low or have[0] > high:
            return NvidiaGpu(index=0, name=card[1], compute_capability=f"{card[2]}.{card[3]}")
    return None


def one_of_several(title: str, found: str, seen: Coverage, host: Host | None) -> Finding:
    """Return the finding for a machine on whose other GPUs the build runs: leave that one out."""
    uuids = [card.uuid or str(card.index) for card in seen.works]
    return Finding(
        title=title,
        severity="warning",
        found=f"{found}; it runs on {listed(dict.fromkeys(c.name for c in seen.works))}",
        means=f"{NO_KERNEL}; Trainer and device_map='auto' use all GPUs",
        cure=set_variable(host, "CUDA_VISIBLE_DEVICES", ",".join(uuids)),
        cure_note="leaves that GPU out",
        evidence=(seen.source,) if seen.source else (),
    )
