"""The answer for builds that fit, and what is said with any answer."""

from msgspec.structs import replace

from tunedoctor.wheels.choice import Action, Alternative, Choice, Said, codes, sentences
from tunedoctor.wheels.pick import Found
from tunedoctor.wheels.rules import INDEX
from tunedoctor.wheels.say_release import about_release
from tunedoctor.wheels.situation import Situation
from tunedoctor.wheels.targets import override_of_all


def installed(s: Situation, action: Action, found: tuple[Found, ...]) -> Choice:
    """Return the choice of the first build of `found`, the others as alternatives."""
    best = found[0]
    said, more = about_release(s, found)
    return Choice(
        action,
        build=best.build,
        torchvision=best.release.torchvision,
        torchaudio=best.release.torchaudio,
        index="PyPI" if s.machine.platform == "macos" else f"{INDEX}{best.variant}",
        alternatives=(*(Alternative(f.build) for f in found[1:]), *more),
        says=codes(said),
        reasons=sentences(said),
        environment=override_of_all(s.gpus.amd) if best.variant.startswith("rocm") else {},
    )


def with_said(choice: Choice, said: list[Said], *, first: bool = False) -> Choice:
    """Return the choice with more said, before or after what it says already."""
    if not said:
        return choice
    says = (*codes(said), *choice.says) if first else (*choice.says, *codes(said))
    reasons = (*sentences(said), *choice.reasons) if first else (*choice.reasons, *sentences(said))
    return replace(choice, says=tuple(dict.fromkeys(says)), reasons=tuple(dict.fromkeys(reasons)))
