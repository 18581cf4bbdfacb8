"""A plug-in of somebody else: a check with its title and messages in a file, and one that is all in code.

What it means
    The mount of the cluster came after the job.
"""

from tunedoctor.api import Errors, Facts, Finding, Host, advise, check, tell

print("the plug-in ran")  # noqa: T201


@check("fabric-down", uses=(Errors, Host))
def fabric_down(facts: Facts) -> Finding | None:
    """Tell of the port or the link that an error names."""
    if port := facts.matched("/port"):
        return Finding(
            found=f"port {port[1]} is down", cure=tell(f"ourctl port up {port[1]}"), said=port[0]
        )
    if error := facts.error_text("/link"):
        return Finding(
            severity="error",
            found=f"{error}, on {facts.host.name}",
            cure=advise("Call the people of the cluster"),
            cure_note="ours to run",
            said=error,
        )
    return None


@check("mount-late", "The mount is late")
def mount_late(host: Host) -> Finding | None:
    """Tell it of every machine."""
    return Finding(found=host.name, means="so no rank trains", cure=tell("mount -a"))
