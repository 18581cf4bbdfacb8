"""An allocator and an autograd without numbers: what a program of tensor operations holds, forward and backward.

A program is written as the library writes it, on `Tensor`s that have a size and no values. Python drops what no name
holds any more just as it does for torch, so that a size counts from the operation that makes it to the last use.
"""

from collections.abc import Callable
from dataclasses import dataclass

_BLOCK = 512
"""Bytes that torch's CUDA allocator rounds up to."""


class Storage:
    """Bytes that are alive until nobody holds them."""

    __slots__ = ("_tape", "size")

    def __init__(self, tape: "Tape", size: int) -> None:
        self._tape, self.size = tape, 0 if tape.muted else -(-size // _BLOCK) * _BLOCK
        tape.now += self.size
        tape.peak = max(tape.peak, tape.now)

    def __del__(self) -> None:
        """Give them back."""
        self._tape.now -= self.size


@dataclass(slots=True, eq=False)
class Node:
    """An operation that the backward pass takes back."""

    parents: "tuple[Node | None, ...]"
    gives: tuple[int, ...]
    """Bytes of the gradient for each parent; 0: the one that came is handed on."""
    saved: tuple[Storage, ...] = ()
    extra: int = 0
    made: int = 0
    packs: bool = False
    """It asks for tensors that were kept."""
    grad: Storage | None = None


@dataclass(slots=True, eq=False)
class Tensor:
    """Elements of so many bytes, their storage, and the operation that made them where gradients reach it."""

    storage: Storage
    count: int
    width: int
    node: Node | None = None

    @property
    def size(self) -> int:
        """Bytes."""
        return self.count * self.width


class Tape:
    """Memory of one program."""

    def __init__(self) -> None:
        self.now = self.peak = self.packed = 0
        self.stop = -1
        """Times of keeping after which nothing of a recomputed program is made any more; -1: never."""
        self.muted = False
        self.recording = True
        self.nodes: list[Node] = []
        self.gradients: list[Storage] = []

    def leaf(self, count: int, width: int, *, grad: bool = True) -> Tensor:
        """Return a tensor that comes from outside."""
        made = Tensor(Storage(self, count * width), count, width)
        if grad:
            made.node = Node((), ())
        return made

    def op(  # noqa: PLR0913  what an operation can need
        self, ins: tuple[Tensor, ...], count: int, width: int, *, saved: tuple[Tensor, ...] = (), keeps: bool = False,
        packs: bool = False, view: bool = False, temp: int = 0, back: int = 0, made: int = 0, same: bool = False,
    ) -> Tensor:  # fmt: skip
        """Run an operation on tensors.

        `saved` are kept for the backward pass, with `keeps` the result as well; `packs`: a weight is. `view`: the
        result lies in the first one's storage. `temp`, `back`: bytes for a moment, forward and backward. `made`: bytes
        of a weight's gradient, which stay. `same`: gradients are handed on as they come.
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
        out.node = Node(tuple(one.node for one in ins), gives, stores, back, made, packs)
        self.nodes.append(out.node)
        self.muted = self.muted or last
        return out

    def backward(self, size: int, again: Callable[[], object] | None = None) -> None:
        """Take back all that was recorded, from a gradient of so many bytes of the last result on.

        `again` makes once more what was kept, as checkpointing does: at the first operation that asks for it.
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
                parent.grad = parent.grad or own  # a second one is added in its place
                del own
            del moment
            node.grad, node.saved = None, ()

    def forget(self) -> None:
        """Drop what was kept, as checkpointing does."""
        for node in self.nodes:
            node.saved = ()

    def _recompute(self, again: Callable[[], object]) -> None:
        """Run the program until it has kept all that it kept the first time; its locals free no tensor later."""
        first, self.nodes = self.nodes, []
        self.packed, self.stop = 0, self.packed
        again()
        self.stop, self.muted = -1, False
        for old, new in zip(first, self.nodes, strict=False):
            old.saved = new.saved
        self.nodes = first
