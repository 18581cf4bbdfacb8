"""The container has no GPU device, though the host has a GPU.

What it means
    A container sees a GPU only if it was started with one. Without it there are no /dev/nvidia* files (AMD: no
    /dev/kfd), and CUDA counts no device, whatever is installed inside. Docker Desktop for Linux runs its engine in a
    virtual machine and can pass none.

How it is found
    /sys is the host's: it shows the cards and the loaded module; /dev is the container's own.

Cures
    Start the container anew with the flag.

When to ignore it
    In containers that are not meant to train.

Seen as
    WARNING: The NVIDIA Driver was not detected.  GPU functionality will not be available.
    No HIP GPUs are available
    No CUDA GPUs are available
    Error: crun: executable file `nvidia-smi` not found in $PATH
"""

from tunedoctor.api import (
    AmdGpus,
    Container,
    Environment,
    Errors,
    Finding,
    NvidiaAnswer,
    NvidiaGpus,
    NvidiaModule,
    PciBus,
    RocmStack,
    Runtime,
    TorchBuild,
    Unknown,
    advise,
    check,
    known,
    tell,
    told,
)

NVIDIA_FLAGS = {
    "docker": "docker run --gpus all IMAGE",
    "podman": "podman run --device nvidia.com/gpu=all IMAGE",
    "apptainer": "apptainer exec --nv IMAGE python",
    "kubernetes": "resources: {limits: {nvidia.com/gpu: 1}}",
    "lxc": "lxc config device add CONTAINER gpu gpu",
}
AMD_FLAGS = {
    "apptainer": "apptainer exec --rocm IMAGE python",
    "kubernetes": "resources: {limits: {amd.com/gpu: 1}}",
    "lxc": "lxc config device add CONTAINER gpu gpu",
    "podman": "podman run --device /dev/kfd --device /dev/dri --group-add keep-groups IMAGE",
}
DOCKER_AMD = (
    "docker run --device=/dev/kfd --device=/dev/dri --group-add video --group-add render IMAGE"
)
UNSEEN = r"load library failed: libnvidia-ml\.so"
"""NVIDIA's container tools, where the engine runs: it has no driver, whatever GPU the text names."""
NO_GPU = (
    r"No CUDA GPUs are available",
    r"No HIP GPUs are available",
    r"no CUDA-capable device is detected",
    r"Found no NVIDIA driver on your system",
    r"libcuda\.so\.1: cannot open shared object",
    r"No GPU (?:found|detected)",
    UNSEEN,
)
NOT_INJECTED = (
    r'exec: "nvidia-smi": executable file not found',
    r"executable file `nvidia-smi` not found",
)
"""The tool comes with the GPU from the host: an image that is started without has none. runc's words, and crun's."""
NOTHING_TO_BRING = r"Could not find any (?:nv files|NVIDIA libraries) on this host"
"""apptainer and singularity with --nv: their list of files names none that the host has."""
ROOTLESS = (
    r"open failed: /sys/fs/cgroup/devices/\S{0,200}devices\.allow: permission denied",
    r"bpf_prog_query\(BPF_CGROUP_DEVICE\) failed: operation not permitted",
)
"""An engine without root may not set the device rules of a container."""
NO_CGROUP = r"nvidia-container-cli(?:\.real)?: container error: cgroup subsystem devices not found"
"""A toolkit before 1.8 looks for cgroup v1. Source: libnvidia-container, release notes of 1.8.0."""
DETECTED = r"WARNING: The NVIDIA Driver was not detected"


