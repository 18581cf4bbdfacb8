"""What hands have to do: power, heat, slots, or another card."""

from tunedoctor.api import Draft, Finding, fix, tell


@fix(
    "tell-hardware",
    "Say what the hardware needs",
    cures=[
        "gpu-faulty",
        "gpu-does-not-compute",
        "gpu-throttled",
        "gpu-memory-taken",
        "no-gpu",
        "rocm-unsupported-hardware",
    ],
)
def tell_hardware(finding: Finding) -> Draft:
    """Print the command of the finding; it is never run."""
    return tell(finding)
