"""A container is to have a GPU, and the host has no container toolkit that could give it one.

What it means
    Docker, Podman and Kubernetes know nothing of GPUs. The vendor's container toolkit puts the device files and the
    driver's libraries into a container. Where it is not installed, or the engine was not told of it, the container does
    not start at all; in Kubernetes the pod waits for ever, since no node offers a GPU.

How it is found
    By the words of the engine: it names the runtime, the device driver or the CDI device that it does not know.

Cures
    Install the toolkit on the host, tell the engine of it, start the engine anew. For CDI, write the description of
    the devices; write it again after each change of the driver.

When to ignore it
    Where the job is to run on the CPU: leave the flag out.

Seen as
    could not select device driver "" with capabilities: [[gpu]]
    unknown or invalid runtime name: nvidia
    exec: "nvidia-container-runtime-hook": executable file not found in $PATH
    failed to discover GPU vendor from CDI: no known GPU vendor found
    unresolvable CDI devices nvidia.com/gpu=all
"""

from tunedoctor.api import Container, Errors, Finding, Host, Known, Unknown, check, heard, worded

DNF = ("fedora", "rhel", "rocky", "almalinux", "ol", "centos", "amzn")


@check(
    "container-toolkit-missing",
    "The host has no container toolkit for its GPU",
    explains=["torch-sees-no-gpu"],
)
def container_toolkit_missing(
    errors: Errors | Unknown,
    host: Known[Host],
    container: Known[Container],
) -> Finding | None:
    """Only by what an engine said."""
    if said := heard(errors, "container-toolkit-missing/cdi"):
        return worded("container-toolkit-missing/cdi", said=said)
    said = heard(errors, "container-toolkit-missing/no-driver")
    if not said:
        return None
    if "amd" in said.lower():
        return worded("container-toolkit-missing/amd", said=said)
    kind = container.kind if container and container.kind == "podman" else "docker"
    install = "sudo dnf install -y" if host and host.distro in DNF else "sudo apt-get install -y"
    return worded(
        "container-toolkit-missing",
        "container-toolkit-missing:podman"
        if kind == "podman"
        else "container-toolkit-missing:docker",
        said=said,
        install=install,
    )