@check(
    "container-gpu-not-passed",
    "The container was started without the GPU",
    explains=[
        "driver-missing",
        "gpu-not-started",
        "rocm-driver-not-bound",
        "torch-sees-no-gpu",
        "uvm-module-broken",
        "visible-devices-wrong",
    ],
)
def container_gpu_not_passed(  # noqa: PLR0911, PLR0913  both vendors, and what was said
    container: Container | Unknown | None,
    module: NvidiaModule | Unknown | None,
    nvidia: NvidiaGpus | Unknown | None,
    pci: PciBus | Unknown | None,
    amd: AmdGpus | Unknown | None,
    rocm: RocmStack | Unknown | None,
    torch: TorchBuild | Unknown | None,
    environment: Environment | Unknown | None,
    answer: NvidiaAnswer | Unknown | None,
    runtime: Runtime | Unknown | None,
    errors: Errors | Unknown | None,
) -> Finding | None:
    """Compare what the host has with the device files of the container; a CPU build makes a note of it."""
    inside, state, bus, build = known(container), known(module), known(pci), known(torch)
    stack, cards, kind = known(rocm), known(nvidia), build.accelerator if build else "unknown"
    if inside is None:
        return _from_text(bus, errors)
    run = known(runtime)
    blind = run is not None and run.gpu_available is False
    shown = cards is not None and bool(cards.gpus)
    if lost := _taken_away(inside, known(answer)):
        return lost
    # the GPUs that a report lists can be the host's, shown beside the failure in the container
    asked_in_vain = inside.gpu_asked and (not shown or bool(told(errors, UNSEEN)))
    if inside.gpu_asked is False or asked_in_vain:
        early = _from_start(inside, kind, errors, blind=blind)
        if early or not shown:
            return early or _from_text(None, errors)
    if shown:
        return None
    if lost := _in_a_pod(inside, errors) or _in_words(inside, errors):
        return lost
    if (
        state is not None
        and state.loaded
        and {"/dev/nvidia0", "/dev/nvidiactl"} <= set(state.missing_nodes)
        and kind not in ("rocm", "xpu")
    ):
        variables = known(environment)
        setting = variables.get("NVIDIA_VISIBLE_DEVICES") if variables else None
        set_to = f"; NVIDIA_VISIBLE_DEVICES is '{setting}'" if setting is not None else ""
        return Finding(
            severity="note" if kind == "cpu" else "error",
            found=f"the host has the NVIDIA module loaded; this {inside.kind} container has no /dev/nvidia*{set_to}",
            means="torch counts no GPU, 'No CUDA GPUs are available', and training runs on the CPU",
            cure=tell(NVIDIA_FLAGS.get(inside.kind, NVIDIA_FLAGS["docker"])),
            cure_note="start the container anew; the host needs nvidia-container-toolkit",
            evidence=("/sys/module/nvidia", "/dev", inside.evidence),
        )
    discrete = known(amd)
    has_amd = bus is not None and any(card.driver == "amdgpu" for card in bus.of("1002"))
    has_amd = has_amd and not (discrete and discrete.told_by)  # what a tool reaches is passed in
    if has_amd and stack is not None and stack.kfd == "missing" and kind == "rocm":
        names = f" ({discrete.gpus[0].name})" if discrete and discrete.gpus else ""
        return Finding(
            found=f"the host has an AMD GPU under amdgpu{names}; this {inside.kind} container has no /dev/kfd",
            means="torch counts no GPU, 'No HIP GPUs are available', and training runs on the CPU",
            cure=tell(AMD_FLAGS.get(inside.kind, DOCKER_AMD)),
            cure_note="start the container anew; Docker Desktop cannot pass the device: use the native engine, "
            "`docker context use default`",
            evidence=("/sys/bus/pci/devices", "/dev/kfd", inside.evidence),
        )
    return _without_kfd(inside, stack, errors) or _from_text(bus, errors)


def _without_kfd(
    container: Container, stack: RocmStack | None, errors: Errors | Unknown | None
) -> Finding | None:
    """Read rocminfo inside: it finds the host's module loaded, and no device file."""
    loaded = told(errors, r"ROCk module (?:version \S{1,20} )?is loaded")
    if stack is None or stack.kfd != "missing" or not loaded:
        return None
    return Finding(
        found=f"'{loaded}', which is the host's; this {container.kind} container has no /dev/kfd",
        said=loaded,
        means="torch counts no GPU, 'No HIP GPUs are available', and training runs on the CPU",
        cure=tell(AMD_FLAGS.get(container.kind, DOCKER_AMD)),
        cure_note="start the container anew; apptainer with --containall needs --bind /dev/kfd,/dev/dri as well",
    )


