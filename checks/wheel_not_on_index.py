"""That version was never built for that variant.

What it means
    Each release of torch is built for a few variants: 2.5.1 for CUDA 11.8, 12.1 and 12.4, not for 12.8. An index of
    one variant holds its releases alone, and the default index holds files without a label. What is asked for is not
    among them.

How it is found
    The versions that the installer says it was offered, or the label that it could not find.

Cures
    The release with a variant that it has, or a release that has the variant: doctor wheel names both.

When to ignore it
    Never: nothing was installed.

Seen as
    ERROR: Could not find a version that satisfies the requirement torch==2.0.1+cu118 (from versions: 2.0.0, 2.0.1
    ERROR: No matching distribution found for torch==2.5.1+cu128
    Because there is no version of torch==2.5.1+cu128
"""

import re

from tunedoctor.api import (
    Finding,
    Host,
    IndexAnswer,
    Interpreter,
    Known,
    check,
    pip,
    refused,
    release_row,
    tell,
    worded,
)


@check(
    "wheel-not-on-index",
    "This version was never built for this variant",
    explains=["torch-missing"],
)
def wheel_not_on_index(
    answer: Known[IndexAnswer],
    interpreter: Known[Interpreter],
    host: Known[Host],
) -> Finding | None:
    """Only where the Python and the system have wheels of the release."""
    why = refused(answer, interpreter, host)
    if why is None or why.cause != "wheel-not-on-index" or not isinstance(answer, IndexAnswer):
        return None
    asked = next((one for one in answer.refusals if one.name == "torch"), answer.refusals[0])
    release = re.search(r"\d+\.\d+\.\d+", asked.specifier)
    variants = _variants(release[0]) if release and asked.name == "torch" else ""
    return worded(
        "wheel-not-on-index",
        found=why.found + (f"; torch {release[0]} has {variants}" if variants and release else ""),
        cure=tell(f"doctor wheel --torch {release[0]}")
        if release and variants
        else tell("doctor wheel")
        if asked.name in ("torch", "torchvision", "torchaudio")
        else pip(interpreter, "install", asked.name),
    )


def _variants(release: str) -> str:
    row = release_row(release)
    return ", ".join(one for one in row.variants("linux_x86_64") if one != "xpu") if row else ""
