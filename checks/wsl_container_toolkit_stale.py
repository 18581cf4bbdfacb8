"""The container toolkit in WSL 2 is too old for the Windows driver: CUDA error 500.

What it means
    Since driver 555 Windows hands its CUDA library to WSL in another layout. Container toolkits before 1.14.4 and
    Docker Desktop before 4.31 mount the old one, so CUDA in the container fails with error 500, while nvidia-smi
    works.

How it is found
    The text of error 500; in a container on a WSL kernel it can have no other source.

Cures
    Update Docker Desktop or the toolkit.

When to ignore it
    Never.

Seen as
    Error 500: named symbol not found
    ggml_cuda_init: failed to initialize CUDA: named symbol not found
"""

from tunedoctor.api import Container, Errors, Finding, Host, Known, check, heard, worded


@check(
    "wsl-container-toolkit-stale",
    "The container toolkit in WSL is older than the driver",
    explains=["gpu-does-not-compute", "torch-sees-no-gpu"],
)
def wsl_container_toolkit_stale(
    host: Known[Host],
    container: Known[Container],
    errors: Errors,
) -> Finding | None:
    """Only error 500, and only where the system is not known to be another than WSL."""
    said = heard(errors, "wsl-container-toolkit-stale")
    windows = host is not None and (host.os == "windows" or bool(host.wsl))
    if not said and (windows or container is not None or host is None):
        # a kernel that a module lacks has the same name: only where a container starts CUDA is this one meant
        said = heard(errors, "wsl-container-toolkit-stale/unnumbered")
    if not said or (host is not None and not windows and "microsoft" not in host.kernel.lower()):
        return None
    where = f" in a {container.kind} container" if container else ""
    return worded(
        "wsl-container-toolkit-stale",
        said=said,
        settle=""
        if windows or container is not None or "500" in said
        else "uname -r; docker info | grep -i operating",
        where=where,
    )
