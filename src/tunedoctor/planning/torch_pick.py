"""The PyTorch build of a set: the installed one where it works on the machine, else the wheel choice."""

import re
from typing import NamedTuple

from msgspec.structs import replace

from tunedoctor.facts import TorchBuild
from tunedoctor.versions import pep440, within
from tunedoctor.wheels.choice import Choice
from tunedoctor.wheels.choose import choose
from tunedoctor.wheels.machine import Machine
from tunedoctor.wheels.pick import allowed, releases
from tunedoctor.wheels.rules import index_of


class TorchPick(NamedTuple):
    """A build for the set."""

    version: str
    """Without label."""
    variant: str
    """"" for a kept build that does not tell."""
    torchvision: str = ""
    """Release that goes with it; "" where the resolver chooses."""
    torchaudio: str = ""
    index_url: str = ""
    """URL of the wheel index, "" for the default one."""
    kept: bool = False
    why: str = ""
    stand_in: str = ""
    """Release whose metadata stand in for those of a build that no index has: a nightly, a vendor's own."""

    @property
    def label(self) -> str:
        """The version as installed from an index of PyTorch's: "2.14.1+cu126"."""
        labelled = self.variant and self.variant != "mps" and self.index_url
        return f"{self.version}+{self.variant}" if labelled else self.version


class NoTorch(NamedTuple):
    """No build fits."""

    why: str
    after: str = ""
    """A way out in words: "2.14.1+cu126 with driver 525 or newer"."""


def torch_pick(
    machine: Machine, installed: TorchBuild | None = None, asked: str = ""
) -> TorchPick | NoTorch:
    """Return the build for a machine; `asked` is a specifier over releases.

    A label that no build here has counts for nothing: the release comes in the variant that there is.
    An installed build stays where it fits the machine and what is asked, and where no GPU is. One for the CPU does
    not fit a machine with a GPU that a build serves. Else its release in another variant comes first.
    """
    found = _picked(machine, installed, asked)
    if isinstance(found, NoTorch) and "+" in asked:
        return _picked(machine, installed, _LABEL.sub("", asked))
    return found


_LABEL = re.compile(r"\+[\w.]+")


def _picked(machine: Machine, installed: TorchBuild | None, asked: str) -> TorchPick | NoTorch:
    if installed is not None and installed.version:
        release = installed.version.partition("+")[0]
        variant = installed.variant or installed.version.partition("+")[2]
        label = f"+{variant}" if re.fullmatch(r"cu\d+|rocm[\d.]+|xpu|cpu", variant) else ""
        same = _of(choose(replace(machine, torch=_joined(asked, f"=={release}{label}"))))
        if not allowed(f"=={release}") and (not asked or within(release, asked)):
            # newer than the table, or a build of its own: nothing is known against it
            return TorchPick(release, variant, kept=True, stand_in=_nearest(release))
        if not machine.gpus and label and (not asked or within(release, asked)):
            # without a GPU every build runs, on the processor: what is there is not exchanged for that
            return TorchPick(release, variant, index_url=index_of(variant), kept=True)
        best = _of(choose(replace(machine, torch=asked)))
        idle = variant == "cpu" and isinstance(best, TorchPick) and best.variant != "cpu"
        if isinstance(same, TorchPick) and not idle:
            return TorchPick(release, variant, index_url=same.index_url if label else "", kept=True)
        other = _of(choose(replace(machine, torch=_joined(asked, f"=={release}"))))
        if isinstance(other, TorchPick):
            return other
    return _of(choose(replace(machine, torch=_joined(machine.torch, asked))))


def _nearest(version: str) -> str:
    """Return the newest release of the table that is no newer than a version; the oldest one where none is."""
    have = pep440(version)
    known = releases()
    fits = (one for one in known if have is not None and one.parsed <= have)
    return next(fits, known[-1]).version


def _joined(*ranges: str) -> str:
    return ",".join(filter(None, ranges))


def _of(choice: Choice) -> TorchPick | NoTorch:
    """Return the pick of a choice; a build that serves some GPUs alone counts, and its reason says so."""
    if choice.build is None:
        others = [f"{one.build} {one.after}".strip() for one in choice.alternatives[:1]]
        return NoTorch("; ".join(choice.reasons[:2]), "".join(others))
    return TorchPick(
        choice.build.torch_version,
        choice.build.variant,
        choice.torchvision,
        choice.torchaudio,
        choice.index if choice.index.startswith("http") else "",
        why=choice.reasons[0] if choice.reasons else "",
    )
