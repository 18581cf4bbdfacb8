from tunedoctor import api

SEEN = "uvm-module-broken:seen"
NODE = "/dev/nvidia-uvm"
SETTLE = "nvidia-smi; ls -l /dev/nvidia-uvm; sudo dmesg | grep -E 'NVRM|Xid|uvm' | tail"


@api.check("uvm-module-broken")
def uvm_module_broken(facts: api.Facts) -> api.Finding | None:
    """Go by a missing node where nothing makes it on demand, and by CUDA's own words."""
    state, reload = facts.nvidia_module, api.expression("uvm-module-broken/reloads")
    reloads = any(reload.search(command) for command in facts.typed.commands)
    if (facts.runtime.gpu_works and not reloads) or facts.host.wsl or facts.nvidia_answer.says(18):
        return None
    named = facts.heard("uvm-module-broken/own")
    said = named or facts.heard("uvm-module-broken")
    nodes = state.missing_nodes if state.loaded else ()
    lacks = NODE in nodes and "/dev/nvidiactl" not in nodes
    # outside of a container the first CUDA program loads the module, by nvidia-modprobe
    proven = facts.container or facts.runtime.gpu_available is False
    if not said and not (lacks and proven):
        return None
    says = f"the message '{named}'" if named else f"CUDA says '{said}'"
    case = "node" if lacks and facts.container else "probe" if lacks else "module"
    loaded = {True: "loaded", False: "not loaded", None: ""}[state.uvm_loaded]
    settle = "" if state or facts.nvidia_answer or named else SETTLE
    keys = (f"uvm-module-broken:{case}", SEEN if state else "", "uvm-module-broken")
    what = f"{NODE} is missing" if lacks else says
    return facts.worded(*keys, said=said, settle=settle, what=what, loaded=loaded)
