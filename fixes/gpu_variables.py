"""Set or unset the variables that choose GPUs and say which code they run.

The change holds for shells in which the environment is activated from now on; a profile that sets the variable
otherwise is yours to change.
"""

from tunedoctor.api import Draft, Finding, Interpreter, Unknown, fix, variable_of

NAMES = (
    "CUDA_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
    "HSA_OVERRIDE_GFX_VERSION",
)


@fix(
    "gpu-variables",
    "Set which GPUs are used, and as what",
    cures=[
        "visible-devices-wrong",
        "rocm-override-wrong",
        "rocm-igpu-confusion",
        "gpu-arch-not-in-rocm-build",
        "gpu-too-old-for-torch",
    ],
)
def gpu_variables(finding: Finding, interpreter: Interpreter | Unknown | None) -> Draft | None:
    """Set or unset what the finding's cure names, in the activation of the environment."""
    step = variable_of(finding, interpreter, NAMES)
    return Draft(steps=(step,), reason=finding.found) if step is not None else None
