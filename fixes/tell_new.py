"""Where there is no environment: say how to name another one, or to make one that is ready."""

import shlex

from tunedoctor.api import Draft, Finding, Target, Tell, fix


@fix("tell-new", "Say how to make an environment", cures=["target-missing"])
def tell_new(finding: Finding, target: Target) -> Draft:
    """Print the finding's own command, and the one that makes a ready environment, there where nothing is."""
    place = target.asked if "does not exist" in target.problem else "./.venv"
    new = f"doctor fix --new {shlex.quote(place)}"
    steps = (
        Tell(command=finding.cure.command, why=finding.cure_note),
        Tell(command=new, why="makes an environment with the whole stack; its folder must be free"),
    )
    return Draft(steps=steps, reason=finding.found)
