"""A plug-in of somebody else: checks with their words in a file, and one that is all in code.

What it means
    The mount of the cluster came after the job.
"""

from tunedoctor.api import Facts, Finding, Host, check, tell

print("the plug-in ran")  # noqa: T201


@check("fabric-down")
def fabric_down(facts: Facts) -> Finding | None:
    """Tell of the port or the link that an error names."""
    if port := facts.matched("/port"):
        return facts.worded("/port:known", said=port[0], port=port[1])
    return facts.if_heard("/link")


@check("mount-late", "The mount is late")
def mount_late(host: Host) -> Finding | None:
    """Tell it of every machine."""
    return Finding(found=host.name, means="so no rank trains", cure=tell("mount -a"))
