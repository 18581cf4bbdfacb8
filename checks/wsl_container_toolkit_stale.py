from tunedoctor.api import Container, Errors, Finding, Host, Known, check, heard, worded


@check("wsl-container-toolkit-stale")
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
