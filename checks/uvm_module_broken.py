from tunedoctor.api import (
    Container,
    Cure,
    Errors,
    Finding,
    Host,
    Known,
    NvidiaAnswer,
    NvidiaModule,
    Runtime,
    Typed,
    check,
    expression,
    heard,
    tell,
)

NODE = "/dev/nvidia-uvm"
RELOADS = expression("uvm-module-broken/reloads")


SETTLE = "nvidia-smi; ls -l /dev/nvidia-uvm; sudo dmesg | grep -E 'NVRM|Xid|uvm' | tail"


@check("uvm-module-broken")
def uvm_module_broken(
    module: Known[NvidiaModule],
    answer: Known[NvidiaAnswer],
    host: Known[Host],
    container: Known[Container],
    runtime: Known[Runtime],
    errors: Known[Errors],
    typed: Known[Typed],
) -> Finding | None:
    """Go by a missing node where nothing makes it on demand, and by CUDA's own words."""
    reloads = any(RELOADS.search(c) for c in typed.commands) if isinstance(typed, Typed) else False
    if (runtime is not None and runtime.gpu_works and not reloads) or (
        host is not None and host.wsl
    ):
        return None
    named = heard(errors, "uvm-module-broken/own")
    said = named or heard(errors, "uvm-module-broken")
    inside = container is not None
    nodes = module.missing_nodes if module and module.loaded else ()
    lacks = NODE in nodes and "/dev/nvidiactl" not in nodes
    # outside of a container the first CUDA program loads the module, by nvidia-modprobe
    proven = bool(said) or (runtime is not None and runtime.gpu_available is False)
    if not said and not (lacks and (inside or proven)):
        return None
    if answer is not None and 18 in (answer.nvml_code, answer.smi_code):
        return None
    facts = (
        f"{NODE} is missing"
        if lacks
        else f"the message '{named}'"
        if named
        else f"CUDA says '{said}'"
    )
    if module is not None and module.uvm_loaded is not None:
        facts += f"; the module nvidia_uvm is {'loaded' if module.uvm_loaded else 'not loaded'}"
    return Finding(
        found=facts,
        said=said,
        cure=_cure(lacks=lacks, inside=inside),
        cure_note="start the container with it; the host has to have loaded nvidia_uvm"
        if inside and lacks
        else "root; stop programs that use the GPU first; no reboot",
        settle="" if module is not None or answer is not None or named else SETTLE,
        evidence=(NODE, "/sys/module/nvidia_uvm") if module is not None else (),
    )


def _cure(*, lacks: bool, inside: bool) -> Cure:
    if inside and lacks:
        return tell(
            "docker run --gpus all --device=/dev/nvidia-uvm --device=/dev/nvidia-uvm-tools IMAGE"
        )
    if lacks:
        return tell("sudo nvidia-modprobe -u -c=0")
    return tell("sudo modprobe -r nvidia_uvm && sudo modprobe nvidia_uvm")
