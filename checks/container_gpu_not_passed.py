from tunedoctor.api import Facts, Finding, check, heard, if_heard, tell, worded

NVIDIA_FLAGS = {
    "docker": "docker run --gpus all IMAGE",
    "podman": "podman run --device nvidia.com/gpu=all IMAGE",
    "apptainer": "apptainer exec --nv IMAGE python",
    "kubernetes": "resources: {limits: {nvidia.com/gpu: 1}}",
    "lxc": "lxc config device add CONTAINER gpu gpu",
}
AMD_FLAGS = {
    "docker": "docker run --device=/dev/kfd --device=/dev/dri --group-add video --group-add render IMAGE",
    "apptainer": "apptainer exec --rocm IMAGE python",
    "kubernetes": "resources: {limits: {amd.com/gpu: 1}}",
    "lxc": "lxc config device add CONTAINER gpu gpu",
    "podman": "podman run --device /dev/kfd --device /dev/dri --group-add keep-groups IMAGE",
}
NODES = {"/dev/nvidia0", "/dev/nvidiactl"}
UNSEEN = ("container-gpu-not-passed/unseen", "container-gpu-not-passed/no-gpu")
REFUSALS = ("rootless", "no-cgroup", "nothing-to-bring")


@check("container-gpu-not-passed")
def container_gpu_not_passed(facts: Facts) -> Finding | None:
    """Compare what the host has with the device files of the container; a CPU build makes a note of it."""
    if not facts.container:
        return _from_text(facts)
    # NVML's answers in a container that was given a GPU: 999 after systemd reloaded, 4 under SELinux.
    # Source: NVIDIA Container Toolkit, Troubleshooting
    for code, part in ((999, "lost"), (4, "kept")):
        if facts.nvidia_answer.says(code):
            key, kind = f"container-gpu-not-passed/{part}", facts.container.kind
            return worded(key, kind=kind, said=SAID[part])
    shown = bool(facts.nvidia.gpus)
    # the GPUs that a report lists can be the host's, shown beside the failure in the container
    asked_in_vain = facts.container.gpu_asked and (not shown or heard(facts.errors, UNSEEN[0]))
    if facts.container.gpu_asked is False or asked_in_vain:
        early = _from_start(facts)
        if early or not shown:
            return early or _from_text(facts, bus=False)
    if shown:
        return None
    return _in_words(facts) or _by_devices(facts) or _from_text(facts)


SAID = {"lost": "Unknown Error", "kept": "Insufficient Permissions"}


def _by_devices(facts: Facts) -> Finding | None:
    """Compare the host's modules with the device files that the container has."""
    build, kind = facts.torch.accelerator, facts.container.kind
    amd = AMD_FLAGS.get(kind, AMD_FLAGS["docker"])
    if {*facts.nvidia_module.missing_nodes} >= NODES and build not in ("rocm", "xpu"):
        return worded(
            "container-gpu-not-passed/nvidia",
            severity="note" if build == "cpu" else "error",
            cure=tell(NVIDIA_FLAGS.get(kind, NVIDIA_FLAGS["docker"])),
            evidence=("/sys/module/nvidia", "/dev", facts.container.evidence),
            kind=kind,
            setting=repr(facts.environment.get("NVIDIA_VISIBLE_DEVICES")).replace("None", ""),
        )
    if facts.rocm.kfd != "missing":
        return None
    driven = any(card.driver == "amdgpu" for card in facts.pci.of("1002"))
    # what a tool reaches is passed in
    if driven and not facts.amd.told_by and build == "rocm":
        return worded(
            "container-gpu-not-passed/amd",
            cure=tell(amd),
            evidence=("/sys/bus/pci/devices", "/dev/kfd", facts.container.evidence),
            kind=kind,
            name=facts.amd.gpus[0].name if facts.amd.gpus else "",
        )
    # rocminfo inside finds the host's module loaded, and no device file
    loaded = heard(facts.errors, "container-gpu-not-passed/loaded")
    key = "container-gpu-not-passed/loaded"
    return worded(key, said=loaded, cure=tell(amd), kind=kind) if loaded else None


def _in_words(facts: Facts) -> Finding | None:
    """Believe a text that shows by its form that it failed in a container: the host can have all that is needed.

    A scheduler gives a GPU only to a pod that asks for it. Source: Docker, "Enable GPU access with Docker Compose";
    enroot's doc/standard-hooks.md, 98-nvidia.sh.
    """
    kind, said = facts.container.kind, heard(facts.errors, *UNSEEN)
    known = kind in ("docker", "enroot", "kubernetes") and facts.container.evidence == "the text"
    return worded(f"container-gpu-not-passed/{kind}", said=said) if known and said else None


def _from_start(facts: Facts) -> Finding | None:
    """Take the command of a report that started the container, and what shows that there is no GPU in it."""
    said, kind = heard(facts.errors, *UNSEEN), facts.container.kind
    seen = f"the error '{said}'" if said else "torch.cuda.is_available() is False"
    desktop = facts.container.evidence == "Docker Desktop"
    blind = facts.runtime.gpu_available is False
    cpu = facts.torch.accelerator == "cpu"
    if not (said or blind) or cpu or (facts.container.gpu_asked and not desktop):
        return None
    amd = facts.torch.accelerator == "rocm" or "HIP" in said
    flags = AMD_FLAGS if amd else NVIDIA_FLAGS
    if desktop:
        other = flags["docker"]
        return worded("container-gpu-not-passed/desktop", said=said, other=other, seen=seen)
    return worded(
        "container-gpu-not-passed/start",
        said=said,
        cure=tell(flags.get(kind, flags["docker"])),
        kind=kind,
        seen=seen,
        toolkit="" if amd else "nvidia-container-toolkit",
    )


def _from_text(facts: Facts, *, bus: bool = True) -> Finding | None:
    """NVIDIA's images print this at their start; nothing else does."""
    if refused := if_heard(facts.errors, *(f"container-gpu-not-passed/{one}" for one in REFUSALS)):
        return refused
    parts = ("container-gpu-not-passed/detected", "container-gpu-not-passed/not-injected")
    said = heard(facts.errors, *parts)
    if not said or (bus and facts.pci):
        return None
    # crun is podman's runtime, and podman takes --gpus without doing anything
    cure = tell(NVIDIA_FLAGS["podman" if "`" in said else "docker"])
    return worded("container-gpu-not-passed/detected", said=said, cure=cure)
