# torch and its types are the target's, not the doctor's
# mypy: ignore-errors
# ruff: noqa: TID251
"""Trace the memory of a real training step without a GPU or weights: `python trace_memory.py < requests.jsonl`.

The script builds the transformers model on the meta device, adds peft's adapters, and runs a step on fake tensors. It
counts each new storage in blocks of 512 bytes, as torch's CUDA allocator does. The fake tensors are on "cpu": a CPU
build can't make fake CUDA ones, and sizes are the same. It traces two depths and extrapolates each phase linearly to
the full depth. Each line of input is a request, each line of output a JSON object. Python 3.8 or newer; needs only
torch, transformers and peft.
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

# the parts of the trainer are imported from here too, when a request needs them
sys.path.append(sys.path.pop(0))

WHOLE = "DOCTOR_TRACE_WHOLE"
"""Environment variable: if set, all imports are complete."""


def lean():
    """Replace imports that are never used here (torch.compile, DTensor, weight init): saves 2 s of CPU."""

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


class LiveStorages(TorchDispatchMode):
    """Counts the bytes of all live storages, and their peak in each phase."""

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
        """Run an operation and count the tensors that it creates."""
        temporary = None
        # the GPU kernel allocates the product of both, the CPU kernel does not (SoftMax.cu)
        if func is SOFTMAX_BACK:
            temporary = args[0] * args[1]
        elif (
            func is LOGSUMEXP
        ):  # fake tensors show only its result, not its temporary (ReduceOps.cpp)
            temporary = args[0] - args[0]
        self.add(temporary)
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            self.add(tensor)
        return result


def quantise(model, double):
    """Replace all linear modules except the head by 4-bit stand-ins."""
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if type(child) is torch.nn.Linear and name != "lm_head":
                setattr(module, name, trace_parts.FourBitLinear(child, double))


def add_adapters(model, request):
    """Return a model with peft's adapters, in the types that peft would give real tensors."""
    from peft import LoraConfig, get_peft_model

    for each in model.parameters():
        each.requires_grad_(requires_grad=False)
    config = LoraConfig(
        r=request["rank"], lora_alpha=request["rank"], lora_dropout=0.0,
        target_modules=request["targets"] or "all-linear", task_type="CAUSAL_LM", use_dora=False,
    )  # fmt: skip
    with torch.device("meta"):
        model = get_peft_model(model, config)
    if request["method"] == "qlora" and request["autocast"]:  # as peft's own module for 4 bits does
        for each in model.modules():
            each.cast_input_dtype_enabled = False
    for name, each in model.named_parameters():
        if "lora_" in name:
            each.data = each.data.to(
                torch.float32 if request["adapter_bytes"] == 4 else torch.bfloat16
            )
    return model


def to_fake(model):
    """Replace meta tensors by fake ones on the CPU; tied tensors stay tied."""
    fakes = {}
    for module in model.modules():
        for tensors in (module._parameters, module._buffers):  # noqa: SLF001  the only way to put others
            for name, tensor in list(tensors.items()):
                if tensor is None or tensor.device.type == "cpu":
                    continue
                if id(tensor) not in fakes:
                    empty = torch.empty(tensor.shape, dtype=tensor.dtype, device="cpu")
                    if isinstance(tensor, torch.nn.Parameter):
                        empty = torch.nn.Parameter(empty, tensor.requires_grad)
                    fakes[id(tensor)] = empty
                tensors[name] = fakes[id(tensor)]


def config_of(request, layers):
    """Return the model's config with that many layers."""
    from transformers import AutoConfig

    data = copy.deepcopy(request["config"])
    model_type = data.pop("model_type", None)
    data.pop("auto_map", None)  # would load code of the model
    config = AutoConfig.for_model(model_type, **data).get_text_config()
    depth = config.num_hidden_layers
    for key, value in list(vars(config).items()):  # values with one entry per layer
        if (isinstance(value, list) or key == "hybrid_override_pattern") and len(value) == depth:
            setattr(config, key, value[:layers])
    for key in ("attention_dropout", "attn_pdrop"):  # the CPU kernel has no dropout
        if hasattr(config, key):
            setattr(config, key, 0.0)
    config.num_hidden_layers = layers
    config.use_cache = False
    return config


