"""How many layers have to be traced so that the rest can be carried on along a line."""

from typing import NamedTuple

import msgspec

from tunedoctor.memory.shape import Layer, Shape


class Depths(NamedTuple):
    """Two numbers of layers, one period of a model's layers apart; alike where only the whole model will do."""

    few: int
    more: int


def depths(shape: Shape, seq: int) -> Depths:
    """Return the fewest layers to trace, one period of the layers apart.

    What is carried on are whole periods, and the last period stands apart from the first: what is highest while a
    layer is taken back differs between them.
    """
    kinds = [_plain(one, seq) for one in shape.layers for _ in range(one.repeat)]
    whole = len(kinds)
    found = Depths(whole, whole)
    for length in range(1, whole // 2 + 1):
        few = max(2 * length, _start(kinds, length) + length)
        few += (whole - few) % length
        if few + length <= whole and few + few + length < sum(found):
            found = Depths(few, few + length)
    return found


def _start(kinds: list[Layer], length: int) -> int:
    start = len(kinds) - length
    while start and kinds[start - 1] == kinds[start - 1 + length]:
        start -= 1
    return start


def _plain(layer: Layer, seq: int) -> Layer:
    """Return a layer without what makes no difference: how many are alike, and a window that nothing passes."""
    mixer = layer.mixer
    if mixer and mixer.window > seq:
        mixer = msgspec.structs.replace(mixer, window=0)
    return msgspec.structs.replace(layer, repeat=1, mixer=mixer)
