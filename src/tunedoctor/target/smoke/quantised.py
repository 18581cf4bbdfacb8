"""bitsandbytes: 8-bit and 4-bit layers, and steps of QLoRA on the tiny model, in a process of their own."""

import os
import tempfile
from typing import Any, Dict

from ..deep.look import installed
from . import recipe
from .lab import Lab, choose_device, import_one, import_stages, needs
from .tell import Narrator, wrong
from .training import Trained

RANGE = {"8-bit": (0.001, 0.05), "4-bit": (0.02, 0.2)}
"""Error of outputs as a share of their size: smaller means not quantised, larger wrong. Seen: 0.01 and 0.09."""
STEPS = 6


def quantised(tell: Narrator, asked: Any) -> None:
    """Run the stages; each layer type stands alone."""
    lab = Lab(asked.device)
    scratch = asked.scratch or tempfile.mkdtemp(prefix="doctor-smoke-")
    # where it is not installed, nothing else is worth importing
    if not installed("bitsandbytes"):
        import_one(tell, lab, "bitsandbytes")
        return
    if not (
        import_stages(tell, lab)
        and import_one(tell, lab, "bitsandbytes")
        and tell.stage("device", lambda data: choose_device(lab, data))
    ):
        return
    tell.stage("8-bit", lambda data: _layer(lab, "8-bit", data))
    if tell.stage("4-bit", lambda data: _layer(lab, "4-bit", data)):
        tell.stage("QLoRA step", lambda data: _steps(lab, scratch, data))


def _layer(lab: Lab, kind: str, data: Dict[str, Any]) -> None:
    """Quantise one linear layer; outputs are near those of the full one, and gradients come through."""
    torch = lab.torch
    layers = needs(lab.bitsandbytes, "nn")
    torch.manual_seed(0)
    full = torch.nn.Linear(256, 512, bias=False)
    dtype = torch.float32 if lab.kind == "cpu" else torch.float16
    if kind == "4-bit":
        settings = {"quant_type": "nf4", "compute_dtype": dtype, "compress_statistics": True}
        small = needs(layers, "Linear4bit")(256, 512, bias=False, **settings)
    else:
        small = needs(layers, "Linear8bitLt")(256, 512, bias=False, has_fp16_weights=False)
    small.load_state_dict({"weight": full.weight.data.clone()}, strict=False)
    small = small.to(lab.device)
    x = torch.randn(16, 256)
    moved = x.to(lab.device).to(dtype).requires_grad_()
    found = small(moved)
    found.float().sum().backward()
    right = full(x)
    error = float((found.detach().float().cpu() - right).norm() / right.norm())
    data["difference"] = error
    low, high = RANGE[kind]
    if not low <= error <= high:
        text = "outputs of a {} layer are off by {:.3g}, where {} to {} is usual".format(
            kind, error, low, high
        )
        raise wrong(data, "quantised-differs", text)
    if moved.grad is None or not bool(torch.isfinite(moved.grad).all()):
        raise wrong(
            data, "quantised-differs", "no finite gradient comes through a {} layer".format(kind)
        )


def _steps(lab: Lab, scratch: str, data: Dict[str, Any]) -> None:
    """Load the tiny model in 4 bits and train adapters for a few steps: the loss falls."""
    parts = lab.transformers
    folder = os.path.join(scratch, "base")
    recipe.base(lab).save_pretrained(folder)
    settings = parts.BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=lab.half,
    )
    model = parts.LlamaForCausalLM.from_pretrained(
        folder, quantization_config=settings, device_map={"": lab.device}
    )
    model = lab.peft.prepare_model_for_kbit_training(model)
    run = Trained(lab, recipe.wrapped(lab, model), [recipe.batch(lab)], recipe.RATE)
    run.model.train()
    for _ in range(STEPS):
        run.step(recipe.STEPS)
    data["losses"] = [round(x, 4) for x in run.losses]
    if run.ledger.missing or not run.losses[-1] < run.losses[0]:
        text = "QLoRA does not learn: loss {:.3g} to {:.3g}, {} adapters without a gradient".format(
            run.losses[0], run.losses[-1], len(run.ledger.missing)
        )
        raise wrong(data, "loss-stays", text)
