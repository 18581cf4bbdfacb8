"""Settings of the training script, which nobody but its author changes."""

from tunedoctor.api import Draft, Finding, fix, tell


@fix(
    "tell-training",
    "Say what to change in the training",
    cures=["gpu-lacks-bf16", "vram-too-small", "nccl-unavailable", "stale-process"],
)
def tell_training(finding: Finding) -> Draft:
    """Print the command of the finding; it is never run."""
    return tell(finding)
