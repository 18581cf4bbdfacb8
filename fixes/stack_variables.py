"""Set or unset variables that libraries of the stack read.

The change holds for shells in which the environment is activated from now on; a profile that sets the variable
otherwise is yours to change.
"""

from tunedoctor.api import Draft, Finding, Interpreter, Unknown, fix, variable_of

NAMES = (
    "BNB_CUDA_VERSION",
    "BNB_ROCM_VERSION",
    "HF_HUB_OFFLINE",
    "TRANSFORMERS_OFFLINE",
    "HF_DATASETS_OFFLINE",
    "HF_HOME",
    "HF_HUB_CACHE",
    "CUDA_HOME",
    "OMP_NUM_THREADS",
)

STANDS_FOR = "/path/on/"
"""A folder that the user has to name."""


@fix(
    "stack-variables",
    "Set variables that the stack reads",
    cures=[
        "quantisation-library-mismatch",
        "hub-offline",
        "hub-cache-permission",
        "disk-full",
        "toolkit-build-mismatch",
        "cpu-quota",
    ],
)
def stack_variables(finding: Finding, interpreter: Interpreter | Unknown | None) -> Draft | None:
    """Set or unset what the finding's cure names, in the activation of the environment."""
    step = variable_of(finding, interpreter, NAMES)
    if step is None or (step.value or "").startswith(STANDS_FOR):
        return None
    return Draft(steps=(step,), reason=finding.found)
