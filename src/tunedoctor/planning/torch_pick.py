"""The PyTorch build of a set: the installed one where it works on the machine, else the wheel choice."""

import re
from typing import NamedTuple

from msgspec.structs import replace

from tunedoctor.facts import TorchBuild
from tunedoctor.planning.wanted import GROUP, RefusedError
from tunedoctor.tables.wheels import releases
from tunedoctor.versions import pep440
from tunedoctor.wheels.choose import Near, near
from tunedoctor.wheels.commands import labels_of
from tunedoctor.wheels.machine import Machine, label_of
from tunedoctor.wheels.pick import Build, allowed


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

    def labels(self, machine: Machine) -> dict[str, str]:
        """Return torch and its companions -> the local label of the files that are taken."""
        if self.label == self.version:
            return dict.fromkeys(GROUP, "")
        return labels_of(Build(self.version, self.variant), machine, default=not self.index_url)


def torch_pick(
    machine: Machine, installed: TorchBuild | None = None, asked: str = "", beside: str = ""
) -> TorchPick | RefusedError:
    """Return the build for a machine, as near to the installed one as can be, or why none fits.

    `asked` is a specifier over releases, `beside` the release that companions were made for. A label that no build
    here has counts for nothing: the release comes in the variant that there is.
    """
    wanted = replace(machine, torch=",".join(filter(None, (machine.torch, asked))))
    found = _of(near(wanted, label_of(installed) if installed else "", beside))
    if isinstance(found, RefusedError) and "+" in asked:
        return torch_pick(machine, installed, _LABEL.sub("", asked), beside)
    return found


_LABEL = re.compile(r"\+[\w.]+")


def _of(found: Near) -> TorchPick | RefusedError:
    """Return the pick of a choice; a build that serves some GPUs alone counts, and its reason says so."""
    choice, build = found.choice, found.choice.build
    if build is None:
        why = f"no PyTorch build fits this machine: {'; '.join(choice.reasons[:2])}"
        return RefusedError(why, *(f"{o.build} {o.after}".strip() for o in choice.alternatives[:1]))
    release, index = build.torch_version, choice.index if choice.index.startswith("http") else ""
    if found.kept:
        stand_in = "" if allowed(f"=={release}") else _nearest(release)
        return TorchPick(release, build.variant, index_url=index, kept=True, stand_in=stand_in)
    pair = choice.torchvision, choice.torchaudio
    return TorchPick(release, build.variant, *pair, index, why="".join(choice.reasons[:1]))


def _nearest(version: str) -> str:
    """Return the newest release of the table that is no newer than a version; the oldest one where none is."""
    have = pep440(version)
    known = releases()
    fits = (one for one in known if have is not None and one.parsed <= have)
    return next(fits, known[-1]).version
