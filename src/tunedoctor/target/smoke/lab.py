"""What all stages share: the imported libraries, the device, the type of numbers."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

from ..deep import described, kind_of
from ..reporting import Teller, Wrong, attempt, installed, reach, text_of

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

NEEDED = {
    "torch": (),
    "tokenizers": ("Tokenizer",),
    "safetensors": ("safe_open",),
    # touched, for transformers loads them late
    "transformers": ("LlamaConfig", "LlamaForCausalLM"),
    "peft": ("LoraConfig", "get_peft_model", "PeftModel"),
}


class Lab:
    """The libraries, each under its name, and the device; filled stage by stage."""

    def __init__(self, asked_device: str) -> None:
        """Take the device that was asked for, "" for the best there is."""
        self.asked_device = asked_device
        self.device = self.kind = "cpu"
        self.half: Any = None
        """The 16-bit type that training takes on this device, None for none."""

    def __getattr__(self, name: str) -> Any:
        """Refuse a library that was not imported."""
        raise AttributeError(name)

    @property
    def space(self) -> str:
        """The part of torch that speaks for the device; "" for MPS and the CPU."""
        return {"cuda": "cuda", "rocm": "cuda", "xpu": "xpu"}.get(self.kind, "")

    def sync(self) -> None:
        """Wait for the device: its errors come out here, and times are true."""
        if self.space:
            reach(self.torch, self.space + ".synchronize")(self.device)
        elif self.kind == "mps":
            reach(self.torch, "mps.synchronize")()

    def peak(self) -> int | None:
        """Return the most bytes used on the device; on the CPU, those of the complete process."""
        if self.space:
            return self.bytes("max_memory_reserved")
        if self.kind == "mps":
            most = attempt(self.torch, "mps.driver_allocated_memory")
            return most if isinstance(most, int) else None
        try:
            import resource

            most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        except Exception:  # Windows has no such module
            return None
        return most if sys.platform == "darwin" else most * 1024

    def bytes(self, name: str) -> int | None:
        """Return a counter of the device's allocator by its name; None if it has no such counter."""
        most = attempt(self.torch, f"{self.space}.{name}", self.device) if self.space else None
        return most if isinstance(most, int) else None


def quiet(asked_for: str = "") -> None:
    """Keep the network out, and libraries that nothing asked for."""
    os.environ.update(QUIET)
    # None in sys.modules: find_spec says that it is not there, an import raises ImportError
    for name in {*UNASKED} - {asked_for}:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]


def began(tell: Teller, lab: Lab, *names: str, choose: bool = True) -> bool:
    """Import libraries and choose the device, each in a separate stage; return False if one failed."""
    quiet(names[-1] if names else "")
    for name in names or NEEDED:
        why_not = "" if name in NEEDED or installed(name) else name + " is not installed"
        if not tell.stage("import " + name, import_into, lab, name, why_not=why_not):
            return False
    return not choose or tell.stage("device", choose_device, lab)


def import_into(lab: Lab, name: str, data: dict[str, Any]) -> None:
    """Import one library."""
    module = importlib.import_module(name)
    data["version"], data["file"] = text_of(module, "__version__"), text_of(module, "__file__")
    for one in NEEDED.get(name, ()):
        getattr(module, one)
    setattr(lab, name, module)
    if name == "torch":  # two threads that spin on a busy machine take fifty times as long as one
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        module.set_num_threads(1)


def choose_device(lab: Lab, data: dict[str, Any]) -> None:
    """Take the device that a trainer takes: CUDA or ROCm, XPU, MPS, else the CPU."""
    torch, kind = lab.torch, kind_of(lab.torch)
    paths = {"cuda": "cuda", "xpu": "xpu", "mps": "backends.mps"}
    lab.device = lab.asked_device
    if not lab.device:
        works = (one for one in paths if attempt(torch, paths[one] + ".is_available"))
        best = next(works, "cpu")
        lab.device = best + ":0" if best in ("cuda", "xpu") else best
    space = lab.device.split(":")[0]
    lab.kind = "rocm" if space == "cuda" and kind == "rocm" else space
    data.update(device=lab.device, kind=lab.kind, name="CPU")
    native: Any = True  # on the CPU always bfloat16, else where the device computes in it
    if space != "cpu":
        if space in paths and not attempt(torch, paths[space] + ".is_available"):
            raise Wrong("no-device", f"torch {torch.__version__} sees no {space} device")
        found = described(torch, lab.kind, int(lab.device.partition(":")[2] or 0))
        data.update(name=found["name"] or space, memory_total=found["memory_total"])
        native = lab.kind not in ("cuda", "rocm") or found.get("bf16")
    data["half"] = "bfloat16" if native else "float16"
    lab.half = getattr(torch, data["half"])
    # the first word with the device: a context that can't be made shows here
    if float(torch.ones(8, device=lab.device).sum()) != 8.0:
        raise Wrong("wrong-sum", f"the sum of eight ones on {lab.device} is not 8")
    lab.sync()


def first_names(names: list[str], most: int = 3) -> str:
    """Return the first names, short, and how many more there are."""
    rest = len(names) - most
    # the same in front of all: base_model.model.model.layers.0.self_attn.q_proj.lora_A.default.weight
    short = [n.replace("base_model.model.", "").replace(".default.weight", "") for n in names]
    return ", ".join(short[:most]) + (f" and {rest} more" if rest > 0 else "")


def finite(x: float) -> bool:
    """Return whether a number is finite."""
    return abs(x) < float("inf")
