# torch and its types are the target's, not the doctor's
# mypy: ignore-errors
# ruff: noqa: TID251
"""Stand-ins for code that only GPUs run: in a trace they create and keep the same tensors, and compute nothing."""

import torch


class FourBitMatmul(torch.autograd.Function):
    """A product with a 4-bit matrix: forward and backward unpack it to the compute type, and free that copy at once."""

    @staticmethod
    def forward(ctx, x, packed, rows, columns):
        """Multiply."""
        ctx.save_for_backward(packed)
        ctx.sizes = (rows, columns)
        return torch.nn.functional.linear(x, x.new_empty(rows, columns))

    @staticmethod
    def backward(ctx, grad):
        """Return the gradient of the product."""
        return grad.matmul(grad.new_empty(*ctx.sizes)), None, None, None


class FourBitLinear(torch.nn.Linear):
    """Stand-in for bitsandbytes' Linear4bit: packed weight, and nf4 scales with or without double quantisation."""

    def __init__(self, linear, double):
        torch.nn.Module.__init__(self)
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.bias = linear.bias
        count = linear.weight.numel()
        blocks = -(-count // 64)

        def frozen(shape, dtype):
            empty = torch.empty(shape, dtype=dtype, device=linear.weight.device)
            return torch.nn.Parameter(empty, requires_grad=False)

        self.weight = frozen(((count + 1) // 2, 1), torch.uint8)
        self.scales = frozen(blocks, torch.uint8 if double else torch.float32)
        self.outer = frozen(-(-blocks // 256) + 257 if double else 1, torch.float32)

    def forward(self, x):
        """Multiply in 16 bits, and return the result in the type of the input."""
        rows, columns = self.out_features, self.in_features
        y = FourBitMatmul.apply(x.to(torch.bfloat16), self.weight, rows, columns)
        return (y if self.bias is None else y + self.bias.to(y.dtype)).to(x.dtype)


class Attention(torch.autograd.Function):
    """Stand-in for the GPU kernel of attention with values narrower than keys, which the CPU lacks.

    It keeps q, k, v, the output and the logsumexp, as torch's memory-efficient kernel does.
    """

    @staticmethod
    def forward(ctx, query, key, value):
        """Attend."""
        batch, heads, tokens, _ = query.shape
        out = query.new_empty(batch, tokens, heads, value.shape[-1]).transpose(1, 2)
        sums = query.new_empty(batch, heads, tokens, dtype=torch.float32)
        ctx.save_for_backward(query, key, value, out, sums)
        return out

    @staticmethod
    def backward(ctx, _):
        """Return gradients of q, k and v."""
        return tuple(torch.empty_like(one) for one in ctx.saved_tensors[:3])


def cast(*tensors):
    """Return tensors in the type that autocast would give them."""
    half = torch.is_autocast_enabled("cpu")
    return [one.to(torch.bfloat16) for one in tensors] if half else tensors


def attend(query, key, value, *_, **__):
    """Replace scaled_dot_product_attention for values narrower than keys."""
    return Attention.apply(*cast(query, key, value))


def attend_whole(query, key, value, attn_mask=None, dropout_p=0.0, **asked):
    """Attend with fewer key heads as on a GPU, which has no kernel for that: it computes all scores in fp32."""
    causal, scale = asked.get("is_causal", False), asked.get("scale")
    inputs = (*cast(query, key, value), attn_mask, dropout_p, causal)
    with torch.autocast("cpu", enabled=False):
        return torch.ops.aten._scaled_dot_product_attention_math(*inputs, scale=scale)[0]  # noqa: SLF001  its name


def dropout(x, p=0.5, training=True, inplace=False):  # noqa: ARG001, FBT002  torch calls it so
    """Replace dropout: a GPU keeps a mask of one byte per element, the CPU one in the type of the input."""
    return torch.native_dropout(x, p, training)[0] if training and p else x
