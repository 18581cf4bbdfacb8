from tunedoctor import api


@api.check("wsl-container-toolkit-stale")
def wsl_container_toolkit_stale(facts: api.Facts, errors: api.Errors) -> api.Finding | None:
    """Only error 500, and only where the system is not known to be another than WSL."""
    said = api.heard(errors, "wsl-container-toolkit-stale")
    windows = facts.host.os == "windows" or bool(facts.host.wsl)
    if not said and (windows or facts.container or not facts.host):
        # a kernel that a module lacks has the same name: only where a container starts CUDA is this one meant
        said = api.heard(errors, "wsl-container-toolkit-stale/unnumbered")
    if not said or (facts.host and not windows and "microsoft" not in facts.host.kernel.lower()):
        return None
    key, sure = "wsl-container-toolkit-stale", windows or facts.container or "500" in said
    settle = "" if sure else "uname -r; docker info | grep -i operating"
    return facts.worded(key, said=said, settle=settle)
