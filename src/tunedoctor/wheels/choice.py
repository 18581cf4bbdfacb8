"""The answer: which PyTorch build, or what stands in the way."""

from collections.abc import Iterable
from typing import Literal

import msgspec
from msgspec.structs import replace

from tunedoctor.tables.load import table

Action = Literal[
    "install",
    "install_partial",
    "ask",
    "upgrade_driver",
    "downgrade_driver",
    "install_driver",
    "use_newer_torch",
    "use_older_torch",
    "change_python",
    "upgrade_os",
    "use_vendor_build",
    "build_from_source",
    "cpu_only",
    "fix_requirement",
    "unsupported_platform",
]

Said = tuple[str, str]
"""A message code and its sentence; either can be empty."""
INSTALLS = frozenset({"install", "install_partial", "ask", "cpu_only"})
"""Actions that come with a build to install."""


def say(key: str, **slots: object) -> Said:
    """Return a sentence of wheel_words.json with its slots filled in, and its code: the key up to a colon."""
    sentence: str = table("wheel_words")["sentences"][key]
    return key.partition(":")[0], sentence.format(**slots)


class Build(msgspec.Struct, frozen=True):
    """A wheel: ("2.14.1", "cu126")."""

    torch_version: str
    variant: str
    """cu126, rocm7.2, xpu, cpu, or mps for the wheel of macOS on Apple silicon."""

    def __str__(self) -> str:
        """Return "2.14.1+cu126"."""
        return f"{self.torch_version}+{self.variant}"


class Alternative(msgspec.Struct, frozen=True):
    """Another build, and what it takes: "with driver 580 or newer"; "" where it needs nothing else."""

    build: Build
    after: str = ""


class Choice(msgspec.Struct, frozen=True):
    """What to do about PyTorch on a machine."""

    action: Action
    build: Build | None = None
    """None where the action is not an install."""
    torchvision: str = ""
    torchaudio: str = ""
    index: str = ""
    """URL of the wheel index; "PyPI" where the default index has the build and there is nothing to choose."""
    alternatives: tuple[Alternative, ...] = ()
    """Best first."""
    says: tuple[str, ...] = ()
    """Codes of what the user must hear; `reasons` puts them into words."""
    reasons: tuple[str, ...] = ()
    """Sentences, the deciding one first."""
    hidden: tuple[str, ...] = ()
    """Names of GPUs that the build does not serve."""
    environment: dict[str, str] = {}
    """Variables to set for it to run: HSA_OVERRIDE_GFX_VERSION."""

    @classmethod
    def of(
        cls, action: Action, said: Iterable[Said], alternatives: tuple[Alternative, ...] = ()
    ) -> "Choice":
        """Return an answer without a build, with what is to be said."""
        return cls(action, alternatives=alternatives).saying(said)

    def saying(self, said: Iterable[Said], *, first: bool = False) -> "Choice":
        """Return the choice with more said, before or after what it says already; each code and sentence once."""
        more = tuple(said)
        says = [code for code, _ in more if code]
        reasons = [sentence for _, sentence in more if sentence]
        says = [*says, *self.says] if first else [*self.says, *says]
        reasons = [*reasons, *self.reasons] if first else [*self.reasons, *reasons]
        return replace(self, says=tuple(dict.fromkeys(says)), reasons=tuple(dict.fromkeys(reasons)))
