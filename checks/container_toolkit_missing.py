from tunedoctor import api

DNF = ("fedora", "rhel", "rocky", "almalinux", "ol", "centos", "amzn")


@api.check("container-toolkit-missing")
def container_toolkit_missing(facts: api.Facts, errors: api.Errors | api.Unknown) -> api.Outcome:
    """Only by what an engine said."""
    if cdi := facts.if_heard("container-toolkit-missing/cdi"):
        return cdi
    said = api.heard(errors, "container-toolkit-missing/no-driver")
    if not said:
        return None
    if "amd" in said.lower():
        return facts.worded("container-toolkit-missing/amd", said=said)
    podman, dnf = facts.container.kind == "podman", facts.host.distro in DNF
    return facts.worded(
        "container-toolkit-missing",
        "container-toolkit-missing:podman" if podman else "container-toolkit-missing:docker",
        said=said,
        install="sudo dnf install -y" if dnf else "sudo apt-get install -y",
    )
