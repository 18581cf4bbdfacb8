"""Another Python, or another system, is a new environment: the commands are printed."""

from tunedoctor.api import Draft, Finding, fix, tell


@fix(
    "tell-python",
    "Say how to get a Python that torch is built for",
    cures=[
        "python-32bit",
        "python-old",
        "python-unsupported",
        "platform-unsupported",
        "rocm-path-with-space",
        "wrong-interpreter",
    ],
)
def tell_python(finding: Finding) -> Draft:
    """Print the command of the finding; it is never run."""
    return tell(finding)
