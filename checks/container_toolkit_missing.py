from tunedoctor.api import Errors, Facts, Finding, Unknown, check, heard, worded

DNF = ("fedora", "rhel", "rocky", "almalinux", "ol", "centos", "amzn")


@check("container-toolkit-missing")
def container_toolkit_missing(facts: Facts, errors: Errors | Unknown) -> Finding | None:
    """Only by what an engine said."""
    if said := heard(errors, "container-toolkit-missing/cdi"):
        return worded("container-toolkit-missing/cdi", said=said)
    said = heard(errors, "container-toolkit-missing/no-driver")
    if not said:
        return None
    if "amd" in said.lower():
        return worded("container-toolkit-missing/amd", said=said)
    kind = facts.container.kind if facts.container.kind == "podman" else "docker"
    install = "sudo dnf install -y" if facts.host.distro in DNF else "sudo apt-get install -y"
    return worded(
        "container-toolkit-missing",
        "container-toolkit-missing:podman"
        if kind == "podman"
        else "container-toolkit-missing:docker",
        said=said,
        install=install,
    )
