from tunedoctor import api

NODES = {"/dev/nvidia0", "/dev/nvidiactl"}
UNSEEN = ("/unseen", "/no-gpu")
NO_NVIDIA = "torch finds no GPU ('No CUDA GPUs are available'), so training runs on the CPU"
NO_AMD = "torch finds no GPU ('No HIP GPUs are available'), so training runs on the CPU"
DOCKER_AMD = (
    "docker run --device=/dev/kfd --device=/dev/dri --group-add video --group-add render IMAGE"
)
GIVE_NVIDIA = {
    "docker": "docker run --gpus all IMAGE",
    "podman": "podman run --device nvidia.com/gpu=all IMAGE",
    "apptainer": "apptainer exec --nv IMAGE python",
    "kubernetes": "resources: {limits: {nvidia.com/gpu: 1}}",
    "lxc": "lxc config device add CONTAINER gpu gpu",
}
"""Kind of container -> how it is given the GPU."""
GIVE_AMD = {
    "docker": DOCKER_AMD,
    "podman": "podman run --device /dev/kfd --device /dev/dri --group-add keep-groups IMAGE",
    "apptainer": "apptainer exec --rocm IMAGE python",
    "kubernetes": "resources: {limits: {amd.com/gpu: 1}}",
    "lxc": "lxc config device add CONTAINER gpu gpu",
}


@api.check(
    "container-gpu-not-passed",
    uses=(
        api.AmdGpus,
        api.Container,
        api.Environment,
        api.Errors,
        api.NvidiaGpus,
        api.NvidiaAnswer,
        api.NvidiaModule,
        api.PciBus,
        api.RocmStack,
        api.Runtime,
        api.TorchBuild,
    ),
)
def container_gpu_not_passed(facts: api.Facts) -> api.Finding | None:
    """Compare the host's GPUs with the container's device files; with a CPU build it is a note."""
    if not facts.container:
        return _find_startup_message(facts)
    # NVML's answers in a container that was given a GPU: 999 after systemd reloaded, 4 under SELinux.
    # Source: NVIDIA Container Toolkit, Troubleshooting
    if facts.nvidia_answer.says(999):
        return _report_lost_gpu(facts)
    if facts.nvidia_answer.says(4):
        return _report_denied_gpu(facts)
    has_gpus = bool(facts.nvidia.gpus)
    # the GPUs in a report can be the host's, listed next to the failure in the container
    asked_in_vain = facts.container.gpu_asked and (not has_gpus or facts.error_text(UNSEEN[0]))
    if facts.container.gpu_asked is False or asked_in_vain:
        early = _find_start_without_gpu(facts)
        if early or not has_gpus:
            return early or _find_startup_message(facts, bus=False)
    return (
        None
        if has_gpus
        else _find_error_in_container(facts)
        or _find_missing_device_files(facts)
        or _find_startup_message(facts)
    )


def _report_lost_gpu(facts: api.Facts) -> api.Finding:
    return api.Finding(
        title="The container has lost its GPU",
        found=(
            f"NVML says 'Unknown Error' in this {facts.container.kind} container: its device files "
            "can no longer be opened"
        ),
        means="CUDA calls fail and nvidia-smi says 'Failed to initialize NVML: Unknown Error'",
        cure=api.tell("docker restart CONTAINER"),
        cure_note=(
            "the next `systemctl daemon-reload` on the host removes the devices again; to fix this "
            'permanently, set "exec-opts": ["native.cgroupdriver=cgroupfs"] in '
            "/etc/docker/daemon.json, or request the GPU through CDI"
        ),
        said="Unknown Error",
    )


def _report_denied_gpu(facts: api.Facts) -> api.Finding:
    return api.Finding(
        title="The host does not let the container use the GPU",
        found=f"NVML says 'Insufficient Permissions' in this {facts.container.kind} container",
        means="CUDA finds no device, so training runs on the CPU",
        cure=api.tell("docker run --gpus all --security-opt=label=disable IMAGE"),
        cure_note=(
            "if SELinux is enabled; otherwise add the user in the container to the group of "
            "/dev/nvidia*"
        ),
        said="Insufficient Permissions",
    )


def _gpu_access_command(commands: dict[str, str], kind: str) -> api.Cure:
    """Return how a container of this kind is given the GPU; docker's way if the kind is unknown."""
    return api.tell(commands.get(kind, commands["docker"]))


