"""Norms, linear modules and adapters as transformers', bitsandbytes' and peft's code run them, on a tape."""

from tunedoctor.memory.run import Run
from tunedoctor.memory.shape import Matrix, Norm, Shape
from tunedoctor.memory.tape import Tape, Tensor


class Modules:
    """Modules of one model in one run."""

    def __init__(self, shape: Shape, run: Run, tape: Tape) -> None:
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
        # in its own type, from a copy that is dropped at once, and back in the one that came
        if run.method == "qlora":
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
        if run.dora:
            return self._magnitudes(x, y, m)
        high = self._product(x, m)
        high = op((high,), high.count, high.width)
        if quantised and not run.autocast:
            high = self.cast(high, width)
        y = self.add(y, high)
        del high
        return self.cast(y, width)

    def _product(self, x: Tensor, m: Matrix) -> Tensor:
        low = self._low(self.narrow(x), self.run.rank, m.inputs * self.run.rank)
        return self._low(low, m.outputs, m.outputs * self.run.rank)

    def _magnitudes(self, x: Tensor, y: Tensor, m: Matrix) -> Tensor:
        """Add DoRA's part, line by line of peft's DoraLinearLayer."""
        op, run = self.tape.op, self.run
        wide, narrow = x.width, self.run.kernel_bytes(x.width)
        # B(A(identity)), whose graph keeps the identity as long as the product has a name
        eye = self.small(m.inputs * m.inputs * run.adapter_bytes)
        if narrow != run.adapter_bytes:
            eye = self.small(m.inputs * m.inputs * narrow)
        delta = self.small(m.size * narrow)
        if wide != narrow:
            delta = self.small(m.size * wide)
        base = [self.small(m.size * run.compute_bytes)] if run.method == "qlora" else []
        copied = (run.compute_bytes if base else run.rest_bytes) != wide
        if copied:
            base = [self.small(m.size * wide)]
        self.small(2 * m.size * wide)  # the product scaled, and the sum, of which the norm is taken
        high = self._product(x, m)
        if run.dropout:  # the base module once more, on what is left
            kept = base
            if narrow != wide:
                kept = [self.small(m.size * narrow)]
            result = op((self.narrow(x),), high.count, narrow, saved=tuple(kept), packs=True)
            del kept
        else:
            result = y
        back = (2 if narrow < wide else 1) * high.count * wide  # products with both factors
        one = op(
            (result,), high.count, wide, saved=(result,), back=back, made=run.gradient(m.outputs)
        )
        two = op((high,), high.count, wide, saved=(high,), back=back)
        del high, result
        two = op((two,), two.count, wide)
        one = self.add(one, two)
        del two, eye, delta, base
        return self.cast(self.add(y, one), y.width)

    def _low(self, x: Tensor, outputs: int, size: int) -> Tensor:
        """Multiply by one of an adapter's matrices, of which autocast makes a copy."""
        copy = size * x.width if self.run.adapter_bytes > x.width else 0
        saved = (x, self.small(copy)) if copy else (x,)
        return self.tape.op(
            (x,), self.tokens * outputs, x.width, saved=saved, made=self.run.gradient(size)
        )
