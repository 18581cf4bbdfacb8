# torch and its types are the target's, not the doctor's
# mypy: ignore-errors
# ruff: noqa: TID251
"""Stand-ins, in a trace, for code that a GPU alone runs: they keep and make the same tensors, and compute nothing."""

import torch


class FourBitMatmul(torch.autograd.Function):
    """A matmul of a 4-bit matrix: a copy in the compute type, forward and backward, that is dropped at once."""

    @staticmethod
    def forward(ctx, x, packed, rows, columns):
        """Multiply."""
        ctx.save_for_backward(packed)
        ctx.sizes = (rows, columns)
        return torch.nn.functional.linear(x, x.new_empty(rows, columns))

    @staticmethod
    def backward(ctx, grad):
        """Take the product back."""
        return grad.matmul(grad.new_empty(*ctx.sizes)), None, None, None


class FourBitLinear(torch.nn.Linear):
    """Stands for bitsandbytes' Linear4bit: packed weight, and the scales of nf4 with or without double quantisation."""

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
        """Multiply in 16 bit, and give back the type that came."""
        rows, columns = self.out_features, self.in_features
        y = FourBitMatmul.apply(x.to(torch.bfloat16), self.weight, rows, columns)
        return (y if self.bias is None else y + self.bias.to(y.dtype)).to(x.dtype)


class Attention(torch.autograd.Function):
    """Stands for the GPU's kernel of attention whose values are narrower than its keys; the CPU has none.

    Keeps q, k, v, the output and the logsumexp, as torch's memory-efficient kernel does.
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
        """Take it back."""
        return tuple(torch.empty_like(one) for one in ctx.saved_tensors[:3])


def cast(*tensors):
    """Return tensors in the type that autocast would give them."""
    half = torch.is_autocast_enabled("cpu")
    return [one.to(torch.bfloat16) for one in tensors] if half else tensors


def attend(query, key, value, *_, **__):
    """Stand for scaled_dot_product_attention."""
    return Attention.apply(*cast(query, key, value))


def attend_whole(query, key, value, attn_mask=None, dropout_p=0.0, **asked):
    """Attend with fewer heads of keys as a GPU does, which has no kernel for them: scores are made whole, in fp32."""
    causal, scale = asked.get("is_causal", False), asked.get("scale")
    inputs = (*cast(query, key, value), attn_mask, dropout_p, causal)
    with torch.autocast("cpu", enabled=False):
        return torch.ops.aten._scaled_dot_product_attention_math(*inputs, scale=scale)[0]  # noqa: SLF001  its name


def dropout(x, p=0.5, training=True, inplace=False):  # noqa: ARG001, FBT002  torch calls it so
    """Stand for dropout: a GPU keeps a mask of one byte an element, the CPU one in the type of what is dropped."""
    return torch.native_dropout(x, p, training)[0] if training and p else x
