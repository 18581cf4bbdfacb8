"""The faults: for each a module and what to do to it when it has been imported. Runs in the target."""

import os
import signal
import sys
import time
from pathlib import Path

STEPS = [0]
MODELS = []


def adapters_unused(layer):
    """The layer forgets its adapter."""
    layer.Linear.forward = lambda self, x, *_, **__: self.base_layer(x)


def query_adapters_unused(layer):
    """Only adapters of queries are forgotten: the others learn."""
    whole = layer.Linear.forward

    def forward(self, x, *a, **k):
        # hidden 64 -> 64 are q_proj and o_proj
        square = self.base_layer.in_features == self.base_layer.out_features
        return self.base_layer(x) if square else whole(self, x, *a, **k)

    layer.Linear.forward = forward


def checkpoint_as_it_was(checkpoint):
    """Reentrant checkpointing: no input that requires a gradient, no gradient for anything inside."""
    import torch

    def old(function, *args, **_):
        inputs = [a for a in args if isinstance(a, torch.Tensor)]
        if any(a.requires_grad for a in inputs):
            return function(*args)
        with torch.no_grad():
            return function(*args)

    checkpoint.checkpoint = old


def no_input_gradients(modeling):
    """Embeddings keep their outputs without gradients, whatever is asked."""
    modeling.PreTrainedModel.enable_input_require_grads = lambda _: None


def optimizer_of_copies(adamw):
    """The optimizer holds copies, as one that was made before get_peft_model does."""
    init = adamw.AdamW.__init__

    def made(self, params, *a, **k):
        init(self, [p.detach().clone().requires_grad_() for p in params], *a, **k)

    adamw.AdamW.__init__ = made


def _after_init(llama, change):
    init = llama.LlamaForCausalLM.__init__

    def made(self, *a, **k):
        init(self, *a, **k)
        change(self)

    llama.LlamaForCausalLM.__init__ = made


def nan_weight(llama):
    """One weight is no number."""
    import torch

    def change(model):
        with torch.no_grad():
            model.model.layers[1].mlp.up_proj.weight[3, 5] = float("nan")

    _after_init(llama, change)


def models_noted(llama):
    """Keep the models, so that a step can reach them."""
    _after_init(llama, MODELS.append)


def _each_step(adamw, change):
    step = adamw.AdamW.step

    def stepped(self, *a, **k):
        STEPS[0] += 1
        change(STEPS[0])
        return step(self, *a, **k)

    adamw.AdamW.step = stepped


def base_weight_moves(adamw):
    """Each step moves one number of a frozen norm by little."""
    import torch

    def change(_):
        with torch.no_grad():
            MODELS[-1].get_parameter("model.norm.weight")[7] += 1e-5

    _each_step(adamw, change)


def memory_ends(adamw):
    """The third step wants more memory than there is."""
    import torch

    _each_step(adamw, lambda n: torch.empty(1 << 50) if n == 3 else None)


def killed(adamw):
    """What the kernel does when memory ends."""
    _each_step(adamw, lambda n: os.kill(os.getpid(), signal.SIGKILL) if n == 4 else None)


def gradients_explode(adamw):
    """From the sixth step on the weights of adapters are infinite."""
    import torch

    def change(n):
        if n == 6:
            with torch.no_grad():
                for name, p in MODELS[-1].named_parameters():
                    if "lora_B" in name:
                        p.fill_(float("inf"))

    _each_step(adamw, change)


def bit_flips_under_load(adamw):
    """After 20 steps of the long load one number of the base changes, as in memory that is too hot."""
    import torch

    def change(n):
        if n == 20 and "load" in sys.argv:
            with torch.no_grad():
                MODELS[-1].get_parameter("model.norm.weight")[7] *= -2

    _each_step(adamw, change)


def file_cut(safetensors):
    """The last 1000 bytes of a saved file do not reach the disk."""
    save = safetensors.save_file

    def cut(tensors, filename, *a, **k):
        save(tensors, filename, *a, **k)
        os.truncate(filename, Path(filename).stat().st_size - 1000)

    safetensors.save_file = cut


def loads_otherwise(peft_model):
    """A fresh process loads an adapter with a small error."""
    import torch

    load = peft_model.PeftModel.from_pretrained.__func__

    def loaded(cls, *a, **k):
        model = load(cls, *a, **k)
        with torch.no_grad():
            name = next(n for n, _ in model.named_parameters() if "lora_B" in n)
            model.get_parameter(name)[0, 0] += 0.01
        return model

    if "reload" in sys.argv:
        peft_model.PeftModel.from_pretrained = classmethod(loaded)


def wrong_matmul(tensor):
    """Products in float32 are off by a thousandth."""
    import torch

    right = tensor.Tensor.__matmul__

    def off(a, b):
        return right(a, b) * (1.001 if a.dtype == torch.float32 else 1)

    tensor.Tensor.__matmul__ = off


def bf16_refused(functional):
    """Linear layers have no kernel for bfloat16."""
    import torch

    right = functional.linear

    def linear(x, *a, **k):
        if x.dtype == torch.bfloat16:
            raise RuntimeError("\"addmm_impl_cpu_\" not implemented for 'BFloat16'")
        return right(x, *a, **k)

    functional.linear = linear


def losses_by_chance(llama):
    """Weights of two models differ in a thousandth."""
    import torch

    def change(model):
        if MODELS:
            with torch.no_grad():
                model.model.embed_tokens.weight.mul_(1.001)
        MODELS.append(model)

    if "reload" not in sys.argv:
        _after_init(llama, change)


def rank_sleeps(distributed):
    """Rank 1 never joins."""
    if os.environ.get("RANK") == "1":
        distributed.init_process_group = lambda *_, **__: time.sleep(3600)


def workers_spawned(multiprocessing):
    """Workers start as on macOS, Windows and Python 3.14: no fault, but they must find what they are sent."""
    multiprocessing.set_start_method("spawn")


LAYER = "peft.tuners.lora.layer"
ADAMW = "torch.optim.adamw"
LLAMA = "transformers.models.llama.modeling_llama"

FAULTS = {
    "adapters_unused": {LAYER: adapters_unused},
    "query_adapters_unused": {LAYER: query_adapters_unused},
    "checkpointing": {
        "torch.utils.checkpoint": checkpoint_as_it_was,
        "transformers.modeling_utils": no_input_gradients,
    },
    "optimizer_of_copies": {ADAMW: optimizer_of_copies},
    "nan_weight": {LLAMA: nan_weight},
    "base_weight_moves": {LLAMA: models_noted, ADAMW: base_weight_moves},
    "memory_ends": {ADAMW: memory_ends},
    "killed": {ADAMW: killed},
    "gradients_explode": {LLAMA: models_noted, ADAMW: gradients_explode},
    "bit_flips_under_load": {LLAMA: models_noted, ADAMW: bit_flips_under_load},
    "file_cut": {"safetensors.torch": file_cut},
    "loads_otherwise": {"peft.peft_model": loads_otherwise},
    "wrong_matmul": {"torch._tensor": wrong_matmul},
    "bf16_refused": {"torch.nn.functional": bf16_refused},
    "losses_by_chance": {LLAMA: losses_by_chance},
    "workers_spawned": {"multiprocessing": workers_spawned},
    "rank_sleeps": {"torch.distributed": rank_sleeps},
}