def _find_missing_device_files(facts: api.Facts) -> api.Finding | None:
    """Compare the host's modules with the device files that the container has."""
    build, kind = facts.torch.accelerator, facts.container.kind
    if {*facts.nvidia_module.missing_nodes} >= NODES and build not in ("rocm", "xpu"):
        setting = facts.environment.get("NVIDIA_VISIBLE_DEVICES")
        variable = f"; NVIDIA_VISIBLE_DEVICES is {setting!r}" if setting is not None else ""
        return api.Finding(
            severity="note" if build == "cpu" else "error",
            found=(
                f"the host has loaded the NVIDIA kernel module; this {kind} container has no "
                f"/dev/nvidia*{variable}"
            ),
            means=NO_NVIDIA,
            cure=_gpu_access_command(GIVE_NVIDIA, kind),
            cure_note="start a new container this way; the host needs nvidia-container-toolkit",
            evidence=("/sys/module/nvidia", "/dev", facts.container.evidence),
        )
    if facts.rocm.kfd != "missing":
        return None
    driven = any(card.driver == "amdgpu" for card in facts.pci.of("1002"))
    # a GPU that a tool reaches was passed into the container
    if driven and not facts.amd.told_by and build == "rocm":
        name = facts.amd.gpus[0].name if facts.amd.gpus else ""
        card = f" ({name})" if name else ""
        return api.Finding(
            found=(
                f"the host has an AMD GPU that uses the amdgpu driver{card}; this {kind} container "
                "has no /dev/kfd"
            ),
            means=NO_AMD,
            cure=_gpu_access_command(GIVE_AMD, kind),
            cure_note=(
                "start a new container this way; Docker Desktop cannot pass the device to a "
                "container, so use the native engine: `docker context use default`"
            ),
            evidence=("/sys/bus/pci/devices", "/dev/kfd", facts.container.evidence),
        )
    # rocminfo in the container finds the host's module loaded, but no device file
    loaded = facts.error_text("/loaded")
    if not loaded:
        return None
    return api.Finding(
        found=(f"'{loaded}', but that is the host's module; this {kind} container has no /dev/kfd"),
        means=NO_AMD,
        cure=_gpu_access_command(GIVE_AMD, kind),
        cure_note=(
            "start a new container this way; apptainer with --containall also needs --bind "
            "/dev/kfd,/dev/dri"
        ),
        said=loaded,
    )


def _find_error_in_container(facts: api.Facts) -> api.Finding | None:
    """Use an error whose form shows that it happened in a container, even if the host is fine.

    A scheduler gives a GPU only to a pod that asks for it. Source: Docker, "Enable GPU access with Docker Compose";
    enroot's doc/standard-hooks.md, 98-nvidia.sh.
    """
    kind, error = facts.container.kind, facts.error_text(*UNSEEN)
    if not error or facts.container.evidence != "the text":
        return None
    command = "sh -c 'ls /dev/nvidia*; ldconfig -p | grep libcuda'"
    if kind == "docker":
        return api.Finding(
            found=f"the error '{error}' in a docker container",
            cure=api.tell("docker compose config | grep -A8 devices"),
            cure_note=(
                "in the compose file, the service needs deploy.resources.reservations.devices with "
                "driver nvidia and capabilities [gpu, compute, utility]; without compute, the "
                "container does not get the driver's libcuda"
            ),
            settle=f"docker compose exec SERVICE {command}",
            said=error,
        )
    if kind == "enroot":
        return api.Finding(
            found=f"the error '{error}' in an enroot container",
            cure=api.tell(
                "export NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility"
            ),
            cure_note=(
                "set both before srun or in the image (NVIDIA's images set them); without them, "
                "enroot's hook adds no GPU to the container"
            ),
            settle=f"srun --container-image=IMAGE {command}",
            said=error,
        )
    if kind == "kubernetes":
        return api.Finding(
            title="The pod has no GPU",
            found=f"the error '{error}' in a pod",
            cure=api.advise(GIVE_NVIDIA["kubernetes"]),
            cure_note=(
                "add this to the container in the pod; if nvidia is not the default runtime, for "
                "example on k3s, also set runtimeClassName: nvidia"
            ),
            settle=f"kubectl exec POD -- {command}",
            said=error,
        )
    return None


def _find_start_without_gpu(facts: api.Facts) -> api.Finding | None:
    """Use the report's command that started the container and the sign that it has no GPU."""
    error = facts.error_text(*UNSEEN)
    symptom = f"the error '{error}'" if error else "torch.cuda.is_available() is False"
    desktop = facts.container.evidence == "Docker Desktop"
    blind = facts.runtime.gpu_available is False
    cpu = facts.torch.accelerator == "cpu"
    if not (error or blind) or cpu or (facts.container.gpu_asked and not desktop):
        return None
    amd = facts.torch.accelerator == "rocm" or "HIP" in error
    if desktop:
        command = DOCKER_AMD if amd else GIVE_NVIDIA["docker"]
        return api.Finding(
            found=f"{symptom} in a Docker Desktop container",
            means=(
                "Docker Desktop runs its engine in a virtual machine, which has no GPU on Linux and "
                "only NVIDIA GPUs on Windows"
            ),
            cure=api.tell(f"docker context use default && {command}"),
            cure_note=(
                "uses the distribution's engine instead of Docker Desktop; on Windows you need "
                "Windows 11, or Windows 10 from 21H2, with WSL 2 and NVIDIA's own driver"
            ),
            said=error,
        )
    kind = facts.container.kind
    toolkit = "" if amd else "; the host needs nvidia-container-toolkit"
    return api.Finding(
        found=f"the {kind} command requests no GPU; {symptom}",
        cure=_gpu_access_command(GIVE_AMD if amd else GIVE_NVIDIA, kind),
        cure_note=f"start a new container this way{toolkit}",
        said=error,
    )