SERVICE = (
    "for the service in the compose file: deploy.resources.reservations.devices with driver nvidia and "
    "capabilities [gpu, compute, utility]; without compute, the driver's libcuda stays outside"
)
IN_WORDS = {
    "docker": (
        "docker compose config | grep -A8 devices",
        SERVICE,
        "docker compose exec SERVICE sh -c 'ls /dev/nvidia*; ldconfig -p | grep libcuda'",
    ),
    "enroot": (
        "export NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility",
        "before srun, or in the image: NVIDIA's images set both; without them enroot's hook brings nothing",
        "srun --container-image=IMAGE sh -c 'ls /dev/nvidia*; ldconfig -p | grep libcuda'",
    ),
}
"""How a container gets its GPU that a text shows without the command or file that starts it.

Source: Docker, "Enable GPU access with Docker Compose"; enroot's doc/standard-hooks.md, 98-nvidia.sh.
"""


def _in_words(container: Container, errors: Errors | Unknown | None) -> Finding | None:
    """Believe a text that shows by its form that it failed in a container: the host can have all that is needed."""
    said = told(errors, *NO_GPU)
    if container.kind not in IN_WORDS or container.evidence != "the text" or not said:
        return None
    cure, note, settle = IN_WORDS[container.kind]
    return Finding(
        found=f"the error '{said}' in a container of {container.kind}",
        said=said,
        means="torch counts no GPU, and training runs on the CPU",
        cure=tell(cure),
        cure_note=note,
        settle=settle,
    )


def _in_a_pod(container: Container, errors: Errors | Unknown | None) -> Finding | None:
    """Believe a text that says that it failed in a pod: the scheduler gives a GPU only to one that asks for it."""
    said = told(errors, *NO_GPU)
    if container.kind != "kubernetes" or container.evidence != "the text" or not said:
        return None
    return Finding(
        title="The pod has no GPU",
        found=f"the error '{said}' in a pod",
        said=said,
        means="torch counts no GPU, and training runs on the CPU",
        cure=advise("resources: {limits: {nvidia.com/gpu: 1}}"),
        cure_note="in the container of the pod; on k3s and others whose default runtime is not nvidia also "
        "runtimeClassName: nvidia",
        settle="kubectl exec POD -- sh -c 'ls /dev/nvidia*; ldconfig -p | grep libcuda'",
    )


def _taken_away(container: Container, answer: NvidiaAnswer | None) -> Finding | None:
    """Read NVML's answers in a container that was given a GPU: 999 after systemd reloaded, 4 under SELinux.

    Source: NVIDIA Container Toolkit, Troubleshooting.
    """
    codes = (answer.nvml_code, answer.smi_code) if answer is not None else ()
    if 999 in codes:
        return Finding(
            title="The container has lost its GPU",
            found=f"NVML says 'Unknown Error' in this {container.kind} container: its device files no longer open",
            said="Unknown Error",
            means="CUDA calls fail and nvidia-smi says 'Failed to initialize NVML: Unknown Error'",
            cure=tell("docker restart CONTAINER"),
            cure_note="`systemctl daemon-reload` on the host takes the devices away again; for good: "
            '"exec-opts": ["native.cgroupdriver=cgroupfs"] in /etc/docker/daemon.json, or ask for the GPU by CDI',
        )
    if 4 in codes:
        return Finding(
            title="The host keeps the GPU from the container",
            found=f"NVML says 'Insufficient Permissions' in this {container.kind} container",
            said="Insufficient Permissions",
            means="CUDA counts no device, and training runs on the CPU",
            cure=tell("docker run --gpus all --security-opt=label=disable IMAGE"),
            cure_note="where SELinux is on; without it, the user in the container needs the group of /dev/nvidia*",
        )
    return None


