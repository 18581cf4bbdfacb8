# torch and its types are the target's, not the doctor's
# mypy: ignore-errors
# ruff: noqa: TID251
"""Trace the memory of a real training step without a GPU or weights: `python trace_memory.py < requests.jsonl`.

The model class of transformers is built on the meta device, peft's adapters are put on it, and a step runs on fake
tensors while each new storage is counted, in blocks of 512 bytes as torch's CUDA allocator rounds. Fake tensors lie on
"cpu": a CPU build can't make fake CUDA ones, and sizes are the same. Two depths are traced, each phase is carried on to
the whole depth along a line. One request a line, one JSON object a line. Python 3.8 and newer; torch, transformers,
peft and nothing else.
"""

import copy
import importlib
import json
import os
import subprocess
import sys
import time
import types
import weakref

os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_VERBOSITY="error")
os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.modules["bitsandbytes"] = None  # peft then leaves it out: seconds of import

import torch  # noqa: E402
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402
from torch.utils._pytree import tree_leaves  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import trace_parts  # noqa: E402

del sys.path[0]

WHOLE = "DOCTOR_TRACE_WHOLE"
"""Set in the environment: nothing is left out of the imports."""


def lean():
    """Leave out what is imported and never used here: torch.compile, DTensor, first values of weights. 2 s of CPU."""

    def same(function=None, *_, **__):
        return (lambda inner: inner) if function is None else function

    def attribute(name):
        if name.startswith("__"):
            raise AttributeError(name)
        return same

    without = types.ModuleType("torch._dynamo")
    without.__path__ = [os.path.join(os.path.dirname(torch.__file__), "_dynamo")]
    without.__getattr__ = attribute
    sys.modules["torch._dynamo"] = torch._dynamo = without  # noqa: SLF001  the one way to leave it out
    torch.distributed.is_available = lambda: False
    for name in dir(torch.nn.init):
        if name.endswith("_") and not name.startswith("_"):
            setattr(torch.nn.init, name, lambda tensor, *_, **__: tensor)


BLOCK = 512
SOFTMAX_BACK = torch.ops.aten._softmax_backward_data.default  # noqa: SLF001  its name
LOGSUMEXP = torch.ops.aten.logsumexp.default


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
        beside = None
        # the GPU's kernel makes the product of both, the CPU's does not (SoftMax.cu)
        if func is SOFTMAX_BACK:
            beside = args[0] * args[1]
        elif func is LOGSUMEXP:  # of which fake tensors show the result alone (ReduceOps.cpp)
            beside = args[0] - args[0]
        self.add(beside)
        made = func(*args, **(kwargs or {}))
        for one in tree_leaves(made):
            self.add(one)
        return made


def quantise(model, double):
    """Put 4-bit stand-ins in place of all linear modules but the head."""
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if type(child) is torch.nn.Linear and name != "lm_head":
                setattr(module, name, trace_parts.FourBitLinear(child, double))


def adapted(model, asked):
    """Put peft's adapters on a model; they are made by hand what peft would make of real tensors."""
    from peft import LoraConfig, get_peft_model

    for one in model.parameters():
        one.requires_grad_(requires_grad=False)
    config = LoraConfig(
        r=asked["rank"], lora_alpha=asked["rank"], lora_dropout=0.0,
        target_modules=asked["targets"] or "all-linear", task_type="CAUSAL_LM", use_dora=False,
    )  # fmt: skip
    with torch.device("meta"):
        model = get_peft_model(model, config)
    if asked["method"] == "qlora" and asked["autocast"]:  # as peft's own module for 4 bits does
        for one in model.modules():
            one.cast_input_dtype_enabled = False
    for name, one in model.named_parameters():
        if "lora_" in name:
            one.data = one.data.to(torch.float32 if asked["adapter_bytes"] == 4 else torch.bfloat16)
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
                    if isinstance(tensor, torch.nn.Parameter):
                        empty = torch.nn.Parameter(empty, tensor.requires_grad)
                    made[id(tensor)] = empty
                place[name] = made[id(tensor)]


def configured(asked, layers):
    """Return a config of so many layers."""
    from transformers import AutoConfig

    data = copy.deepcopy(asked["config"])
    model_type = data.pop("model_type", None)
    data.pop("auto_map", None)  # code of its own
    config = AutoConfig.for_model(model_type, **data).get_text_config()
    whole = config.num_hidden_layers
    for key, value in list(vars(config).items()):  # what stands there once for each layer
        if (isinstance(value, list) or key == "hybrid_override_pattern") and len(value) == whole:
            setattr(config, key, value[:layers])
    for key in ("attention_dropout", "attn_pdrop"):  # the CPU's kernel knows none
        if hasattr(config, key):
            setattr(config, key, 0.0)
    config.num_hidden_layers = layers
    config.use_cache = False
    return config


def optimizer_of(name, params):
    """Return torch's optimizer of that name with its states, or None where it keeps nothing."""
    if name in ("adamw", "adamw_fused"):
        found = torch.optim.AdamW(params, foreach=name == "adamw")
        for one in params:  # what its first step would make
            made = {"exp_avg": torch.zeros_like(one), "exp_avg_sq": torch.zeros_like(one)}
            found.state[one] = {"step": torch.tensor(0.0, dtype=torch.float32), **made}
        return found
    return torch.optim.SGD(params) if name == "sgd" else None


