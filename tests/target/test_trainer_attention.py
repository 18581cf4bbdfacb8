"""Attention kernels of the hub: taken where they can run, else SDPA, and the reason is printed once."""

import pytest

GPU = """
import sys, types
import train_attention
class Device:
    type = "cuda"
config = trainer.Config(attention="kernels-community/flash-attn2", precision={precision!r})
torch.cuda.get_device_capability = lambda _: {has}
if {installed}:
    sys.modules["kernels"] = types.ModuleType("kernels")
    sys.modules["kernels"].__spec__ = types.SimpleNamespace()
import transformers.integrations.hub_kernels as hub
def load(name):
    if {builds}:
        print("LOADS", name)
    else:
        raise ValueError("no build for torch 9.9")
hub.load_and_register_attn_kernel = load
if not {installed}:  # transformers itself may bring the package
    sys.modules["kernels"] = None
print("CHOSEN", train_attention.choose_attention(config, Device()))
sys.exit(7)
"""
FITS = {"precision": "bf16", "has": (9, 0), "installed": True, "builds": True}
REASONS = {
    "precision": ("fp32", "it computes in 16 bits, and precision is fp32"),
    "has": ((7, 5), "it needs compute capability 8.0, and the GPU has 7.5"),
    "installed": (False, "the package kernels is not installed (pip install kernels)"),
    "builds": (False, "it does not load: ValueError('no build for torch 9.9')"),
}


def test_a_kernel_that_can_run_is_taken(runs):
    told = runs(code=GPU.format(**FITS), status=7).out
    assert told.splitlines() == [
        "LOADS kernels-community/flash-attn2",
        "CHOSEN kernels-community/flash-attn2",
    ]


@pytest.mark.parametrize("what", REASONS)
def test_sdpa_takes_its_place_and_the_reason_is_printed(runs, what):
    value, why = REASONS[what]
    told = runs(code=GPU.format(**{**FITS, what: value}), status=7).out
    name = "kernels-community/flash-attn2"
    assert told.splitlines() == [f"attention = sdpa instead of {name}: {why}", "CHOSEN sdpa"]


def test_a_training_on_the_cpu_runs_with_sdpa(runs):
    told = runs("--attention=kernels-community/flash-attn2", "--max-steps=2").out
    why = "it needs a GPU, and the training runs on cpu"
    line = f"attention = sdpa instead of kernels-community/flash-attn2: {why}"
    assert told.splitlines().count(line) == 1
    assert len(runs.log()) == 2


def test_only_kernels_of_the_community_are_loaded(runs):
    says = ("attention is 'someone/kernel'", "or a kernel such as kernels-community/flash-attn2")
    runs("--attention=someone/kernel", status=2, says=says)