def _find_startup_message(facts: api.Facts, *, bus: bool = True) -> api.Finding | None:
    """Read what NVIDIA's images print at startup; nothing else prints it."""
    if refused := _find_engine_error(facts):
        return refused
    error = facts.error_text("/detected", "/not-injected")
    if not error or (bus and facts.pci):
        return None
    # crun is podman's runtime, and podman accepts --gpus but ignores it
    engine = "podman" if "`" in error else "docker"
    return api.Finding(
        found=f"the image says '{error}'",
        means=NO_NVIDIA,
        cure=_gpu_access_command(GIVE_NVIDIA, engine),
        cure_note="start a new container this way; the host needs nvidia-container-toolkit",
        said=error,
    )


def _find_engine_error(facts: api.Facts) -> api.Finding | None:
    """Report an engine that does not start the container."""
    if error := facts.error_text("/rootless"):
        return api.Finding(
            title="A rootless engine cannot set device rules for the GPU",
            found=f"the engine says '{error}'",
            means="the container does not start, so training cannot run",
            cure=api.tell(
                "sudo nvidia-ctk config --set nvidia-container-cli.no-cgroups --in-place"
            ),
            cure_note=(
                "needs root, on the host; only for engines that run without root: with this "
                "setting, an engine that runs as root loses the GPU. CDI (--device "
                "nvidia.com/gpu=all) works for both"
            ),
            said=error,
        )
    if error := facts.error_text("/no-cgroup"):
        return api.Finding(
            title="The container toolkit does not support cgroup v2",
            found=f"the engine says '{error}'",
            means="the container does not start, so training cannot run",
            cure=api.tell(
                "sudo apt-get install --only-upgrade -y nvidia-container-toolkit "
                "libnvidia-container1 && sudo systemctl restart docker"
            ),
            cure_note=(
                "needs root, on the host; version 1.8 or newer, from NVIDIA's package source"
            ),
            said=error,
        )
    if error := facts.error_text("/nothing-to-bring"):
        return api.Finding(
            title="The container gets no NVIDIA libraries",
            found=f"the engine says '{error}': the host has none of the files on the engine's list",
            means="CUDA finds no device in the container, so training runs on the CPU",
            cure=api.tell("apptainer exec --nvccli IMAGE python"),
            cure_note=(
                "needs NVIDIA's container toolkit on the host, which supports Jetson and WSL; if "
                "the host has no driver, install it first"
            ),
            settle="nvidia-smi; ldconfig -p | grep libcuda",
            said=error,
        )
    return None


DNF = ("fedora", "rhel", "rocky", "almalinux", "ol", "centos", "amzn")


WRITE_CDI = "nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml"


@api.check("container-toolkit-missing", uses=(api.Container, api.Errors, api.Host))
def container_toolkit_missing(facts: api.Facts, errors: api.Errors | api.Unknown) -> api.Result:
    """Decide only by an error of the container engine."""
    if error := facts.error_text("/cdi"):
        return api.Finding(
            title="The container engine has no current list of GPUs",
            found=f"the engine says '{error}'",
            cure=api.tell(f"sudo {WRITE_CDI}"),
            cure_note=(
                "needs root, on the host, and nvidia-container-toolkit; run it again after each "
                "driver change"
            ),
            said=error,
        )
    error = facts.error_text("/no-driver")
    if not error:
        return None
    if "amd" in error.lower():
        return api.Finding(
            found=f"the engine says '{error}'",
            cure=api.tell(DOCKER_AMD, "root"),
            cure_note=(
                "works without a toolkit; with the toolkit: sudo amd-ctk runtime configure, then "
                "restart the engine"
            ),
            said=error,
        )
    installer = "sudo dnf install -y" if facts.host.distro in DNF else "sudo apt-get install -y"
    install = f"{installer} nvidia-container-toolkit"
    if facts.container.kind == "podman":
        cure = api.tell(f"{install} && sudo {WRITE_CDI}")
    else:
        cure = api.tell(
            f"{install} && sudo nvidia-ctk runtime configure --runtime=docker && "
            "sudo systemctl restart docker"
        )
    return api.Finding(
        found=f"the engine says '{error}'",
        cure=cure,
        cure_note=(
            "needs root, on the host; install the toolkit from NVIDIA's package source; this "
            "restarts the engine. Docker from snap does not find the toolkit: use the "
            "distribution's or Docker's own package"
        ),
        said=error,
    )