def optimizer_of(name, params):
    """Return torch's optimizer of that name with its states, or None for an unknown name."""
    if name in ("adamw", "adamw_fused"):
        optimizer = torch.optim.AdamW(params, foreach=name == "adamw")
        for param in params:  # the states that its first step would create
            moments = {"exp_avg": torch.zeros_like(param), "exp_avg_sq": torch.zeros_like(param)}
            optimizer.state[param] = {"step": torch.tensor(0.0, dtype=torch.float32), **moments}
        return optimizer
    return torch.optim.SGD(params) if name == "sgd" else None


def track_backward(model, live):
    """Register hooks that set live.phase in the backward pass, from the last layer down to the embedding."""
    lists = [each for each in model.modules() if isinstance(each, torch.nn.ModuleList)]
    layers = max(lists, key=len)

    def mark(phase):
        def entered(_):
            live.phase = phase

        def hook(_, __, out):
            first = out[0] if isinstance(out, tuple) else out
            if first.requires_grad:
                first.register_hook(entered)

        return hook

    for at, each in enumerate(layers):
        each.register_forward_hook(mark("layer %d" % (len(layers) - 1 - at)))
    model.get_input_embeddings().register_forward_hook(mark("embedding's gradient"))


def trace_step(request, layers):
    """Return the peak of each phase of a step in bytes, and the number of trained elements."""
    from torch._subclasses.fake_tensor import FakeTensorMode
    from transformers import AutoModelForCausalLM, masking_utils

    # fake tensors have no values, so any batch would look packed, and a packed one has a mask
    masking_utils.find_packed_sequence_indices = lambda *_, **__: None
    torch.nn.functional.dropout = trace_parts.dropout
    if request["narrow_values"] or request["whole_scores"]:
        attend = trace_parts.attend if request["narrow_values"] else trace_parts.attend_whole
        torch.nn.functional.scaled_dot_product_attention = attend
    kind = torch.bfloat16 if request["precision"] == "bf16" else torch.float32
    attention = "eager" if request["attention"] == "eager" else "sdpa"
    how = {"attn_implementation": attention, "trust_remote_code": False}
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config_of(request, layers), dtype=kind, **how)
    if request["method"] == "qlora":
        quantise(model, request["double"])
        for param in model.parameters() if request["prepared"] else ():
            if param.dtype == kind:  # peft's prepare_model_for_kbit_training does this
                param.data = param.data.to(torch.float32)
    if request["method"] != "full":
        model = add_adapters(model, request)
    model.train()
    with FakeTensorMode(allow_non_fake_inputs=True):
        to_fake(model)
        if request["checkpointing"]:
            model.gradient_checkpointing_enable({"use_reentrant": False})
        if request["checkpointing"] and request["method"] != "full":
            model.enable_input_require_grads()
        return run_step(model, request)


def run_step(model, request):
    """Run a step; return the peak bytes of each phase and the number of trained elements."""
    live = LiveStorages()
    for tensor in (*model.parameters(), *model.buffers()):
        live.add(tensor)
    params = [tensor for tensor in model.parameters() if tensor.requires_grad]
    track_backward(model, live)
    rows = request["batch"] * (1 if request.get("objective", "sft") == "sft" else 2)
    ids = torch.zeros(rows, request["seq"], dtype=torch.long)
    with live:
        optimizer = optimizer_of(request["optimizer"], params)
        live.peaks.clear()
        live.phase = "loss"
        with torch.autocast("cpu", torch.bfloat16, enabled=request["autocast"]):
            if rows == request["batch"]:
                out, loss = forward(model, ids, request)
            else:
                out, loss = None, pair_loss(model, ids, request)
        loss.backward()
        live.phase = "optimizer step"
        live.peaks[live.phase] = live.now
        torch.nn.utils.clip_grad_norm_(params, 1.0)
        if optimizer:
            optimizer.step()
        del out, loss
    return live.peaks, sum(tensor.numel() for tensor in params)