def watched(model, live):
    """Have the backward pass say where it is: the last layer first, then the others, then the embedding."""
    lists = [one for one in model.modules() if isinstance(one, torch.nn.ModuleList)]
    layers = max(lists, key=len)

    def mark(phase):
        def entered(_):
            live.phase = phase

        def hook(_, __, out):
            first = out[0] if isinstance(out, tuple) else out
            if first.requires_grad:
                first.register_hook(entered)

        return hook

    for at, one in enumerate(layers):
        one.register_forward_hook(mark("layer %d" % (len(layers) - 1 - at)))
    model.get_input_embeddings().register_forward_hook(mark("embedding's gradient"))


def traced(asked, layers):
    """Return the peak of each phase of a step in bytes, and the number of trained elements."""
    from torch._subclasses.fake_tensor import FakeTensorMode
    from transformers import AutoModelForCausalLM, masking_utils

    # fake tensors hide their values, and any batch would pass for a packed one, which has a mask
    masking_utils.find_packed_sequence_indices = lambda *_, **__: None
    torch.nn.functional.dropout = trace_parts.dropout
    if asked["narrow_values"] or asked["whole_scores"]:
        found = trace_parts.attend if asked["narrow_values"] else trace_parts.attend_whole
        torch.nn.functional.scaled_dot_product_attention = found
    kind = torch.bfloat16 if asked["precision"] == "bf16" else torch.float32
    attention = "eager" if asked["attention"] == "eager" else "sdpa"
    how = {"attn_implementation": attention, "trust_remote_code": False}
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(configured(asked, layers), dtype=kind, **how)
    if asked["method"] == "qlora":
        quantise(model, asked["double"])
        for one in model.parameters() if asked["prepared"] else ():
            if one.dtype == kind:  # as peft's prepare_model_for_kbit_training does
                one.data = one.data.to(torch.float32)
    if asked["method"] != "full":
        model = adapted(model, asked)
    model.train()
    with FakeTensorMode(allow_non_fake_inputs=True):
        to_fake(model)
        if asked["checkpointing"]:
            model.gradient_checkpointing_enable({"use_reentrant": False})
        if asked["checkpointing"] and asked["method"] != "full":
            model.enable_input_require_grads()
        return stepped(model, asked)


def stepped(model, asked):
    """Run a step and return its phases."""
    live = Live()
    for one in (*model.parameters(), *model.buffers()):
        live.add(one)
    params = [one for one in model.parameters() if one.requires_grad]
    watched(model, live)
    ids = torch.zeros(asked["batch"], asked["seq"], dtype=torch.long)
    with live:
        optimizer = optimizer_of(asked["optimizer"], params)
        live.peaks.clear()
        live.phase = "loss"
        with torch.autocast("cpu", torch.bfloat16, enabled=asked["autocast"]):
            out, loss = forward(model, ids, asked)
        loss.backward()
        live.phase = "optimizer step"
        live.peaks[live.phase] = live.now
        torch.nn.utils.clip_grad_norm_(params, 1.0)
        if optimizer:
            optimizer.step()
        del out, loss
    return live.peaks, sum(one.numel() for one in params)


def forward(model, ids, asked):
    """Return the output that the loop holds, if it holds one, and the loss."""
    if asked["loss"] == "whole":
        out = model(input_ids=ids, labels=ids)
        return (out if asked["keeps_logits"] else None), out.loss
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    inner = getattr(base, base.base_model_prefix, None) or base.model  # Llama 4 misnames it
    hidden = inner(input_ids=ids, use_cache=False)[0]
    cap = getattr(base.config, "final_logit_softcapping", None)
    hidden = hidden.reshape(-1, hidden.shape[-1])
    hidden = hidden.index_select(0, torch.arange(hidden.shape[0]))  # the tokens that are learned
    with torch.autocast("cpu", enabled=False):
        hidden = hidden.to(torch.bfloat16) if asked["autocast"] else hidden
        given = (hidden, base.get_output_embeddings().weight, ids.reshape(-1), cap, asked["chunk"])
        sys.path.insert(0, HERE)
        loss = importlib.import_module("trainer").ChunkedLoss  # doctor train's own
        del sys.path[0]
        return None, loss.apply(*given)


def named(peaks, period):
    """Put the layers of the first and of the last period together."""
    found = dict(peaks)
    layers = {int(key[6:]): found.pop(key) for key in peaks if key.startswith("layer ")}
    if layers:
        found["backward, first layer"] = max(s for i, s in layers.items() if i < period)
        ends = max(layers) - period
        found["backward, last layer"] = max(s for i, s in layers.items() if i > ends)
    return found


def answered(asked):
    """Trace two depths and return what the whole model takes."""
    began = time.time()
    few, more, whole = asked["few"], asked["more"], asked["layers"]
    period = max(1, more - few)
    one = named(traced(asked, few)[0], period) if few < more else {}
    peaks, trained = traced(asked, more)
    phases = {}
    for name, size in named(peaks, period).items():
        slope = (size - one[name]) / (more - few) if name in one else 0
        phases[name] = int(size + slope * (whole - more))
    return {
        "phases": phases, "peak": max(phases.values()), "trained_at": [more, trained],
        "torch": torch.__version__, "seconds": time.time() - began,
    }  # fmt: skip


def main():
    """Answer each line of stdin."""
    requests = [json.loads(line) for line in sys.stdin if line.strip()]
    whole = WHOLE in os.environ or lean()
    for at, asked in enumerate(requests):
        try:
            found = answered(asked)
        except Exception as error:
            if not whole:  # what was left out can be what lacks
                text = "\n".join(map(json.dumps, requests[at:]))
                argv = [sys.executable, "-I", __file__]
                around = {**os.environ, WHOLE: "1"}
                ended = subprocess.run(argv, input=text, text=True, env=around, check=False)  # noqa: S603
                raise SystemExit(ended.returncode) from None
            found = {"error": "%s: %s" % (type(error).__name__, str(error).strip()[:300])}
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
