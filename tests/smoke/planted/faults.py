"""The faults: for each a module and what to do to it when it has been imported. Runs in the target."""

import ctypes
import importlib
import os
import signal
import sys
import time
from pathlib import Path

STEPS = [0]
MODELS = []
NORM = "model.norm.weight"
NAN, INFINITE = float("nan"), float("inf")


def over(owner, name, make):
    """Put make(what was there) in the place of a function, also where it was imported to by whatever name."""
    there = getattr(owner, name)
    made = make(there)
    setattr(owner, name, made)
    for called, module in [*sys.modules.items()]:
        if called.startswith(("transformers.", "peft.")):
            for its, value in [*vars(module).items()]:
                if value is there:
                    setattr(module, its, made)


def plant(name):
    """Plant a fault in modules that are imported."""
    for module, change in FAULTS[name].items():
        change(importlib.import_module(module))


def after_init(change):
    """Change each Llama that is made."""

    def make(init):
        def made(self, *a, **k):
            init(self, *a, **k)
            change(self)

        return made

    return lambda llama: over(llama.LlamaForCausalLM, "__init__", make)


def each_step(change):
    """Do something before each step of the optimizer, counted from 1."""

    def make(step):
        def stepped(self, *a, **k):
            STEPS[0] += 1
            change(STEPS[0])
            return step(self, *a, **k)

        return stepped

    return lambda adamw: over(adamw.AdamW, "step", make)


def noted(number):
    """Return one number of the norm of the model that was made last, to change it in place."""
    return MODELS[-1].get_parameter(NORM).data[number : number + 1]


def adapters_unused(layer):
    """The layer forgets its adapter."""
    layer.Linear.forward = lambda self, x, *_, **__: self.base_layer(x)


def query_adapters_unused(layer):
    """Only adapters of queries are forgotten (64 -> 64 are q_proj and o_proj): the others learn."""

    def make(whole):
        def forward(self, x, *a, **k):
            square = self.base_layer.in_features == self.base_layer.out_features
            return self.base_layer(x) if square else whole(self, x, *a, **k)

        return forward

    over(layer.Linear, "forward", make)


def checkpoint_as_it_was(checkpoint):
    """Reentrant checkpointing: no input that requires a gradient, no gradient for anything inside."""
    import torch

    def old(function, *args, **_):
        inputs = [a for a in args if isinstance(a, torch.Tensor)]
        with torch.set_grad_enabled(any(a.requires_grad for a in inputs)):
            return function(*args)

    over(checkpoint, "checkpoint", lambda _: old)


def no_input_gradients(modeling):
    """Embeddings keep their outputs without gradients, whatever is asked."""
    modeling.PreTrainedModel.enable_input_require_grads = lambda _: None


def optimizer_of_copies(adamw):
    """The optimizer holds copies, as one that was made before get_peft_model does."""

    def make(init):
        return lambda self, params, *a, **k: init(
            self, [p.detach().clone().requires_grad_() for p in params], *a, **k
        )

    over(adamw.AdamW, "__init__", make)


def memory_ends(number):
    """The third step wants more memory than there is."""
    import torch

    return torch.empty(1 << 50) if number == 3 else None


def explode(number):
    """From the sixth step on the weights of adapters are infinite."""
    for name, p in MODELS[-1].named_parameters() if number == 6 else ():
        if "lora_B" in name:
            p.data.fill_(INFINITE)


def file_cut(safetensors):
    """The last 1000 bytes of a saved file do not reach the disk."""

    def make(save):
        def cut(tensors, filename, *a, **k):
            save(tensors, filename, *a, **k)
            os.truncate(filename, Path(filename).stat().st_size - 1000)

        return cut

    over(safetensors, "save_file", make)


def loads_otherwise(peft_model):
    """A fresh process loads an adapter with a small error."""
    load = peft_model.PeftModel.from_pretrained.__func__

    def loaded(cls, *a, **k):
        model = load(cls, *a, **k)
        name = next(n for n, _ in model.named_parameters() if "lora_B" in n)
        model.get_parameter(name).data[0, 0] += 0.01
        return model

    if "reload" in sys.argv:
        peft_model.PeftModel.from_pretrained = classmethod(loaded)