def _from_start(
    container: Container, kind: str, errors: Errors | Unknown | None, *, blind: bool
) -> Finding | None:
    """Take the command of a report that started the container, and what shows that there is no GPU in it."""
    said = told(errors, *NO_GPU)
    seen = f"the error '{said}'" if said else "torch.cuda.is_available() is False"
    desktop = container.evidence == "Docker Desktop"
    if not (said or blind) or kind == "cpu" or (container.gpu_asked and not desktop):
        return None
    amd = kind == "rocm" or "HIP" in said
    flags = AMD_FLAGS if amd else NVIDIA_FLAGS
    other = DOCKER_AMD if amd else NVIDIA_FLAGS["docker"]
    if desktop:
        return Finding(
            found=f"{seen} in a container of Docker Desktop",
            said=said,
            means="its engine runs in a virtual machine; on Linux that has no GPU, on Windows NVIDIA's alone",
            cure=tell(f"docker context use default && {other}"),
            cure_note="with the engine of the distribution in place of Docker Desktop; on Windows: Windows 11, or 10 "
            "from 21H2, with WSL 2 and NVIDIA's own driver",
        )
    return Finding(
        found=f"the {container.kind} command asks for no GPU; {seen}",
        said=said,
        means="torch counts no GPU, and training runs on the CPU",
        cure=tell(flags.get(container.kind, other)),
        cure_note="start the container anew"
        + ("" if amd else "; the host needs nvidia-container-toolkit"),
    )


def _from_text(bus: PciBus | None, errors: Errors | Unknown | None) -> Finding | None:
    """NVIDIA's images print this at their start; nothing else does."""
    if refused := _by_cgroup(errors):
        return refused
    if said := told(errors, NOTHING_TO_BRING):
        return Finding(
            title="The container gets no NVIDIA libraries",
            found=f"the engine says '{said}': its list of files names none that the host has",
            said=said,
            means="CUDA counts no device in the container, and training runs on the CPU",
            cure=tell("apptainer exec --nvccli IMAGE python"),
            cure_note="with NVIDIA's container toolkit on the host, which knows Jetson and WSL; without a driver on "
            "the host, that is to be installed first",
            settle="nvidia-smi; ldconfig -p | grep libcuda",
        )
    said = told(errors, DETECTED, *NOT_INJECTED)
    if said and bus is None:
        return Finding(
            found=f"the image says '{said}'",
            said=said,
            means="torch counts no GPU, 'No CUDA GPUs are available', and training runs on the CPU",
            # crun is podman's runtime, and podman takes --gpus without doing anything
            cure=tell(NVIDIA_FLAGS["podman" if "`" in said else "docker"]),
            cure_note="start the container anew; the host needs nvidia-container-toolkit",
        )
    return None


def _by_cgroup(errors: Errors | Unknown | None) -> Finding | None:
    """Read what NVIDIA's tools say where they cannot give a container its device rules."""
    means = "the container does not start, so nothing trains"
    if said := told(errors, *ROOTLESS):
        return Finding(
            title="A rootless engine cannot set device rules for the GPU",
            found=f"the engine says '{said}'",
            said=said,
            means=means,
            cure=tell("sudo nvidia-ctk config --set nvidia-container-cli.no-cgroups --in-place"),
            cure_note="root, on the host; for engines without root alone: with root, the container loses the GPU. "
            "CDI (--device nvidia.com/gpu=all) serves both",
        )
    if said := told(errors, NO_CGROUP):
        return Finding(
            title="The container toolkit does not know this host's cgroup v2",
            found=f"the engine says '{said}'",
            said=said,
            means=means,
            cure=tell(
                "sudo apt-get install --only-upgrade -y nvidia-container-toolkit libnvidia-container1 "
                "&& sudo systemctl restart docker"
            ),
            cure_note="root, on the host; 1.8 or newer, from NVIDIA's package source",
        )
    return None
