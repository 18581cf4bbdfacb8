import re
from datetime import date
from typing import NamedTuple

from tunedoctor.api import (
    Cure,
    Facts,
    Finding,
    Packages,
    TorchBuild,
    Unmet,
    check,
    companion_install,
    companions,
    heard,
    matched,
    minor,
    pip,
    unmet,
    within,
    worded,
)

LAST_TORCHAUDIO = ">=2.11"
"""From here on torchaudio names no torch: its last release goes with newer ones too."""

COMPANIONS = ("torchvision", "torchaudio", "xformers")


class _Bad(NamedTuple):
    """A companion that does not fit."""

    name: str
    found: str
    version: str
    """The release that would fit, "" where not known."""


@check("torch-companion-mismatch")
def torch_companion_mismatch(facts: Facts) -> Finding | None:
    """Compare releases, then declared pins, then labels; an error text decides where these are silent."""
    if asked := _from_conda(facts):
        return asked
    bad: list[_Bad] = []
    if facts.torch and facts.packages:
        pins = {one.owner.name: one for one in _pins(facts, facts.packages, facts.torch)}
        for name in COMPANIONS:
            found = _judged(facts, name, facts.packages.version(name), facts.torch, pins.get(name))
            # what was imported without a fault does fit
            stage = facts.runtime.stage(f"import {name}")
            if found is not None and not (stage is not None and stage.outcome == "ok"):
                bad.append(found)
    worst = next((one for one in bad if one.name != "xformers"), None)
    said = {
        name: text
        for name in COMPANIONS
        if (text := heard(facts.errors, f"torch-companion-mismatch/{name}"))
    }
    if facts.torch and facts.packages and _one_variant(facts):
        said = {
            name: t
            for name, t in said.items()
            if not _of_release(facts.packages.version(name), name, facts.torch)
        }
    conflict = heard(facts.errors, "torch-companion-mismatch/conflict")
    if conflict and not bad:
        said.setdefault(conflict.partition(" ")[0], conflict)
    if not said and worst is None and not bad:
        return None
    if said and worst is None:
        name = next(iter(said))
        own = companions(facts.torch.version).get(name, "") if facts.torch else ""
        version = facts.packages.version(name)
        worst = next((one for one in bad if one.name == name), None) or _Bad(
            name,
            f"{name} {version} beside torch {facts.torch.version if facts.torch else 'of another release'}".replace(
                "  ", " "
            ),
            own,
        )
        worst = worst._replace(found=f"{worst.found}: the error '{said[name]}'")
    chosen = worst or bad[0]
    there = facts.packages.get(chosen.name)
    fits = chosen.name != "xformers" and facts.torch and chosen.version
    return worded(
        "torch-companion-mismatch",
        f"torch-companion-mismatch/{chosen.name}",
        "torch-companion-mismatch:one" if fits else "torch-companion-mismatch:none",
        found="; ".join(dict.fromkeys([chosen.found, *(one.found for one in bad)])),
        said=said.get(chosen.name, ""),
        cure=_cure(facts, chosen),
        evidence=(there.location,) if there is not None else (),
        name=chosen.name,
    )


def _from_conda(facts: Facts) -> Finding | None:
    """Read what conda says where it has a companion for another CUDA alone."""
    found = matched(facts.errors, "torch-companion-mismatch/conda-cuda")
    if found is None:
        return None
    name, version, cuda = found["name"], found["version"], found["cuda"]
    what = f"{name}={version} pytorch-cuda={cuda}"
    return worded("torch-companion-mismatch/from-conda", said=found[0], name=name, what=what)


def _one_variant(facts: Facts) -> bool:
    """Tell a system whose wheels come in one variant: there the release alone decides."""
    return facts.host.os == "macos"


def _of_release(version: str, name: str, torch: TorchBuild) -> bool:
    """Tell a companion of the very release of torch."""
    own = companions(torch.version).get(name, "")
    return bool(own and version) and minor(version) == minor(own)


def _pins(facts: Facts, packages: Packages, torch: TorchBuild) -> list[Unmet]:
    return [
        one
        for one in unmet(packages, facts.interpreter, facts.host, torch, names=COMPANIONS)
        if one.name == "torch" and one.installed
    ]


def _judged(
    facts: Facts, name: str, version: str, torch: TorchBuild, pin: Unmet | None
) -> _Bad | None:
    """Tell what is wrong with a companion; None where it fits or nobody knows."""
    if not version:
        return None
    if nightly := _nightly(torch.version):
        return _other_night(name, version, torch, nightly)
    if re.search(r"\da0\+|\+git[0-9a-f]{6,40}$", torch.version):
        return None  # built from a commit before the release, by a vendor that builds its companions likewise
    own = companions(torch.version).get(name, "")
    newest = within(version, LAST_TORCHAUDIO) and within(torch.version, LAST_TORCHAUDIO)
    if name == "torchaudio" and newest:
        own = version.partition("+")[0]
    beside = f"{name} {version} beside torch {torch.version}"
    if own and name != "xformers" and minor(version) != minor(own):
        return _Bad(name, f"{beside}; that torch goes with {name} {own}", own)
    # a pin on another patch release of the same minor breaks nothing
    if pin is not None and not own:
        return _Bad(name, f"{beside}; it requires {pin.wanted}", own)
    odd = _odd_label(facts, name, version, torch)
    return _Bad(name, f"{beside}: {odd}", own or version) if odd else None


NIGHTS = 45
"""Days that nightlies of one set lie apart at most: one that fails to build is taken from an earlier night."""


def _nightly(version: str) -> date | None:
    """Return the night of "2.10.0.dev20250929"; None for a release."""
    found = re.search(r"\.dev(\d{4})(\d\d)(\d\d)", version)
    try:
        return date(int(found[1]), int(found[2]), int(found[3])) if found else None
    except ValueError:
        return None


def _other_night(name: str, version: str, torch: TorchBuild, night: date) -> _Bad | None:
    """Judge beside a nightly: its companions keep numbers of their own, so that only their nights tell."""
    other = _nightly(version)
    if other is not None and abs((other - night).days) <= NIGHTS:
        return None
    if other is None and (name == "xformers" or not re.match(r"\d+\.\d+\.\d+(\+|$)", version)):
        return None
    return _Bad(name, f"{name} {version} beside the nightly torch {torch.version}", "")


def _odd_label(facts: Facts, name: str, version: str, torch: TorchBuild) -> str:
    """Tell of two variants that do not go together; "" where they do."""
    label, mine = _label(version), _label(torch.version)
    plain_linux = facts.host.os == "linux" and facts.host.machine == "x86_64"
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


def _cure(facts: Facts, chosen: _Bad) -> Cure:
    if chosen.name == "xformers" or not facts.torch or not chosen.version:
        return pip(facts.interpreter, "uninstall", chosen.name)
    return companion_install(
        facts.interpreter, facts.torch, chosen.name, chosen.version.partition("+")[0]
    )
