"""Which torch release was the first without a name that older libraries call.

Source of every row: as in torch_names.py, the Python files of torch's own wheels: the last release that has the name is
the one before.
"""

from tunedoctor.versions import within

GONE = {
    "torch._six.container_abcs": "1.9",
    "torch.onnx.utils.ExportTypes": "1.12",
    "torch._masked": "1.13",
    "torch._six": "2.0",
    "torch.distributed.fsdp.flatten_params_wrapper": "2.0",
    "torch.distributed.fsdp.fully_sharded_data_parallel.FlattenParamsWrapper": "2.0",
    "torch.nn.functional._scaled_dot_product_attention": "2.0",
    "torch.nn.utils._stateless": "2.0",
    "torch.overrides._set_torch_function_mode": "2.0",
    "torch.serialization._string_classes": "2.0",
    "torch.testing.get_all_device_types": "2.0",
    "torch.testing.make_non_contiguous": "2.0",
    "torch.testing.randn": "2.0",
    "torch.utils.data.communication": "2.0",
    "torch.utils.data.dataloader.string_classes": "2.0",
    "torch.utils.data.DataLoader2": "2.0",
    "torch._prims.nvfuser_executor": "2.1",
    "torch.distributed._shard.partial_tensor": "2.1",
    "torch.distributed._shard.replicated_tensor": "2.1",
    "torch.distributed.fsdp._utils": "2.1",
    "torch.distributed.fsdp.wrap._wrap_batchnorm_individually": "2.1",
    "torch.optim.optimizer._params_t": "2.1",
    "torch.profiler.ExecutionGraphObserver": "2.1",
    "torch.utils.checkpoint._checkpoint_without_reentrant": "2.1",
    "torch._export.constraints": "2.2",
    "torch._inductor.utils.has_triton": "2.2",
    "torch.distributed.all_gather_multigpu": "2.2",
    "torch.distributed.all_reduce_multigpu": "2.2",
    "torch.distributed.broadcast_multigpu": "2.2",
    "torch.distributed.fsdp.flat_param": "2.2",
    "torch.distributed.reduce_multigpu": "2.2",
    "torch.distributed.reduce_scatter_multigpu": "2.2",
    "torch.distributed.tensor.parallel.PairwiseParallel": "2.2",
    "torch.optim.optimizer.params_t": "2.2",
    "torch._dynamo.allowed_functions": "2.3",
    "torch._dynamo.skipfiles": "2.3",
    "torch.distributed.checkpoint._state_dict_utils": "2.3",
    "torch._inductor.utils.do_bench": "2.4",
    "torch._inductor.utils.free_symbol_startswith": "2.4",
    "torch._inductor.utils.next_power_of_2": "2.4",
    "torch.distributed._tensor.op_schema": "2.4",
    "torch.distributed.checkpoint.fsspec": "2.4",
    "torch.distributed.elastic.agent.server.api._get_socket_with_port": "2.4",
    "torch.distributed.elastic.agent.server.api.log": "2.4",
    "torch.distributed.pipeline": "2.4",
    "torch.distributed.pipeline.sync": "2.4",
    "torch.utils._cuda_trace": "2.4",
    "torch._dynamo.polyfill": "2.5",
    "torch._inductor.utils.cache_dir": "2.5",
    "torch.distributed._spmd": "2.5",
    "torch.distributed._tensor.device_mesh": "2.5",
    "torch.distributed._tensor.experimental": "2.5",
    "torch.distributed._tensor.ops": "2.5",
    "torch.distributed._tensor.random": "2.5",
    "torch.export.dynamic_dim": "2.5",
    "torch.fx.experimental._sym_dispatch_mode": "2.5",
    "torch.nn.attention._flex_attention": "2.5",
    "torch.onnx.CheckerError": "2.5",
    "torch.utils.checkpoint._pt2_selective_checkpoint_context_fn_gen": "2.5",
    "torch.distributed._composable.fully_shard": "2.6",
    "torch.onnx.export_to_pretty_string": "2.6",
    "torch._subclasses.fake_tensor._UNASSIGNED": "2.8",
    "torch.cuda.MemPoolContext": "2.8",
    "torch.export.export_for_inference": "2.8",
    "torch.fx.experimental.symbolic_shapes.definitely_false": "2.8",
    "torch.fx.experimental.symbolic_shapes.definitely_true": "2.8",
    "torch.nn.attention.flex_attention._supported_head_dim": "2.8",
    "torch.nn.attention.flex_attention.TransformGetItemToIndex": "2.8",
    "torch.onnx.OnnxRegistry": "2.8",
    "torch._deploy": "2.9",
    "torch.cuda.error": "2.9",
    "torch.onnx.dynamo_export": "2.9",
    "torch.onnx.ExportOptions": "2.9",
    "torch.utils._freeze": "2.9",
    "torch.nn.attention.flex_attention.create_nested_block_mask": "2.10",
    "torch.utils.bottleneck": "2.10",
    "torch.export.export_for_training": "2.11",
    "torch.fx.experimental.symbolic_shapes.has_hint": "2.12",
    "torch.fx.experimental.symbolic_shapes.hint_int": "2.12",
}
"""Full name -> release."""


def gave_up(module: str, name: str, torch: str) -> str:
    """Return the release that gave a name up which a torch no longer has; "" where it has it or nobody knows.

    An unknown torch ("") counts as newer: an error said that the name is not there.
    """
    since = GONE.get(f"{module}.{name}", "")
    return since if since and (not torch or within(torch, f">={since}") is True) else ""
