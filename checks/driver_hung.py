"""The NVIDIA driver or its tools do not answer.

What it means
    NVML and nvidia-smi answer in milliseconds, or in seconds where the driver first wakes the cards. When they do not
    answer at all, a call is stuck in the kernel: a card has failed, or its firmware hangs. Training that starts then
    hangs at the first CUDA call and cannot be killed.

How it is found
    NVML is asked in a child process with a time limit; nvidia-smi likewise.

Cures
    Reboot. If it comes back, the kernel log names the card.

When to ignore it
    Never.

Seen as
    nvidia-container-cli: initialization error: driver rpc error: timed out
    Timeout after 6s of waiting for RPC response from GPU
"""

from tunedoctor.api import Container, Errors, Finding, Known, NvidiaAnswer, check, heard, worded


@check(
    "driver-hung",
    "The NVIDIA driver does not answer",
    explains=[
        "driver-library-mismatch",
        "driver-missing",
        "driver-too-old",
        "gpu-does-not-compute",
        "torch-import-hang",
        "torch-sees-no-gpu",
        "uvm-module-broken",
    ],
)
def driver_hung(
    answer: Known[NvidiaAnswer],
    container: Known[Container],
    errors: Known[Errors],
) -> Finding | None:
    """NVML hung, or nvidia-smi did where NVML did not answer well; else a text that says so."""
    stuck = (
        [
            name
            for name, how in (("NVML", answer.nvml), ("nvidia-smi", answer.smi))
            if how == "hung" and answer.nvml != "ok"
        ]
        if answer
        else []
    )
    said = heard(errors, "driver-hung")
    waits = "" if said else heard(errors, "driver-hung/waits")
    said = said or waits
    if not stuck and not said:
        return None
    inside = "on the host of this container; " if container is not None else ""
    return worded(
        "driver-hung",
        found=f"{' and '.join(stuck)} gave no answer before the time limit"
        if stuck
        else f"the error '{said}'",
        said=said,
        evidence=tuple(stuck),
        settle="timeout 60 nvidia-smi; sudo dmesg | grep -E 'NVRM|Xid|blocked for'"
        if waits and not stuck
        else "",
        inside=inside,
    )
