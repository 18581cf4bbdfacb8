from tunedoctor.api import (
    Cure,
    Facts,
    Finding,
    check,
    expression,
    heard,
    tell,
)

NODE = "/dev/nvidia-uvm"


SETTLE = "nvidia-smi; ls -l /dev/nvidia-uvm; sudo dmesg | grep -E 'NVRM|Xid|uvm' | tail"


@check("uvm-module-broken")
def uvm_module_broken(facts: Facts) -> Finding | None:
    """Go by a missing node where nothing makes it on demand, and by CUDA's own words."""
    reloads = any(expression("uvm-module-broken/reloads").search(c) for c in facts.typed.commands)
    if (facts.runtime.gpu_works and not reloads) or (facts.host.wsl):
        return None
    named = heard(facts.errors, "uvm-module-broken/own")
    said = named or heard(facts.errors, "uvm-module-broken")
    inside = facts.container
    nodes = facts.nvidia_module.missing_nodes if facts.nvidia_module.loaded else ()
    lacks = NODE in nodes and "/dev/nvidiactl" not in nodes
    # outside of a container the first CUDA program loads the module, by nvidia-modprobe
    proven = bool(said) or (facts.runtime.gpu_available is False)
    if not said and not (lacks and (inside or proven)):
        return None
    if 18 in (
        facts.nvidia_answer.nvml_code,
        facts.nvidia_answer.smi_code,
    ):
        return None
    what = (
        f"{NODE} is missing"
        if lacks
        else f"the message '{named}'"
        if named
        else f"CUDA says '{said}'"
    )
    if facts.nvidia_module.uvm_loaded is not None:
        what += f"; the module nvidia_uvm is {'loaded' if facts.nvidia_module.uvm_loaded else 'not loaded'}"
    return Finding(
        found=what,
        said=said,
        cure=_cure(lacks=lacks, inside=inside),
        cure_note="start the container with it; the host has to have loaded nvidia_uvm"
        if inside and lacks
        else "root; stop programs that use the GPU first; no reboot",
        settle="" if facts.nvidia_module or facts.nvidia_answer or named else SETTLE,
        evidence=(NODE, "/sys/module/nvidia_uvm") if facts.nvidia_module else (),
    )


def _cure(*, lacks: bool, inside: bool) -> Cure:
    if inside and lacks:
        return tell(
            "docker run --gpus all --device=/dev/nvidia-uvm --device=/dev/nvidia-uvm-tools IMAGE"
        )
    if lacks:
        return tell("sudo nvidia-modprobe -u -c=0")
    return tell("sudo modprobe -r nvidia_uvm && sudo modprobe nvidia_uvm")
