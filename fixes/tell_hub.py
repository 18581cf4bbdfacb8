"""Accounts, tokens, caches and networks are the user's own."""

from tunedoctor.api import Draft, Finding, fix, tell


@fix(
    "tell-hub",
    "Say how to reach the Hub",
    cures=[
        "hub-gated-access",
        "hub-no-token",
        "hub-network",
        "hub-offline",
        "hub-cache-permission",
        "disk-full",
    ],
)
def tell_hub(finding: Finding) -> Draft:
    """Print the command of the finding; it is never run."""
    return tell(finding)
