"""What a report says is not there."""

from tunedoctor.facts import Fact


class Missing(Fact, frozen=True):
    """A reader's word that a subject is absent; it counts where no reader found the subject itself."""

    kind: str
    """Name of the type of fact: TorchBuild."""
    why: str
    package: str = ""
    """The distribution that brings it: where another list names it, the word does not count."""
