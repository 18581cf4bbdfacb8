"""Which torch release was the first to have a public name that libraries call.

Source: release notes of torch and the `versionadded` of its documentation.
"""

from tunedoctor.versions import within

SINCE = {
    "torch.fx": "1.8",
    "torch.inference_mode": "1.9",
    "torch.frombuffer": "1.10",
    "torch.compile": "2.0",
    "torch._dynamo": "2.0",
    "torch.mps": "2.0",
    "torch.set_default_device": "2.0",
    "torch.nn.functional.scaled_dot_product_attention": "2.0",
    "torch.compiler": "2.1",
    "torch.float8_e4m3fn": "2.1",
    "torch.float8_e5m2": "2.1",
    "torch.nn.utils.parametrizations.weight_norm": "2.1",
    "torch.utils._pytree.register_pytree_node": "2.2",
    "torch.distributed.device_mesh": "2.2",
    "torch.distributed.checkpoint.state_dict": "2.2",
    "torch.uint16": "2.3",
    "torch.uint32": "2.3",
    "torch.uint64": "2.3",
    "torch.xpu": "2.3",
    "torch.amp.GradScaler": "2.3",
    "torch.nn.attention.sdpa_kernel": "2.3",
    "torch.get_default_device": "2.3",
    "torch.nn.RMSNorm": "2.4",
    "torch.nn.functional.rms_norm": "2.4",
    "torch.library.custom_op": "2.4",
    "torch.library.register_fake": "2.4",
    "torch.serialization.add_safe_globals": "2.4",
    "torch.nn.Buffer": "2.5",
    "torch.nn.attention.flex_attention": "2.5",
    "torch.distributed.tensor": "2.5",
    "torch.distributed.tensor.DTensor": "2.5",
    "torch.library.triton_op": "2.6",
    "torch.accelerator": "2.6",
    "torch.distributed.fsdp.fully_shard": "2.6",
    "torch.float8_e8m0fnu": "2.7",
    "torch.utils._pytree.register_constant": "2.7",
    "torch.optim.Muon": "2.9",
}
"""Full name -> release."""


def lacks(module: str, name: str, torch: str) -> str:
    """Return the release that brought a name which a torch does not have; "" where it has it or nobody knows.

    An unknown torch ("") counts as older: an error said that the name is not there.
    """
    since = SINCE.get(f"{module}.{name}", "")
    return since if since and (not torch or within(torch, f"<{since}") is True) else ""
