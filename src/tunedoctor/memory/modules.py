"""Norms, linear modules and adapters as transformers', bitsandbytes' and peft's code run them, on a tape."""

from tunedoctor.memory.run import Run
from tunedoctor.memory.shape import Matrix, Norm, Shape
from tunedoctor.memory.tape import Tape, Tensor


class Modules:
    """Modules of one model in one run."""

    def __init__(self, shape: Shape, run: Run, tape: Tape) -> None:
        """Take them on a tape."""
        self.shape, self.run, self.tape = shape, run, tape
        self.tokens, self.full = run.tokens, run.method == "full"

    def small(self, size: int) -> Tensor:
        """Return so many bytes that wait for the backward pass."""
        return self.tape.leaf(size, 1, grad=False)

    def add(self, one: Tensor, two: Tensor) -> Tensor:
        """Add two tensors."""
        return self.tape.op((one, two), one.count, max(one.width, two.width), same=True)

    def cast(self, x: Tensor, width: int) -> Tensor:
        """Return a tensor in another type; itself where it has that."""
        return x if x.width == width else self.tape.op((x,), x.count, width)

    def narrow(self, x: Tensor) -> Tensor:
        """Return a tensor in the type that a matmul takes."""
        return self.cast(x, self.run.kernel_bytes(x.width))

    def norm(self, x: Tensor, norm: Norm) -> Tensor:
        """Normalise."""
        op, kind, full = self.tape.op, self.shape.norm, self.full
        rows, made = self.tokens * norm.rows, self.run.gradient(norm.size) if self.full else 0
        if self.run.own_norm or kind == "layer":
            if kind == "layer" and self.run.autocast:
                x = self.cast(x, 4)
            return op((x,), x.count, x.width, saved=(x, self.small(8 * rows)), made=made)
        wide = self.cast(x, 4)
        if kind == "bare":
            out = op((wide,), x.count, 4, saved=(wide, self.small(8 * rows)), made=made)
            return self.cast(out, x.width)
        if kind == "centred":
            centred = op((wide,), x.count, 4, saved=(wide,), temp=wide.size)
            beside = (centred, self.small(4 * rows))
            return self.cast(
                op((centred,), x.count, 4, saved=beside, made=made, back=wide.size), x.width
            )
        scale = op((wide,), rows, 4, saved=(wide,), temp=wide.size, back=3 * wide.size)
        out = op((wide, scale), x.count, 4, saved=(wide, scale), back=wide.size)
        waits = (out,) if full else ()
        if kind == "gemma":
            return self.cast(op((out,), x.count, 4, saved=waits, packs=True, made=made), x.width)
        del wide, scale, waits
        out = self.cast(out, x.width)
        width, back = max(out.width, self.run.rest_bytes), out.size if full else 0
        return op(
            (out,), x.count, width, saved=(out,) if full else (), packs=True, made=made, back=back
        )

    def linear(self, x: Tensor, m: Matrix) -> Tensor:
        """Multiply by a matrix of the base model."""
        op, run, count = self.tape.op, self.run, self.tokens * m.outputs
        if (
            run.method == "qlora"
        ):  # in its own type, from a copy that is dropped at once, and back in the one that came
            narrow = self.cast(x, run.compute_bytes)
            copy = m.size * run.compute_bytes if run.quantisation != "int8" else 0
            kept = (narrow,) if run.stack.input_kept else ()
            y = op((narrow,), count, narrow.width, saved=kept, temp=copy, back=copy, packs=True)
            del narrow, kept
            return self.cast(y, x.width)
        narrow = self.narrow(x)
        saved: tuple[Tensor, ...] = (narrow,) if self.full else ()
        if run.rest_bytes > narrow.width:  # autocast's copy of the weight
            saved = (*saved, self.small(m.size * narrow.width))
        made = run.gradient(m.size) if self.full else 0
        back = m.size * narrow.width if self.full and run.trained_bytes > narrow.width else 0
        return op((narrow,), count, narrow.width, saved=saved, packs=True, made=made, back=back)

    def adapted(self, x: Tensor, y: Tensor, m: Matrix) -> Tensor:
        """Add what an adapter gives to what its module gives."""
        op, run, width = self.tape.op, self.run, y.width
        # peft's module for 4 bits leaves the type to autocast, its other one makes a copy all the same
        quantised = run.method == "qlora"
        if not (quantised and run.autocast) and not run.stack.own_feed:
            x = self.cast(x, run.adapter_bytes)
        if run.dropout:
            x = op((x,), x.count, x.width, saved=(self.small(x.count),))
        low = self._low(self.narrow(x), run.rank, m.inputs * run.rank)
        high = self._low(low, m.outputs, m.outputs * run.rank)
        del low
        if run.dora:
            y = op((y, high), y.count, max(y.width, high.width), saved=(y, high))
        high = op((high,), high.count, high.width)
        if quantised and not run.autocast:
            high = self.cast(high, width)
        y = self.add(y, high)
        del high
        return self.cast(y, width)

    def _low(self, x: Tensor, outputs: int, size: int) -> Tensor:
        """Multiply by one of an adapter's matrices, of which autocast makes a copy."""
        copy = size * x.width if self.run.adapter_bytes > x.width else 0
        saved = (x, self.small(copy)) if copy else (x,)
        return self.tape.op(
            (x,), self.tokens * outputs, x.width, saved=saved, made=self.run.gradient(size)
        )
