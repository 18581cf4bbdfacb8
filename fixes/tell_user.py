"""What the facts leave to the user: own files and shells, builds that compile, and questions that a command settles."""

from tunedoctor.api import Draft, Finding, fix, tell


@fix(
    "tell-user",
    "Say what is left for you",
    cures=[
        "local-file-shadowing",
        "library-path-shadowing",
        "user-site-shadowing",
        "leftover-library",
        "extension-abi-mismatch",
        "toolkit-build-mismatch",
        "wheel-not-on-index",
        "knowledge-old",
        "torch-sees-no-gpu",
        "torch-import-hang",
        "torch-import-crash",
        "torch-cpu-only",
        "torch-missing",
        "torch-old",
        "torch-companion-mismatch",
        "broken-install",
        "library-import-fails",
        "library-version-clash",
        "missing-dependency",
        "mixed-cuda-wheels",
        "quantisation-library-mismatch",
        "numpy-abi",
        "cuda-library-missing",
        "visible-devices-wrong",
        "rocm-override-wrong",
        "rocm-igpu-confusion",
        "gpu-arch-not-in-rocm-build",
        "gpu-too-old-for-torch",
        "transformers-too-old-for-model",
        "torch-too-old-for-library",
        "cuda-old",
    ],
)
def tell_user(finding: Finding) -> Draft:
    """Print the command of the finding; it is never run."""
    return tell(finding)
