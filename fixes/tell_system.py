"""What a package manager or an administrator has to put in: compilers, headers, groups, the page file."""

from tunedoctor.api import Draft, Finding, fix, tell


@fix(
    "tell-system",
    "Say what the system lacks",
    cures=[
        "compiler-missing",
        "python-headers-missing",
        "rocm-device-permission",
        "pagefile-too-small",
        "windows-vcredist",
        "windows-missing-dll",
        "glibc-too-old",
        "macos-too-old",
        "conda-binary-clash",
        "rocm-wsl-runtime-library",
    ],
)
def tell_system(finding: Finding) -> Draft:
    """Print the command of the finding; it is never run."""
    return tell(finding)
