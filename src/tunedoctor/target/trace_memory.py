# torch and its types are the target's, not the doctor's
# mypy: ignore-errors
# ruff: noqa: TID251
"""Trace the memory of a real training step without a GPU or weights: `python trace_memory.py < request.json`.

The model class of transformers is built on the meta device, peft's adapters are put on it, and two steps run on fake
tensors while each new storage is counted, in blocks of 512 bytes as torch's CUDA allocator rounds. Fake tensors lie on
"cpu": a CPU build can't make fake CUDA ones, and sizes are the same. Two depths are traced, each phase is carried on to
the whole depth along a line. Prints one JSON object. Python 3.8 and newer; torch, transformers, peft and nothing else.
"""

import contextlib
import copy
import json
import os
import sys
import time
import weakref

for _name, _value in (
    ("HF_HUB_OFFLINE", "1"),
    ("TRANSFORMERS_VERBOSITY", "error"),
    ("OMP_NUM_THREADS", "1"),
):
    os.environ.setdefault(_name, _value)
sys.modules["bitsandbytes"] = None  # peft then leaves it out: seconds of import

import torch  # noqa: E402
from torch._subclasses.fake_tensor import FakeTensorMode  # noqa: E402
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402
from torch.utils._pytree import tree_leaves  # noqa: E402

BLOCK = 512


