# torch and its types are the target's, not the doctor's
# mypy: ignore-errors
# ruff: noqa: TID251
"""What stands for code that a GPU alone runs, while trace_memory.py traces: 4-bit modules, a kernel of attention.

They keep and make the same tensors, and compute nothing. Python 3.8 and newer; torch alone.
"""

import torch


class FourBitMatmul(torch.autograd.Function):
    """A matmul of a 4-bit matrix: a copy in the compute type, forward and backward, that is dropped at once."""

    @staticmethod
    def forward(ctx, x, packed, rows, columns):
        """Multiply."""
        ctx.save_for_backward(packed)
        ctx.sizes = (rows, columns)
        return torch.nn.functional.linear(
            x, torch.empty(rows, columns, dtype=x.dtype, device=x.device)
        )

    @staticmethod
    def backward(ctx, grad):
        """Take the product back."""
        return (
            grad.matmul(torch.empty(*ctx.sizes, dtype=grad.dtype, device=grad.device)),
            None,
            None,
            None,
        )


class FourBitLinear(torch.nn.Linear):
    """Stands for bitsandbytes' Linear4bit: packed weight, and the scales of nf4 with or without double quantisation."""

    def __init__(self, linear, double):
        torch.nn.Module.__init__(self)
        self.in_features, self.out_features, self.bias = (
            linear.in_features,
            linear.out_features,
            linear.bias,
        )
        device = linear.weight.device
        blocks = -(-linear.weight.numel() // 64)

        def frozen(count, dtype):
            return torch.nn.Parameter(
                torch.empty(count, dtype=dtype, device=device), requires_grad=False
            )

        self.weight = frozen(((linear.weight.numel() + 1) // 2, 1), torch.uint8)
        self.scales = frozen(blocks, torch.uint8 if double else torch.float32)
        self.outer = frozen(-(-blocks // 256) + 257 if double else 1, torch.float32)

    def forward(self, x):
        """Multiply, and add the bias."""
        y = FourBitMatmul.apply(x, self.weight, self.out_features, self.in_features)
        return y if self.bias is None else y + self.bias


class Attention(torch.autograd.Function):
    """Stands for the GPU's kernel of attention whose values are narrower than its keys; the CPU has none.

    Keeps q, k, v, the output and the logsumexp, as torch's memory-efficient kernel does.
    """

    @staticmethod
    def forward(ctx, query, key, value):
        """Attend."""
        batch, heads, tokens, _ = query.shape
        out = query.new_empty(batch, tokens, heads, value.shape[-1]).transpose(1, 2)
        ctx.save_for_backward(
            query, key, value, out, query.new_empty(batch, heads, tokens, dtype=torch.float32)
        )
        return out

    @staticmethod
    def backward(ctx, _):
        """Take it back."""
        return tuple(torch.empty_like(one) for one in ctx.saved_tensors[:3])


def attend(query, key, value, *_, **__):
    """Stand for scaled_dot_product_attention."""
    if torch.is_autocast_enabled("cpu"):
        query, key, value = (one.to(torch.bfloat16) for one in (query, key, value))
    return Attention.apply(query, key, value)


def attend_whole(query, key, value, attn_mask=None, dropout_p=0.0, **asked):
    """Attend as a GPU does where keys have fewer heads than queries: scores are made whole, in fp32.

    A kernel of the CPU takes such heads; none of a GPU does.
    """
    if torch.is_autocast_enabled("cpu"):
        query, key, value = (one.to(torch.bfloat16) for one in (query, key, value))
    with torch.autocast("cpu", enabled=False):
        return torch.ops.aten._scaled_dot_product_attention_math(  # noqa: SLF001  it has no other name
            query,
            key,
            value,
            attn_mask,
            dropout_p,
            asked.get("is_causal", False),
            scale=asked.get("scale"),
        )[0]


def dropout(x, p=0.5, training=True, inplace=False):  # noqa: ARG001, FBT002  torch calls it so
    """Stand for dropout: a GPU keeps a mask of one byte an element, the CPU one in the type of what is dropped."""
    return torch.native_dropout(x, p, training)[0] if training and p else x


def quantise(model, double):
    """Put 4-bit stand-ins in place of all linear modules but the head."""
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if type(child) is torch.nn.Linear and name != "lm_head":
                setattr(module, name, FourBitLinear(child, double))