def pair_loss(model, ids, request):
    """Return the loss of doctor train's dpo or orpo; the reference of dpo is the model without its adapter."""
    functions = importlib.import_module("train_pairs")
    reference = 0.0
    if request["objective"] == "dpo":
        with torch.no_grad(), model.disable_adapter():
            reference = sequence_logps(model, ids, request, functions)
    policy = sequence_logps(model, ids, request, functions)
    chosen, rejected = (policy - reference).chunk(2)
    if request["objective"] == "dpo":
        return -torch.nn.functional.logsigmoid(chosen - rejected).mean()
    odds = (chosen - rejected) - (functions.log1mexp(chosen) - functions.log1mexp(rejected))
    return -chosen.mean() - torch.nn.functional.logsigmoid(odds).mean()


def sequence_logps(model, ids, request, functions):
    """Return the log-probability of each sequence, by the chunks of doctor train."""
    hidden, head, cap = hidden_states(model, ids, request)
    with torch.autocast("cpu", enabled=False):
        logps = functions.chunked_logps()(hidden, head, ids.reshape(-1), cap, request["chunk"])
    return logps.reshape(ids.shape).sum(1)


def hidden_states(model, ids, request):
    """Return the hidden states of all tokens, the head's matrix, and the cap of the logits or None."""
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    inner = (
        getattr(base, base.base_model_prefix, None) or base.model
    )  # Llama 4's base_model_prefix is wrong
    hidden = inner(input_ids=ids, use_cache=False)[0]
    hidden = hidden.reshape(-1, hidden.shape[-1])
    hidden = hidden.index_select(0, torch.arange(hidden.shape[0]))  # selects the learned tokens
    hidden = hidden.to(torch.bfloat16) if request["autocast"] else hidden
    cap = getattr(base.config, "final_logit_softcapping", None)
    return hidden, base.get_output_embeddings().weight, cap


def forward(model, ids, request):
    """Return the loss, and the output if the training loop keeps it alive, else None."""
    if request["loss"] == "whole":
        out = model(input_ids=ids, labels=ids)
        return (out if request["keeps_logits"] else None), out.loss
    hidden, head, cap = hidden_states(model, ids, request)
    with torch.autocast("cpu", enabled=False):
        loss = importlib.import_module("trainer").ChunkedLoss  # the loss of doctor train
        return None, loss.apply(hidden, head, ids.reshape(-1), cap, request["chunk"])


def merge_layers(peaks, period):
    """Return the peaks with only two layer phases: the largest of the first and of the last period of layers."""
    merged = dict(peaks)
    layers = {int(key[6:]): merged.pop(key) for key in peaks if key.startswith("layer ")}
    if layers:
        merged["backward, first layer"] = max(s for i, s in layers.items() if i < period)
        ends = max(layers) - period
        merged["backward, last layer"] = max(s for i, s in layers.items() if i > ends)
    return merged


def answer_request(request):
    """Trace two depths and return the memory of the whole model."""
    start = time.time()
    few, more, whole = request["few"], request["more"], request["layers"]
    period = max(1, more - few)
    at_few = merge_layers(trace_step(request, few)[0], period) if few < more else {}
    peaks, trained = trace_step(request, more)
    phases = {}
    for name, size in merge_layers(peaks, period).items():
        slope = (size - at_few[name]) / (more - few) if name in at_few else 0
        phases[name] = int(size + slope * (whole - more))
    return {
        "phases": phases, "peak": max(phases.values()), "trained_at": [more, trained],
        "torch": torch.__version__, "seconds": time.time() - start,
    }  # fmt: skip


def main():
    """Answer each request, a line of standard input."""
    requests = [json.loads(line) for line in sys.stdin if line.strip()]
    whole = WHOLE in os.environ or lean()
    for at, request in enumerate(requests):
        try:
            answer = answer_request(request)
        except Exception as error:
            if not whole:  # the reduced imports may be the reason: run again with complete ones
                text = "\n".join(map(json.dumps, requests[at:]))
                argv = [sys.executable, "-I", __file__]
                env = {**os.environ, WHOLE: "1"}
                completed = subprocess.run(argv, input=text, text=True, env=env, check=False)  # noqa: S603
                raise SystemExit(completed.returncode) from None
            answer = {"error": "%s: %s" % (type(error).__name__, str(error).strip()[:300])}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
