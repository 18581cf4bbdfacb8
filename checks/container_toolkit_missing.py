from tunedoctor.api import Errors, Facts, Finding, Unknown, check, heard, if_heard, worded

DNF = ("fedora", "rhel", "rocky", "almalinux", "ol", "centos", "amzn")


@check("container-toolkit-missing")
def container_toolkit_missing(facts: Facts, errors: Errors | Unknown) -> Finding | None:
    """Only by what an engine said."""
    if cdi := if_heard(errors, "container-toolkit-missing/cdi"):
        return cdi
    said = heard(errors, "container-toolkit-missing/no-driver")
    if not said:
        return None
    if "amd" in said.lower():
        return worded("container-toolkit-missing/amd", said=said)
    podman, dnf = facts.container.kind == "podman", facts.host.distro in DNF
    return worded(
        "container-toolkit-missing",
        "container-toolkit-missing:podman" if podman else "container-toolkit-missing:docker",
        said=said,
        install="sudo dnf install -y" if dnf else "sudo apt-get install -y",
    )
