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
    0/1 nodes are available: 1 Insufficient nvidia.com/gpu
"""

from tunedoctor.api import (
    Container,
    Errors,
    Finding,
    Host,
    Unknown,
    check,
    known,
    tell,
    told,
)

NO_DRIVER = (
    r"no runtime for \"nvidia\" is configured",
    r"nvidia-ctk: command not found",
    r"Package '?nvidia-(?:container-toolkit|docker2)'? (?:is not available|has no installation candidate)",
    r"could not select device driver",
    r"unknown or invalid runtime name: \"?(?:nvidia|amd)",
    r"Unknown runtime specified \"?(?:nvidia|amd)",
    r"nvidia-container-(?:runtime|cli|toolkit|runtime-hook)\S{0,4}: (?:executable file not found|no such file)",
)
CDI = (
    r"failed to discover GPU vendor from CDI",
    r"unresolvable CDI devices?",
    r"stat nvidia\.com/gpu=\S{1,40}: no such file",
    r"failed to (?:stat|inject) CDI (?:host )?device",
)
CLUSTER = (r"Insufficient (?:nvidia|amd)\.com/gpu",)
DNF = ("fedora", "rhel", "rocky", "almalinux", "ol", "centos", "amzn")
MEANS = "the container does not start, so nothing trains"


@check(
    "container-toolkit-missing",
    "The host has no container toolkit for its GPU",
    explains=["torch-sees-no-gpu"],
)
def container_toolkit_missing(
    errors: Errors | Unknown,
    host: Host | Unknown | None,
    container: Container | Unknown | None,
) -> Finding | None:
    """Only by what an engine said."""
    inside, system = known(container), known(host)
    if said := told(errors, *CLUSTER):
        vendor = "amd" if "amd" in said else "nvidia"
        return Finding(
            title="No node of the cluster offers a GPU",
            found=f"the scheduler says '{said}'",
            said=said,
            means="the pod stays Pending, so nothing trains",
            cure=tell(
                f"kubectl get nodes -o custom-columns='N:.metadata.name,G:.status.allocatable.{vendor}\\.com/gpu'"
            ),
            cure_note=f"shows which node offers how many; none: its owner installs the {vendor.upper()} device plug-in "
            "and the container toolkit on the GPU nodes; all taken: wait, or ask for fewer",
            severity="error",
            settle="kubectl describe nodes | grep -A8 'Allocated resources'",
        )
    if said := told(errors, *CDI):
        return Finding(
            title="The container engine has no current list of GPUs",
            found=f"the engine says '{said}'",
            said=said,
            means=MEANS,
            cure=tell("sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml"),
            cure_note="root, on the host; needs nvidia-container-toolkit; again after each change of the driver",
        )
    said = told(errors, *NO_DRIVER)
    if not said:
        return None
    if "amd" in said.lower():
        return Finding(
            found=f"the engine says '{said}'",
            said=said,
            means=MEANS,
            cure=tell(
                "docker run --device=/dev/kfd --device=/dev/dri --group-add video --group-add render IMAGE",
                who="root",
            ),
            cure_note="needs no toolkit; with it: sudo amd-ctk runtime configure, then restart the engine",
        )
    kind = inside.kind if inside and inside.kind == "podman" else "docker"
    install = (
        "sudo dnf install -y" if system and system.distro in DNF else "sudo apt-get install -y"
    )
    return Finding(
        found=f"the engine says '{said}'",
        said=said,
        means=MEANS,
        cure=tell(
            f"{install} nvidia-container-toolkit && sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml"
        )
        if kind == "podman"
        else tell(
            f"{install} nvidia-container-toolkit && sudo nvidia-ctk runtime configure --runtime=docker "
            "&& sudo systemctl restart docker"
        ),
        cure_note="root, on the host; from NVIDIA's package source for the toolkit; restarts the engine. "
        "Docker from snap does not find it: use the distribution's or Docker's own package",
    )
