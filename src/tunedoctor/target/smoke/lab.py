"""What all stages share: the imported libraries, the device, the type of numbers."""

import importlib
import os
import sys
from typing import Any, Dict, List, Optional

from ..deep.attributes import attempt, reach, text_of
from ..deep.device import kind_of
from ..deep.look import installed
from .tell import Missing, Narrator, wrong

QUIET = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
    "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
    "TORCH_FORCE_WEIGHTS_ONLY_LOAD": "1",
    "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "0",
}
"""No network, no chatter, no code out of a pickle."""

UNASKED = ("bitsandbytes", "torchvision", "torchaudio", "deepspeed")
"""Libraries that peft or transformers load where they are there, though nothing here needs them: bitsandbytes alone
takes 1.5 s, and a broken one is for its own stage to tell."""


class Lab:
    """The libraries and the device; filled stage by stage."""

    def __init__(self, asked_device: str) -> None:
        """Take the device that was asked for, "" for the best there is."""
        self.torch: Any = None
        self.transformers: Any = None
        self.peft: Any = None
        self.tokenizers: Any = None
        self.safetensors: Any = None
        self.bitsandbytes: Any = None
        self.asked_device = asked_device
        self.device = "cpu"
        self.kind = "cpu"
        self.half: Any = None
        """The 16-bit type that training takes on this device, None for none."""

    def settle(self) -> None:
        """One thread on the CPU: two that spin on a busy machine take fifty times as long."""
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        self.torch.set_num_threads(1)

    def sync(self) -> None:
        """Wait for the device: its errors come out here, and times are true."""
        if self.kind in ("cuda", "rocm", "xpu"):
            space = "xpu" if self.kind == "xpu" else "cuda"
            reach(self.torch, space + ".synchronize")(self.device)
        elif self.kind == "mps":
            reach(self.torch, "mps.synchronize")()

    def forget_peak(self) -> None:
        """Start to measure the peak anew, where the device can."""
        space = {"cuda": "cuda", "rocm": "cuda", "xpu": "xpu"}.get(self.kind, "")
        if space:
            attempt(self.torch, space + ".reset_peak_memory_stats", self.device)

    def peak(self) -> Optional[int]:
        """Return the most bytes that were taken on the device, of the whole process on the CPU."""
        if self.kind in ("cuda", "rocm", "xpu"):
            space = "xpu" if self.kind == "xpu" else "cuda"
            most = attempt(self.torch, space + ".max_memory_reserved", self.device)
        elif self.kind == "mps":
            most = attempt(self.torch, "mps.driver_allocated_memory")
        else:
            most = _peak_of_process()
        return most if isinstance(most, int) else None

    def allocated(self) -> Optional[int]:
        """Return the most bytes that the device's allocator handed out; None where nobody counts them."""
        space = {"cuda": "cuda", "rocm": "cuda", "xpu": "xpu"}.get(self.kind, "")
        most = attempt(self.torch, space + ".max_memory_allocated", self.device) if space else None
        return most if isinstance(most, int) else None


def _peak_of_process() -> Optional[int]:
    try:
        import resource

        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    except Exception:  # Windows has no such module
        return None
    return most if sys.platform == "darwin" else most * 1024


def shut_out(found: Any = sys.modules) -> List[str]:
    """Keep libraries out that nothing asked for; return those kept out."""
    # None in sys.modules: find_spec says that it is not there, an import raises ImportError
    kept = [name for name in UNASKED if name not in found]
    for name in kept:
        found[name] = None
    return kept


def import_stages(tell: Narrator, lab: Lab) -> bool:
    """Import each library in a stage of its own; False where one failed, and the rest was not tried."""
    return all(_stage(tell, lab, name, names) for name, names in NEEDED)


def import_one(tell: Narrator, lab: Lab, name: str) -> bool:
    """Import one library in a stage; skipped, and False, where it is not installed."""
    why_not = "" if installed(name) else name + " is not installed"
    return _stage(tell, lab, name, dict(NEEDED).get(name, ()), why_not)


