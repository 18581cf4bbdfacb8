"""Which torch release was the first to have a public name that libraries call.

Source: release notes of torch and its documentation, from memory: no row was checked against a wheel. That a name came
with some later release is sure; which one can be off by one.
"""

from tunedoctor.versions import within

SINCE = {
    "torch.fx": "1.8",
    "torch.inference_mode": "1.9",
    "torch.is_inference_mode_enabled": "1.9",
    "torch.ao.quantization": "1.10",
    "torch.concat": "1.10",
    "torch.frombuffer": "1.10",
    "torch.backends.mps": "1.12",
    "torch.set_float32_matmul_precision": "1.12",
    "torch._dynamo": "2.0",
    "torch.backends.cuda.sdp_kernel": "2.0",
    "torch.compile": "2.0",
    "torch.distributed.checkpoint": "2.0",
    "torch.func": "2.0",
    "torch.mps": "2.0",
    "torch.nn.functional.scaled_dot_product_attention": "2.0",
    "torch.optim.lr_scheduler.LRScheduler": "2.0",
    "torch.set_default_device": "2.0",
    "torch.vmap": "2.0",
    "torch.compiler": "2.1",
    "torch.compiler.is_compiling": "2.1",
    "torch.compiler.is_dynamo_compiling": "2.1",
    "torch.export": "2.1",
    "torch.float8_e4m3fn": "2.1",
    "torch.float8_e5m2": "2.1",
    "torch.nn.utils.parametrizations.weight_norm": "2.1",
    "torch.distributed.checkpoint.state_dict": "2.2",
    "torch.distributed.checkpoint.state_dict.StateDictOptions": "2.2",
    "torch.distributed.device_mesh": "2.2",
    "torch.distributed.DeviceMesh": "2.2",
    "torch.distributed.init_device_mesh": "2.2",
    "torch.utils._pytree.register_pytree_node": "2.2",
    "torch.amp.GradScaler": "2.3",
    "torch.get_default_device": "2.3",
    "torch.nn.attention": "2.3",
    "torch.nn.attention.bias": "2.3",
    "torch.nn.attention.sdpa_kernel": "2.3",
    "torch.nn.attention.SDPBackend": "2.3",
    "torch.uint16": "2.3",
    "torch.uint32": "2.3",
    "torch.uint4": "2.3",
    "torch.uint64": "2.3",
    "torch.xpu": "2.3",
    "torch.amp.custom_bwd": "2.4",
    "torch.amp.custom_fwd": "2.4",
    "torch.amp.is_autocast_available": "2.4",
    "torch.distributed._composable.fsdp": "2.4",
    "torch.distributed.pipelining": "2.4",
    "torch.get_autocast_dtype": "2.4",
    "torch.library.custom_op": "2.4",
    "torch.library.register_autograd": "2.4",
    "torch.library.register_fake": "2.4",
    "torch.nn.functional.rms_norm": "2.4",
    "torch.nn.RMSNorm": "2.4",
    "torch.serialization.add_safe_globals": "2.4",
    "torch.utils.checkpoint.CheckpointPolicy": "2.4",
    "torch.utils.checkpoint.create_selective_checkpoint_contexts": "2.4",
    "torch.distributed.tensor": "2.5",
    "torch.distributed.tensor.DTensor": "2.5",
    "torch.distributed.tensor.Replicate": "2.5",
    "torch.distributed.tensor.Shard": "2.5",
    "torch.library.infer_schema": "2.5",
    "torch.nn.attention.flex_attention": "2.5",
    "torch.nn.attention.flex_attention.BlockMask": "2.5",
    "torch.nn.attention.flex_attention.create_block_mask": "2.5",
    "torch.nn.attention.flex_attention.flex_attention": "2.5",
    "torch.nn.Buffer": "2.5",
    "torch.serialization.safe_globals": "2.5",
    "torch._dynamo._trace_wrapped_higher_order_op.TransformGetItemToIndex": "2.6",
    "torch.accelerator": "2.6",
    "torch.compiler.set_stance": "2.6",
    "torch.distributed.fsdp.CPUOffloadPolicy": "2.6",
    "torch.distributed.fsdp.FSDPModule": "2.6",
    "torch.distributed.fsdp.fully_shard": "2.6",
    "torch.distributed.fsdp.MixedPrecisionPolicy": "2.6",
    "torch.int4": "2.6",
    "torch.library.triton_op": "2.6",
    "torch.library.wrap_triton": "2.6",
    "torch.compiler.is_exporting": "2.7",
    "torch.float8_e8m0fnu": "2.7",
    "torch.utils._pytree.register_constant": "2.7",
    "torch.float4_e2m1fn_x2": "2.8",
    "torch.nn.attention.flex_attention.AuxRequest": "2.9",
    "torch.optim.Muon": "2.9",
}
"""Full name -> release."""

KEYWORDS = {
    ("scaled_dot_product_attention", "scale"): "2.1",
    ("checkpoint", "determinism_check"): "2.1",
    ("GradScaler.__init__", "device"): "2.3",
    ("register_pytree_node", "flatten_with_keys_fn"): "2.3",
    ("scaled_dot_product_attention", "enable_gqa"): "2.5",
}
"""Function and the keyword that a release brought. Source: release notes of torch and its documentation."""


def lacks(module: str, name: str, torch: str) -> str:
    """Return the release that brought a name which a torch does not have; "" where it has it or nobody knows.

    An unknown torch ("") counts as older: an error said that the name is not there. Without a module the name is
    "function keyword".
    """
    function, _, keyword = name.partition(" ")
    since = SINCE.get(f"{module}.{name}", "") if module else KEYWORDS.get((function, keyword), "")
    return since if since and (not torch or within(torch, f"<{since}") is True) else ""
