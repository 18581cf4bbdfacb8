"""An allocator and an autograd without numbers, and norms, linear modules and adapters that run on them.

A program is written as in the library, on `Tensor`s that have a size but no values. Python frees what no name
refers to, just as it does for torch, so a size counts from the operation that creates it to the last use.
"""

from collections.abc import Callable
from dataclasses import dataclass

from tunedoctor.memory.run import Run
from tunedoctor.memory.shape import Matrix, Norm, Shape

_BLOCK = 512
"""torch's CUDA allocator rounds up to a multiple of this number of bytes."""


class Storage:
    """Bytes that are allocated until nothing refers to them."""

    __slots__ = ("_tape", "size")

    def __init__(self, tape: "Tape", size: int) -> None:
        self._tape, self.size = tape, 0 if tape.muted else -(-size // _BLOCK) * _BLOCK
        tape.now += self.size
        tape.peak = max(tape.peak, tape.now)

    def __del__(self) -> None:
        """Free them."""
        self._tape.now -= self.size


@dataclass(slots=True, eq=False)
class TapeNode:
    """An operation with a backward pass."""

    parents: "tuple[TapeNode | None, ...]"
    gives: tuple[int, ...]
    """Bytes of the gradient for each parent; 0: the incoming gradient is passed on."""
    saved: tuple[Storage, ...] = ()
    extra: int = 0
    made: int = 0
    packs: bool = False
    """Its backward pass needs kept tensors."""
    grad: Storage | None = None


@dataclass(slots=True, eq=False)
class Tensor:
    """A number of elements of some width, their storage, and the operation that made them if it has gradients."""

    storage: Storage
    count: int
    width: int
    node: TapeNode | None = None

    @property
    def size(self) -> int:
        """Bytes."""
        return self.count * self.width


class Tape:
    """Memory of one program."""

    def __init__(self) -> None:
        self.now = self.peak = self.packed = 0
        self.stop = -1
        """Number of kept tensors after which a recomputed program stops; -1: never."""
        self.muted = False
        self.recording = True
        self.nodes: list[TapeNode] = []
        self.gradients: list[Storage] = []

    def leaf(self, count: int, width: int, *, grad: bool = True) -> Tensor:
        """Return a tensor that comes from outside."""
        made = Tensor(Storage(self, count * width), count, width)
        if grad:
            made.node = TapeNode((), ())
        return made

    def op(  # noqa: PLR0913  what an operation can need
        self, ins: tuple[Tensor, ...], count: int, width: int, *, saved: tuple[Tensor, ...] = (), keeps: bool = False,
        packs: bool = False, view: bool = False, temp: int = 0, back: int = 0, made: int = 0, same: bool = False,
    ) -> Tensor:  # fmt: skip
        """Run an operation on tensors.

        `saved` are kept for the backward pass, and with `keeps` also the result; `packs`: a weight is kept. `view`: the
        result is in the first one's storage. `temp`, `back`: temporary bytes, forward and backward. `made`: bytes of a
        weight's gradient, which stay. `same`: gradients are passed on unchanged.
        """
        recorded = self.recording and bool(made or any(one.node for one in ins))
        last = False
        packs = packs or keeps or bool(saved)
        if recorded and packs:
            self.packed += 1
            last = self.packed == self.stop
            self.muted = self.muted or (last and not keeps)
        if temp:
            Storage(self, temp)
        out = Tensor(ins[0].storage if view else Storage(self, count * width), count, width)
        if not recorded:
            return out
        gives = tuple(0 if view or same else one.size for one in ins)
        stores = (*(one.storage for one in saved), *([out.storage] if keeps else []))
        out.node = TapeNode(tuple(one.node for one in ins), gives, stores, back, made, packs)
        self.nodes.append(out.node)
        self.muted = self.muted or last
        return out

    def backward(self, size: int, again: Callable[[], object] | None = None) -> None:
        """Run the backward pass, starting with a gradient of `size` bytes for the last result.

        `again` recomputes what was kept, as checkpointing does: at the first operation that needs it.
        """
        self.nodes[-1].grad = Storage(self, size)
        while self.nodes:
            if again and self.nodes[-1].packs:
                self._recompute(again)
                again = None
            node = self.nodes.pop()
            grad = node.grad
            if grad is None:
                continue
            moment = Storage(self, node.extra) if node.extra else None
            if node.made:
                self.gradients.append(Storage(self, node.made))
            for parent, give in zip(node.parents, node.gives, strict=True):
                if parent is None:
                    continue
                own = Storage(self, give) if give else grad
                parent.grad = parent.grad or own  # a second one is added in place
                del own
            del moment
            node.grad, node.saved = None, ()

    def forget(self) -> None:
        """Free what was kept, as checkpointing does."""
        for node in self.nodes:
            node.saved = ()

    def _recompute(self, again: Callable[[], object]) -> None:
        """Run the program until it has kept the same tensors as the first time; its locals free no tensor later."""
        first, self.nodes = self.nodes, []
        self.packed, self.stop = 0, self.packed
        again()
        self.stop, self.muted = -1, False
        for old, new in zip(first, self.nodes, strict=False):
            old.saved = new.saved
        self.nodes = first


class Modules:
    """Modules of one model in one run."""

    def __init__(self, shape: Shape, run: Run, tape: Tape) -> None:
        self.shape, self.run, self.tape = shape, run, tape
        self.tokens, self.full = run.tokens, run.method == "full"

    def small(self, size: int) -> Tensor:
        """Return a tensor of this many bytes that is kept for the backward pass."""
        return self.tape.leaf(size, 1, grad=False)

    def add(self, one: Tensor, two: Tensor) -> Tensor:
        """Add two tensors."""
        return self.tape.op((one, two), one.count, max(one.width, two.width), same=True)

    def cast(self, x: Tensor, width: int) -> Tensor:
        """Return a tensor in another type; the same tensor if it already has that type."""
        return x if x.width == width else self.tape.op((x,), x.count, width)

    def narrow(self, x: Tensor) -> Tensor:
        """Return a tensor in the type that a matmul uses."""
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
            out = op((centred,), x.count, 4, saved=beside, made=made, back=wide.size)
            return self.cast(out, x.width)
        scale = op((wide,), rows, 4, saved=(wide,), temp=wide.size, back=3 * wide.size)
        out = op((wide, scale), x.count, 4, saved=(wide, scale), back=wide.size)
        waits = (out,) if full else ()
        if kind == "gemma":
            return self.cast(op((out,), x.count, 4, saved=waits, packs=True, made=made), x.width)
        del wide, scale, waits
        out = self.cast(out, x.width)
        width, back = max(out.width, self.run.rest_bytes), out.size if full else 0
        waits = (out,) if full else ()
        return op((out,), x.count, width, saved=waits, packs=True, made=made, back=back)

    def linear(self, x: Tensor, m: Matrix) -> Tensor:
        """Multiply by a matrix of the base model."""
        op, run, count = self.tape.op, self.run, self.tokens * m.outputs
        # in its own type, from a temporary copy, and the result in the original type
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
        """Add the output of an adapter to the output of its module."""
        op, run, width = self.tape.op, self.run, y.width
        # peft's 4-bit module leaves the type to autocast, its other one always makes a copy
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
        """Add DoRA's part, line by line as in peft's DoraLinearLayer."""
        op, run = self.tape.op, self.run
        wide, narrow = x.width, self.run.kernel_bytes(x.width)
        # B(A(identity)), whose graph keeps the identity as long as a name refers to the product
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
        self.small(2 * m.size * wide)  # the scaled product, and the sum, whose norm is computed
        high = self._product(x, m)
        if run.dropout:  # the base module again, on what dropout leaves
            kept = base
            if narrow != wide:
                kept = [self.small(m.size * narrow)]
            result = op((self.narrow(x),), high.count, narrow, saved=tuple(kept), packs=True)
            del kept
        else:
            result = y
        back = (2 if narrow < wide else 1) * high.count * wide  # products with both factors
        made = run.gradient(m.outputs)
        one = op((result,), high.count, wide, saved=(result,), back=back, made=made)
        two = op((high,), high.count, wide, saved=(high,), back=back)
        del high, result
        two = op((two,), two.count, wide)
        one = self.add(one, two)
        del two, eye, delta, base
        return self.cast(self.add(y, one), y.width)

    def _low(self, x: Tensor, outputs: int, size: int) -> Tensor:
        """Multiply by one of an adapter's matrices, which autocast copies."""
        copy = size * x.width if self.run.adapter_bytes > x.width else 0
        saved = (x, self.small(copy)) if copy else (x,)
        made = self.run.gradient(size)
        return self.tape.op((x,), self.tokens * outputs, x.width, saved=saved, made=made)
