from tunedoctor.api import (
    Container,
    Facts,
    Finding,
    PciBus,
    check,
    heard,
    if_heard,
    tell,
    worded,
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


@check("container-gpu-not-passed")
def container_gpu_not_passed(facts: Facts) -> Finding | None:  # noqa: PLR0911  both vendors, and what was said
    """Compare what the host has with the device files of the container; a CPU build makes a note of it."""
    kind = facts.torch.accelerator
    if not facts.container:
        return _from_text(facts, facts.pci)
    blind = facts.runtime.gpu_available is False
    shown = bool(facts.nvidia.gpus)
    if lost := _taken_away(facts, facts.container):
        return lost
    # the GPUs that a report lists can be the host's, shown beside the failure in the container
    asked_in_vain = facts.container.gpu_asked and (
        not shown or bool(heard(facts.errors, "container-gpu-not-passed/unseen"))
    )
    if facts.container.gpu_asked is False or asked_in_vain:
        early = _from_start(facts, facts.container, kind, blind=blind)
        if early or not shown:
            return early or _from_text(facts, None)
    if shown:
        return None
    if lost := _in_words(facts, facts.container):
        return lost
    if (
        facts.nvidia_module.loaded
        and {"/dev/nvidia0", "/dev/nvidiactl"} <= set(facts.nvidia_module.missing_nodes)
        and kind not in ("rocm", "xpu")
    ):
        setting = facts.environment.get("NVIDIA_VISIBLE_DEVICES")
        set_to = f"; NVIDIA_VISIBLE_DEVICES is '{setting}'" if setting is not None else ""
        return worded(
            "container-gpu-not-passed/nvidia",
            severity="note" if kind == "cpu" else "error",
            found="the host has the NVIDIA module loaded; "
            f"this {facts.container.kind} container has no /dev/nvidia*{set_to}",
            cure=tell(NVIDIA_FLAGS.get(facts.container.kind, NVIDIA_FLAGS["docker"])),
            evidence=("/sys/module/nvidia", "/dev", facts.container.evidence),
        )
    has_amd = any(card.driver == "amdgpu" for card in facts.pci.of("1002"))
    has_amd = has_amd and not (facts.amd.told_by)  # what a tool reaches is passed in
    if has_amd and facts.rocm.kfd == "missing" and kind == "rocm":
        names = f" ({facts.amd.gpus[0].name})" if facts.amd.gpus else ""
        return worded(
            "container-gpu-not-passed/amd",
            found=f"the host has an AMD GPU under amdgpu{names}; this {facts.container.kind} container has no /dev/kfd",
            cure=tell(AMD_FLAGS.get(facts.container.kind, DOCKER_AMD)),
            evidence=("/sys/bus/pci/devices", "/dev/kfd", facts.container.evidence),
        )
    return _without_kfd(facts, facts.container) or _from_text(facts, facts.pci)


def _without_kfd(facts: Facts, container: Container) -> Finding | None:
    """Read rocminfo inside: it finds the host's module loaded, and no device file."""
    loaded = heard(facts.errors, "container-gpu-not-passed/loaded")
    if facts.rocm.kfd != "missing" or not loaded:
        return None
    return worded(
        "container-gpu-not-passed/loaded",
        said=loaded,
        cure=tell(AMD_FLAGS.get(container.kind, DOCKER_AMD)),
        kind=container.kind,
    )


def _in_words(facts: Facts, container: Container) -> Finding | None:
    """Believe a text that shows by its form that it failed in a container: the host can have all that is needed.

    A scheduler gives a GPU only to a pod that asks for it. Source: Docker, "Enable GPU access with Docker Compose";
    enroot's doc/standard-hooks.md, 98-nvidia.sh.
    """
    key = f"container-gpu-not-passed/{container.kind}"
    said = heard(facts.errors, "container-gpu-not-passed/unseen", "container-gpu-not-passed/no-gpu")
    if container.kind not in ("docker", "enroot", "kubernetes") or container.evidence != "the text":
        return None
    return worded(key, said=said) if said else None


def _taken_away(facts: Facts, container: Container) -> Finding | None:
    """Read NVML's answers in a container that was given a GPU: 999 after systemd reloaded, 4 under SELinux.

    Source: NVIDIA Container Toolkit, Troubleshooting.
    """
    codes = (
        (facts.nvidia_answer.nvml_code, facts.nvidia_answer.smi_code) if facts.nvidia_answer else ()
    )
    if 999 in codes:
        return worded("container-gpu-not-passed/lost", said="Unknown Error", kind=container.kind)
    if 4 in codes:
        return worded(
            "container-gpu-not-passed/kept", said="Insufficient Permissions", kind=container.kind
        )
    return None


def _from_start(facts: Facts, container: Container, kind: str, *, blind: bool) -> Finding | None:
    """Take the command of a report that started the container, and what shows that there is no GPU in it."""
    said = heard(facts.errors, "container-gpu-not-passed/unseen", "container-gpu-not-passed/no-gpu")
    seen = f"the error '{said}'" if said else "torch.cuda.is_available() is False"
    desktop = container.evidence == "Docker Desktop"
    if not (said or blind) or kind == "cpu" or (container.gpu_asked and not desktop):
        return None
    amd = kind == "rocm" or "HIP" in said
    flags = AMD_FLAGS if amd else NVIDIA_FLAGS
    other = DOCKER_AMD if amd else NVIDIA_FLAGS["docker"]
    if desktop:
        return worded("container-gpu-not-passed/desktop", said=said, other=other, seen=seen)
    return Finding(
        found=f"the {container.kind} command asks for no GPU; {seen}",
        said=said,
        cure=tell(flags.get(container.kind, other)),
        cure_note="start the container anew"
        + ("" if amd else "; the host needs nvidia-container-toolkit"),
    )


def _from_text(facts: Facts, bus: PciBus | None) -> Finding | None:
    """NVIDIA's images print this at their start; nothing else does."""
    refusals = ("rootless", "no-cgroup", "nothing-to-bring")
    if refused := if_heard(facts.errors, *(f"container-gpu-not-passed/{one}" for one in refusals)):
        return refused
    said = heard(
        facts.errors, "container-gpu-not-passed/detected", "container-gpu-not-passed/not-injected"
    )
    if said and not bus:
        # crun is podman's runtime, and podman takes --gpus without doing anything
        return worded(
            "container-gpu-not-passed/detected",
            said=said,
            cure=tell(NVIDIA_FLAGS["podman" if "`" in said else "docker"]),
        )
    return None
