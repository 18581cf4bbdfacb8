import re
from datetime import date
from typing import Any

from tunedoctor import api

LAST_TORCHAUDIO = ">=2.11"
"""From here on torchaudio names no torch: its last release goes with newer ones too."""
COMPANIONS = ("torchvision", "torchaudio", "xformers")
NIGHTS = 45
"""Days that nightlies of one set lie apart at most: one that fails to build is taken from an earlier night."""


_Bad = tuple[str, str]
"""What is wrong with a companion, and the release that would fit, "" where not known."""


@api.check("torch-companion-mismatch")
def torch_companion_mismatch(facts: api.Facts) -> api.Finding | None:
    """Compare releases, then declared pins, then labels; an error text decides where these are silent."""
    # what libmamba says where it has a companion for another CUDA alone
    if asked := facts.matched("torch-companion-mismatch/conda-cuda"):
        key = "torch-companion-mismatch/from-conda"
        slots: dict[str, Any] = asked.groupdict()
        return facts.worded(key, said=asked[0], **slots)
    bad = _judged_all(facts) if facts.torch and facts.packages else {}
    heard = {one: facts.heard(f"torch-companion-mismatch/{one}") for one in COMPANIONS}
    said = {one: text for one, text in heard.items() if text and not _of_release(facts, one)}
    conflict = facts.heard("torch-companion-mismatch/conflict")
    if conflict and not bad:
        said.setdefault(conflict.partition(" ")[0], conflict)
    name = next((one for one in bad if one != "xformers"), "")
    if said and not name:
        name = next(iter(said))
        torch = facts.torch.named if facts.torch else "torch of another release"
        beside = " ".join((name, *facts.packages.version(name).split(), "beside", torch))
        found, fit = bad.pop(name, (beside, api.companions(facts.torch.version).get(name, "")))
        bad = {name: (f"{found}: the error '{said[name]}'", fit), **bad}
    name = name or next(iter(bad), "")
    if not name:
        return None
    plain = bad[name][1].partition("+")[0]
    there = facts.packages.get(name)
    fits = name != "xformers" and facts.torch and plain
    cure = facts.pip("uninstall", name)
    if fits:
        cure = api.companion_install(facts.interpreter, facts.torch, name, plain)
    return facts.worded(
        "torch-companion-mismatch",
        f"torch-companion-mismatch/{name}",
        "torch-companion-mismatch:one" if fits else "torch-companion-mismatch:none",
        found="; ".join(dict.fromkeys(found for found, _ in (bad[name], *bad.values()))),
        said=said.get(name, ""),
        cure=cure,
        evidence=(there.location if there else "",),
        name=name,
    )


def _judged_all(facts: api.Facts) -> dict[str, _Bad]:
    every = api.unmet(facts.packages, facts.interpreter, facts.host, facts.torch, names=COMPANIONS)
    pins = {one.owner.name: one for one in every if one.name == "torch" and one.installed}
    bad: dict[str, _Bad] = {}
    for name in COMPANIONS:
        version = facts.packages.version(name)
        found = _judged(facts, name, version, pins.get(name)) if version else None
        # what was imported without a fault does fit
        stage = facts.runtime.stage(f"import {name}")
        if found is not None and not (stage and stage.outcome == "ok"):
            bad[name] = found
    return bad


def _of_release(facts: api.Facts, name: str) -> bool:
    """Tell a companion of the very release of torch on a Mac, whose wheels come in one variant."""
    own = api.companions(facts.torch.version).get(name, "") if facts.torch else ""
    version = facts.packages.version(name)
    same = bool(own and version) and api.minor(version) == api.minor(own)
    return same and facts.host.os == "macos"


def _judged(facts: api.Facts, name: str, version: str, pin: api.Unmet | None) -> _Bad | None:
    """Tell what is wrong with a companion; None where it fits or nobody knows."""
    torch = facts.torch.version
    if night := _nightly(torch):
        return _other_night(name, version, torch, night)
    if re.search(r"\da0\+|\+git[0-9a-f]{6,40}$", torch):
        return None  # built from a commit before the release, by a vendor that builds its companions likewise
    own = api.companions(torch).get(name, "")
    late = all(api.within(one, LAST_TORCHAUDIO) for one in (version, torch))
    own = version.partition("+")[0] if name == "torchaudio" and late else own
    beside = f"{name} {version} beside torch {torch}"
    if own and name != "xformers" and api.minor(version) != api.minor(own):
        return f"{beside}; that torch goes with {name} {own}", own
    # a pin on another patch release of the same minor breaks nothing
    if pin is not None and not own:
        return f"{beside}; it requires {pin.wanted}", own
    odd = _odd_label(facts, name, version)
    return (f"{beside}: {odd}", own or version) if odd else None


def _nightly(version: str) -> date | None:
    """Return the night of "2.10.0.dev20250929"; None for a release."""
    found = re.search(r"\.dev(\d{8})", version)
    try:
        return date.fromisoformat(found[1]) if found else None
    except ValueError:
        return None


def _other_night(name: str, version: str, torch: str, night: date) -> _Bad | None:
    """Judge beside a nightly: its companions keep numbers of their own, so that only their nights tell."""
    other = _nightly(version)
    if other is not None and abs((other - night).days) <= NIGHTS:
        return None
    if other is None and (name == "xformers" or not re.match(r"\d+\.\d+\.\d+(\+|$)", version)):
        return None
    return f"{name} {version} beside the nightly torch {torch}", ""


def _odd_label(facts: api.Facts, name: str, version: str) -> str:
    """Tell of two variants that do not go together; "" where they do."""
    torch = facts.torch
    label, mine = _label(version), _label(torch.version)
    plain_linux = (facts.host.os, facts.host.machine) == ("linux", "x86_64")
    if name != "xformers" and mine == "cpu" and (label or (plain_linux and not torch.conda)):
        # without a label it is the default index's build for Linux, which links CUDA
        return "" if label == "cpu" else f"a {label or 'CUDA'} build beside a CPU build"
    if torch.accelerator in ("cuda", "rocm") and label == "cpu":
        return f"a CPU build beside a {torch.variant or torch.accelerator} build"
    if label and mine and label[:2] != mine[:2]:
        return f"built for {label}, and torch for {mine}"
    return ""


def _label(version: str) -> str:
    """Return cu126, rocm6.3, cpu or "" of a version; "+pt22cu121" names its torch in front."""
    found = re.search(r"(cu\d+|rocm[\d.]+|cpu|xpu)$", version.partition("+")[2])
    return found[1] if found else ""