def wrong_matmul(tensor):
    """Products in float32 are off by a thousandth."""

    def make(right):
        return lambda a, b: right(a, b) * (1.001 if str(a.dtype) == "torch.float32" else 1)

    over(tensor.Tensor, "__matmul__", make)


def bf16_refused(functional):
    """Linear layers have no kernel for bfloat16."""

    def make(right):
        def linear(x, *a, **k):
            if str(x.dtype) == "torch.bfloat16":
                raise RuntimeError("\"addmm_impl_cpu_\" not implemented for 'BFloat16'")
            return right(x, *a, **k)

        return linear

    over(functional, "linear", make)


def second_differs(model):
    """Weights of two models differ in a thousandth."""
    if MODELS and "reload" not in sys.argv:
        model.model.embed_tokens.weight.data.mul_(1.001)
    MODELS.append(model)


def small_shm(dataloader):
    """Shared memory of 8 MiB, in a namespace of this process; and less patience with workers."""
    if "reload" in sys.argv:
        return
    system, user, group = ctypes.CDLL(None), os.getuid(), os.getgid()
    system.unshare(0x10000000 | 0x20000)  # users, mounts
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"0 {user} 1"),
        ("gid_map", f"0 {group} 1"),
    ):
        Path("/proc/self", name).write_text(text)
    assert not system.mount(b"tmpfs", b"/dev/shm", b"tmpfs", 0, b"size=8m")

    def make(init):
        return lambda self, *a, timeout, **k: init(self, *a, timeout=2, **k)

    over(dataloader.DataLoader, "__init__", make)


def rank_sleeps(distributed):
    """Rank 1 never joins."""
    if os.environ.get("RANK") == "1":
        distributed.init_process_group = lambda *_, **__: time.sleep(3600)


def element_off(mm):
    return lambda a, b, **k: mm(a, b, **k)[7, 5:6].add_(4 * len(a) ** 0.5)


def end_left(all_reduce):
    return lambda x, **k: (all_reduce(x, **k), x[1 << 20 :].fill_(1))


LAYER = "peft.tuners.lora.layer"
ADAMW = "torch.optim.adamw"
LLAMA = "transformers.models.llama.modeling_llama"
KEEP = after_init(MODELS.append)

FAULTS = {
    # one element off by a few times its size, as of a core that fails; the end of a large message that is not summed
    "wrong_product": {"torch": lambda torch: over(torch, "mm", element_off)},
    "wrong_sums": {"torch.distributed": lambda it: over(it, "all_reduce", end_left)},
    "adapters_unused": {LAYER: adapters_unused},
    "query_adapters_unused": {LAYER: query_adapters_unused},
    "checkpointing": {
        "torch.utils.checkpoint": checkpoint_as_it_was,
        "transformers.modeling_utils": no_input_gradients,
    },
    "optimizer_of_copies": {ADAMW: optimizer_of_copies},
    "nan_weight": {
        LLAMA: after_init(lambda m: m.model.layers[1].mlp.up_proj.weight.data[3, 5:6].fill_(NAN))
    },
    "base_weight_moves": {LLAMA: KEEP, ADAMW: each_step(lambda _: noted(7).add_(1e-5))},
    "memory_ends": {ADAMW: each_step(memory_ends)},
    # what the kernel does when memory ends
    "killed": {ADAMW: each_step(lambda n: n == 4 and os.kill(os.getpid(), signal.SIGKILL))},
    "gradients_explode": {LLAMA: KEEP, ADAMW: each_step(explode)},
    # as in memory that is too hot, after 20 steps of the long load
    "bit_flips_under_load": {
        LLAMA: KEEP,
        ADAMW: each_step(lambda n: n == 20 and "load" in sys.argv and noted(7).mul_(-2)),
    },
    "file_cut": {"safetensors.torch": file_cut},
    "loads_otherwise": {"peft.peft_model": loads_otherwise},
    "wrong_matmul": {"torch._tensor": wrong_matmul},
    "bf16_refused": {"torch.nn.functional": bf16_refused},
    "losses_by_chance": {LLAMA: after_init(second_differs)},
    # as on macOS, Windows and Python 3.14: no fault, but workers must find what they are sent
    "workers_spawned": {"multiprocessing": lambda module: module.set_start_method("spawn")},
    "small_shm": {"torch.utils.data.dataloader": small_shm},
    "rank_sleeps": {"torch.distributed": rank_sleeps},
}
