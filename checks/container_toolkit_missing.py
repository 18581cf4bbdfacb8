from tunedoctor import api

DNF = ("fedora", "rhel", "rocky", "almalinux", "ol", "centos", "amzn")


@api.check("container-toolkit-missing")
def container_toolkit_missing(facts: api.Facts, errors: api.Errors | api.Unknown) -> api.Result:
    """Only by what an engine said."""
    if cdi := facts.if_heard("container-toolkit-missing/cdi"):
        return cdi
    said = api.heard(errors, "container-toolkit-missing/no-driver")
    if not said:
        return None
    if "amd" in said.lower():
        return facts.worded("container-toolkit-missing/amd", said=said)
    kind = "podman" if facts.container.kind == "podman" else "docker"
    install = "sudo dnf install -y" if facts.host.distro in DNF else "sudo apt-get install -y"
    key = "container-toolkit-missing"
    return facts.worded(key, f"container-toolkit-missing:{kind}", said=said, install=install)