def _stage(tell: Narrator, lab: Lab, name: str, names: Any, why_not: str = "") -> bool:
    return tell.stage("import " + name, lambda data: _import(lab, name, names, data), why_not)


NEEDED = (
    ("torch", ()),
    ("tokenizers", ("Tokenizer",)),
    ("safetensors", ("safe_open",)),
    # touched, for transformers loads them late
    ("transformers", ("LlamaConfig", "LlamaForCausalLM")),
    ("peft", ("LoraConfig", "get_peft_model", "PeftModel")),
)


def _import(lab: Lab, name: str, names: Any, data: Dict[str, Any]) -> None:
    module = importlib.import_module(name)
    data["version"] = text_of(module, "__version__")
    data["file"] = text_of(module, "__file__")
    for one in names:
        getattr(module, one)
    setattr(lab, name, module)
    if name == "torch":
        lab.settle()


def choose_device(lab: Lab, data: Dict[str, Any]) -> None:
    """Take the device that a trainer takes: CUDA or ROCm, XPU, MPS, else the CPU."""
    torch = lab.torch
    kind = kind_of(torch)
    works = {
        "cuda": lambda: bool(attempt(torch, "cuda.is_available")),
        "xpu": lambda: bool(attempt(torch, "xpu.is_available")),
        "mps": lambda: bool(attempt(torch, "backends.mps.is_available")),
    }
    if lab.asked_device:
        lab.device = lab.asked_device
    else:
        best = next((name for name in ("cuda", "xpu", "mps") if works[name]()), "cpu")
        lab.device = best + ":0" if best in ("cuda", "xpu") else best
    space = lab.device.split(":")[0]
    lab.kind = "rocm" if space == "cuda" and kind == "rocm" else space
    data.update(device=lab.device, kind=lab.kind, name="CPU")
    if space != "cpu":
        if space in works and not works[space]():
            text = "torch {} sees no {} device".format(torch.__version__, space)
            raise wrong(data, "no-device", text)
        _describe(lab, space, data)
    lab.half = _half(lab, data)
    # the first word with the device: a context that can't be made shows here
    if float(torch.ones(8, device=lab.device).sum()) != 8.0:
        raise wrong(data, "wrong-sum", "the sum of eight ones on {} is not 8".format(lab.device))
    lab.sync()


def _describe(lab: Lab, space: str, data: Dict[str, Any]) -> None:
    torch = lab.torch
    if space == "mps":
        data["name"] = "Apple GPU"
        data["memory_total"] = attempt(torch, "mps.recommended_max_memory")
        return
    data["name"] = str(attempt(torch, space + ".get_device_name", lab.device) or space)
    free = attempt(torch, space + ".mem_get_info", lab.device)
    if isinstance(free, tuple):
        data["memory_free"], data["memory_total"] = free
    if space == "cuda" and lab.kind != "rocm":
        shape = attempt(torch, "cuda.get_device_capability", lab.device)
        if isinstance(shape, tuple):
            data["compute_capability"] = "{}.{}".format(*shape)


def _half(lab: Lab, data: Dict[str, Any]) -> Any:
    """Return bfloat16 where the device computes in it, else float16; on the CPU always bfloat16."""
    torch = lab.torch
    if lab.kind == "cuda":
        # is_bf16_supported counts emulation before compute capability 8.0
        native = tuple(attempt(torch, "cuda.get_device_capability", lab.device) or (0, 0)) >= (8, 0)
    elif lab.kind == "rocm":
        native = bool(attempt(torch, "cuda.is_bf16_supported"))
    else:
        native = True
    data["half"] = "bfloat16" if native else "float16"
    return torch.bfloat16 if native else torch.float16


def needs(module: Any, path: str) -> Any:
    """Return module.path, or skip the stage.

    Raises:
        Missing: this release does not have it.
    """
    try:
        return reach(module, path)
    except Missing:
        version = text_of(module, "__version__")
        text = "{} {} has no {}".format(module.__name__, version, path)
        raise Missing(text) from None
