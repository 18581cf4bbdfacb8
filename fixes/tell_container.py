"""A container gets GPUs, memory and limits when it is started: the flags are printed."""

from tunedoctor.api import Draft, Finding, fix, tell


@fix(
    "tell-container",
    "Say how to start the container",
    cures=[
        "container-gpu-not-passed",
        "container-toolkit-missing",
        "wsl-container-toolkit-stale",
        "shm-too-small",
        "ram-too-small",
        "cpu-quota",
        "file-limit",
        "cuda-compat-unsupported-gpu",
    ],
)
def tell_container(finding: Finding) -> Draft:
    """Print the command of the finding; it is never run."""
    return tell(finding)
