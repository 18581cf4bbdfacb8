from tunedoctor import api

NVML_MESSAGES = {"lost": "Unknown Error", "kept": "Insufficient Permissions"}
NODES = {"/dev/nvidia0", "/dev/nvidiactl"}
UNSEEN = ("/unseen", "/no-gpu")
REFUSALS = ("rootless", "no-cgroup", "nothing-to-bring")


@api.check("container-gpu-not-passed")
def container_gpu_not_passed(facts: api.Facts) -> api.Finding | None:
    """Compare the host's GPUs with the container's device files; with a CPU build it is a note."""
    if not facts.container:
        return _from_text(facts)
    # NVML's answers in a container that was given a GPU: 999 after systemd reloaded, 4 under SELinux.
    # Source: NVIDIA Container Toolkit, Troubleshooting
    for code, part in ((999, "lost"), (4, "kept")):
        if facts.nvidia_answer.says(code):
            return facts.worded(f"/{part}", said=NVML_MESSAGES[part])
    has_gpus = bool(facts.nvidia.gpus)
    # the GPUs in a report can be the host's, listed next to the failure in the container
    asked_in_vain = facts.container.gpu_asked and (not has_gpus or facts.heard(UNSEEN[0]))
    if facts.container.gpu_asked is False or asked_in_vain:
        early = _from_start(facts)
        if early or not has_gpus:
            return early or _from_text(facts, bus=False)
    return None if has_gpus else _in_words(facts) or _by_devices(facts) or _from_text(facts)


def _by_devices(facts: api.Facts) -> api.Finding | None:
    """Compare the host's modules with the device files that the container has."""
    build = facts.torch.accelerator
    if {*facts.nvidia_module.missing_nodes} >= NODES and build not in ("rocm", "xpu"):
        return facts.worded(
            "/nvidia",
            *_command(facts, "nvidia"),
            severity="note" if build == "cpu" else "error",
            setting=repr(facts.environment.get("NVIDIA_VISIBLE_DEVICES")).replace("None", ""),
        )
    if facts.rocm.kfd != "missing":
        return None
    driven = any(card.driver == "amdgpu" for card in facts.pci.of("1002"))
    # a GPU that a tool reaches was passed into the container
    if driven and not facts.amd.told_by and build == "rocm":
        name = facts.amd.gpus[0].name if facts.amd.gpus else ""
        return facts.worded("/amd", *_command(facts, "amd"), name=name)
    # rocminfo in the container finds the host's module loaded, but no device file
    loaded = facts.heard("/loaded")
    return facts.worded("/loaded", *_command(facts, "amd"), said=loaded) if loaded else None


def _command(facts: api.Facts, vendor: str) -> tuple[str, str]:
    """Return the keys for giving a container of this kind the GPU; docker's if the kind is unknown."""
    return f"/run-{vendor}:{facts.container.kind}", f"/run-{vendor}:docker"


def _in_words(facts: api.Facts) -> api.Finding | None:
    """Use an error whose form shows that it happened in a container, even if the host is fine.

    A scheduler gives a GPU only to a pod that asks for it. Source: Docker, "Enable GPU access with Docker Compose";
    enroot's doc/standard-hooks.md, 98-nvidia.sh.
    """
    kind, error = facts.container.kind, facts.heard(*UNSEEN)
    recognised = (
        kind in ("docker", "enroot", "kubernetes") and facts.container.evidence == "the text"
    )
    return facts.worded(f"/{kind}", said=error) if recognised and error else None


def _from_start(facts: api.Facts) -> api.Finding | None:
    """Use the report's command that started the container and the sign that it has no GPU."""
    error = facts.heard(*UNSEEN)
    symptom = f"the error '{error}'" if error else "torch.cuda.is_available() is False"
    desktop = facts.container.evidence == "Docker Desktop"
    blind = facts.runtime.gpu_available is False
    cpu = facts.torch.accelerator == "cpu"
    if not (error or blind) or cpu or (facts.container.gpu_asked and not desktop):
        return None
    amd = facts.torch.accelerator == "rocm" or "HIP" in error
    vendor = "amd" if amd else "nvidia"
    if desktop:
        return facts.worded(f"/desktop:{vendor}", said=error, seen=symptom)
    command, toolkit = _command(facts, vendor), "" if amd else "nvidia-container-toolkit"
    return facts.worded("/start", *command, said=error, seen=symptom, toolkit=toolkit)


def _from_text(facts: api.Facts, *, bus: bool = True) -> api.Finding | None:
    """Read what NVIDIA's images print at startup; nothing else prints it."""
    if refused := facts.if_heard(*(f"/{refusal}" for refusal in REFUSALS)):
        return refused
    error = facts.heard("/detected", "/not-injected")
    if not error or (bus and facts.pci):
        return None
    # crun is podman's runtime, and podman accepts --gpus but ignores it
    engine = f"/run-nvidia:{'podman' if '`' in error else 'docker'}"
    return facts.worded("/detected", engine, said=error)


DNF = ("fedora", "rhel", "rocky", "almalinux", "ol", "centos", "amzn")


@api.check("container-toolkit-missing")
def container_toolkit_missing(facts: api.Facts, errors: api.Errors | api.Unknown) -> api.Result:
    """Decide only by an error of the container engine."""
    if cdi := facts.if_heard("/cdi"):
        return cdi
    error = facts.heard("/no-driver")
    if not error:
        return None
    if "amd" in error.lower():
        return facts.worded("/amd", said=error)
    kind = "podman" if facts.container.kind == "podman" else "docker"
    install = "sudo dnf install -y" if facts.host.distro in DNF else "sudo apt-get install -y"
    return facts.worded(f":{kind}", said=error, install=install)
