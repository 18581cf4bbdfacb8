"""A newer PyTorch is recommended.

What it means
    transformers 5 counts a torch below its floor as not installed, and refuses torch.load below 2.6. An old release
    goes on working with libraries of its time.

How it is found
    The version of the target's torch.

Cures
    The newest release that the driver and the GPU allow.

When to ignore it
    While the versions that you have do what you need.

Seen as
    Disabling PyTorch because PyTorch >= 2.4 is required but found
"""

from tunedoctor.api import (
    AmdGpus,
    Finding,
    Host,
    Interpreter,
    Known,
    NvidiaDriver,
    NvidiaGpus,
    TorchBuild,
    check,
    torch_install,
    within,
    worded,
)

RECOMMENDED = "2.5"
"""Floor of transformers 5.15. Source: known_bad.json."""


@check("torch-old", "A newer PyTorch is recommended", "note", advice=True)
def torch_old(  # noqa: PLR0913  what decides the cure
    torch: TorchBuild,
    interpreter: Known[Interpreter],
    host: Known[Host],
    nvidia: Known[NvidiaGpus],
    driver: Known[NvidiaDriver],
    amd: Known[AmdGpus],
) -> Finding | None:
    """Compare with the floor of current libraries."""
    if within(torch.version, f"<{RECOMMENDED}") is not True:
        return None
    fit = torch_install(host, interpreter, nvidia, driver, amd, f">={RECOMMENDED}")
    if not fit.cure:
        return None
    return worded("torch-old", cure=fit.cure, version=torch.version)