class Live(TorchDispatchMode):
    """Bytes of all storages that are alive, and their peak in each phase."""

    def __init__(self):
        super().__init__()
        self.seen = weakref.WeakKeyDictionary()
        self.now = 0
        self.phase = ""
        self.peaks = {}

    def add(self, tensor):
        """Count a tensor's storage, if it is new."""
        if not isinstance(tensor, torch.Tensor) or tensor.device.type != "cpu":
            return
        storage = tensor.untyped_storage()
        if storage in self.seen:
            return
        size = -(-storage.nbytes() // BLOCK) * BLOCK
        self.seen[storage] = size
        self.now += size
        weakref.finalize(storage, self._free, size)
        self.peaks[self.phase] = max(self.peaks.get(self.phase, 0), self.now)

    def _free(self, size):
        self.now -= size

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        """Run an operation and count what it made."""
        made = func(*args, **(kwargs or {}))
        for one in tree_leaves(made):
            self.add(one)
        return made


class FourBitMatmul(torch.autograd.Function):
    """A matmul of a 4-bit matrix: a copy in the compute type, forward and backward, that is dropped at once."""

    @staticmethod
    def forward(ctx, x, packed, rows, columns):
        """Multiply."""
        ctx.save_for_backward(packed)
        ctx.sizes = (rows, columns)
        return torch.nn.functional.linear(
            x, torch.empty(rows, columns, dtype=x.dtype, device=x.device)
        )

    @staticmethod
    def backward(ctx, grad):
        """Take the product back."""
        return (
            grad.matmul(torch.empty(*ctx.sizes, dtype=grad.dtype, device=grad.device)),
            None,
            None,
            None,
        )


class FourBitLinear(torch.nn.Linear):
    """Stands for bitsandbytes' Linear4bit: packed weight, and the scales of nf4 with or without double quantisation."""

    def __init__(self, linear, double):
        torch.nn.Module.__init__(self)
        self.in_features, self.out_features, self.bias = (
            linear.in_features,
            linear.out_features,
            linear.bias,
        )
        device = linear.weight.device
        blocks = -(-linear.weight.numel() // 64)

        def frozen(count, dtype):
            return torch.nn.Parameter(
                torch.empty(count, dtype=dtype, device=device), requires_grad=False
            )

        self.weight = frozen(((linear.weight.numel() + 1) // 2, 1), torch.uint8)
        self.scales = frozen(blocks, torch.uint8 if double else torch.float32)
        self.outer = frozen(-(-blocks // 256) + 257 if double else 1, torch.float32)

    def forward(self, x):
        """Multiply, and add the bias."""
        y = FourBitMatmul.apply(x, self.weight, self.out_features, self.in_features)
        return y if self.bias is None else y + self.bias


class ChunkedLoss(torch.autograd.Function):
    """Cross-entropy chunk by chunk whose gradient is taken in the forward pass, as doctor train has it."""

    @staticmethod
    def forward(ctx, hidden, weight, labels, cap, chunk):  # noqa: PLR0913  as autograd hands them
        """Return the sum of the loss over all tokens."""
        total = torch.zeros((), dtype=torch.float32, device=hidden.device)
        back = torch.empty_like(hidden)
        own = torch.zeros_like(weight, dtype=torch.float32) if weight.requires_grad else None
        for at in range(0, hidden.shape[0], chunk):
            part, wanted = hidden[at : at + chunk], labels[at : at + chunk]
            scores = (part @ weight.t()).float()
            if cap:
                squashed = torch.tanh(scores / cap)
                scores = cap * squashed
            rows = torch.arange(part.shape[0], device=hidden.device)
            norm = torch.logsumexp(scores, -1, keepdim=True)
            total += (norm.squeeze(-1) - scores[rows, wanted]).sum()
            scores.sub_(norm).exp_()
            scores[rows, wanted] -= 1
            if cap:
                scores.mul_(1 - squashed * squashed)
            grad = scores.to(hidden.dtype)
            del scores
            back[at : at + chunk] = grad @ weight
            if own is not None:
                own += (grad.t() @ part).float()
            del grad
        ctx.save_for_backward(back, own)
        ctx.kind = weight.dtype
        return total

    @staticmethod
    def backward(ctx, grad):
        """Scale what the forward pass took."""
        back, own = ctx.saved_tensors
        return (
            back * grad.to(back.dtype),
            None if own is None else (own * grad).to(ctx.kind),
            None,
            None,
            None,
        )


def quantise(model, double):
    """Put 4-bit stand-ins in place of all linear modules but the head."""
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if type(child) is torch.nn.Linear and name != "lm_head":
                setattr(module, name, FourBitLinear(child, double))


def adapted(model, asked):
    """Put peft's adapters on a model; they are made by hand what peft would make of real tensors."""
    from peft import LoraConfig, get_peft_model

    targets = asked["targets"] or sorted(
        {
            name.rpartition(".")[2]
            for name, one in model.named_modules()
            if isinstance(one, torch.nn.Linear)
        }
        - {"lm_head"}
    )
    for one in model.parameters():
        one.requires_grad_(requires_grad=False)
    config = LoraConfig(
        r=asked["rank"], lora_alpha=asked["rank"], lora_dropout=0.0, target_modules=targets, task_type="CAUSAL_LM",
        use_dora=False,
    )  # fmt: skip
    with torch.device("meta"):
        model = get_peft_model(model, config)
    wanted = torch.float32 if asked["adapter_bytes"] == 4 else torch.bfloat16
    for name, one in model.named_parameters():
        if "lora_" in name:
            one.data = one.data.to(wanted)
    return model


def to_fake(model):
    """Turn meta tensors into fake ones on the CPU; tied ones stay tied."""
    made = {}
    for module in model.modules():
        for place in (module._parameters, module._buffers):  # noqa: SLF001  the only way to put others
            for name, tensor in list(place.items()):
                if tensor is None or tensor.device.type == "cpu":
                    continue
                if id(tensor) not in made:
                    empty = torch.empty(tensor.shape, dtype=tensor.dtype, device="cpu")
                    is_parameter = isinstance(tensor, torch.nn.Parameter)
                    made[id(tensor)] = (
                        torch.nn.Parameter(empty, tensor.requires_grad) if is_parameter else empty
                    )
                place[name] = made[id(tensor)]


def configured(asked, layers):
    """Return a config of so many layers."""
    from transformers import AutoConfig

    data = copy.deepcopy(asked["config"])
    model_type = data.pop("model_type", None)
    config = AutoConfig.for_model(model_type, **data)
    config = config.get_text_config()
    config.num_hidden_layers = layers
    for key in ("layer_types", "layers_block_type", "mlp_layer_types"):
        if isinstance(getattr(config, key, None), list):
            setattr(config, key, getattr(config, key)[:layers])
    config.use_cache = False
    return config


def optimizer_of(name, params):
    """Return torch's optimizer of that name, or None where it keeps nothing."""
    if name in ("adamw", "adamw_fused"):
        return torch.optim.AdamW(params, foreach=name == "adamw")
    return torch.optim.SGD(params) if name == "sgd" else None


def traced(asked, layers):
    """Return the peak of each phase of the second step, in bytes, and the number of trained elements."""
    from transformers import AutoModelForCausalLM, masking_utils

    # fake tensors hide their values, so that transformers takes any batch for a packed one and builds a mask
    masking_utils.find_packed_sequence_indices = lambda *_, **__: None
    attention = "sdpa" if asked["attention"] == "flash" else asked["attention"]
    kind = torch.bfloat16 if asked["precision"] == "bf16" else torch.float32
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(
            configured(asked, layers), dtype=kind, attn_implementation=attention
        )
    if asked["method"] == "qlora":
        quantise(model, asked["double"])
    if asked["method"] != "full":
        model = adapted(model, asked)
    model.train()
    with FakeTensorMode(allow_non_fake_inputs=True):
        to_fake(model)
        if asked["checkpointing"]:
            model.gradient_checkpointing_enable(
                gradient_checkpointing_kwargs={"use_reentrant": False}
            )
            if asked["method"] != "full":
                model.enable_input_require_grads()
        return stepped(model, asked)


def stepped(model, asked):
    """Run two steps and return the phases of the second."""
    params = [one for one in model.parameters() if one.requires_grad]
    optimizer = optimizer_of(asked["optimizer"], params)
    live = Live()
    for one in (*model.parameters(), *model.buffers()):
        live.add(one)
    static = live.now
    ids = torch.zeros(asked["batch"], asked["seq"], dtype=torch.long)
    for step in range(2):
        with live:
            live.phase = f"forward {step}"
            around = (
                torch.autocast("cpu", torch.bfloat16)
                if asked["autocast"]
                else contextlib.nullcontext()
            )
            with around:
                out, loss = forward(model, ids, asked)
            live.phase = f"backward {step}"
            loss.backward()
            live.phase = f"step {step}"
            torch.nn.utils.clip_grad_norm_(params, 1.0)
            if optimizer:
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
            for one in params:
                one.grad = None
            del out, loss
    phases = {
        name.partition(" ")[0]: size for name, size in live.peaks.items() if name.endswith("1")
    }
    return phases, static, sum(one.numel() for one in params)


def forward(model, ids, asked):
    """Return the output that the loop holds, if it holds one, and the loss."""
    if asked["loss"] == "whole":
        out = model(input_ids=ids, labels=ids)
        return (out if asked["keeps_logits"] else None), out.loss
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    hidden = base.model(input_ids=ids, use_cache=False)[0]
    head = base.get_output_embeddings().weight
    cap = getattr(base.config, "final_logit_softcapping", None)
    flat = hidden.reshape(-1, hidden.shape[-1])
    del hidden
    with torch.autocast("cpu", enabled=False):
        return None, ChunkedLoss.apply(
            flat.to(head.dtype), head, ids.reshape(-1), cap, asked["chunk"]
        )


def main():
    """Trace two depths and print what the whole model takes."""
    asked = json.loads(sys.stdin.read())
    began = time.time()
    few, more, whole = asked["few"], asked["more"], asked["layers"]
    one, _, _ = traced(asked, few)
    two, static, trained = traced(asked, more)
    phases = {}
    for name in two:
        slope = (two[name] - one[name]) / (more - few) if more > few else 0
        phases[name] = int(two[name] + slope * (whole - more))
    print(json.dumps({
        "phases": phases, "peak": max(phases.values()), "trained_at": [more, trained], "static_at": static,
        "torch": torch.__version__, "seconds": time.time() - began,
    }))  # fmt: skip


if __name__ == "__main__":
    main()
