"""Remember frozen weights, and tell which of them changed."""

from typing import Any, Dict, List

SMALL = 1 << 22
"""Weights of a whole model of which a copy is kept; of larger ones two sums over their bits are."""
CHUNK = 1 << 24


class Kept:
    """Frozen weights as they were."""

    def __init__(self, torch: Any, model: Any) -> None:
        """Remember all weights that are no adapter's."""
        self.torch = torch
        frozen = self._frozen(model)
        self.copies = sum(p.numel() for p in frozen.values()) <= SMALL
        self.were = {name: self._seen(p) for name, p in frozen.items()}

    def changed(self, model: Any) -> List[str]:
        """Return the names of weights that are other bits now, or are gone."""
        now = self._frozen(model)
        return sorted(
            name
            for name, was in self.were.items()
            if name not in now or not self._same(was, self._seen(now[name]))
        )

    @staticmethod
    def _frozen(model: Any) -> Dict[str, Any]:
        return {n: p.detach() for n, p in model.named_parameters() if "lora_" not in n}

    def _seen(self, tensor: Any) -> Any:
        if self.copies:
            return tensor.clone()
        bits = tensor.contiguous().reshape(-1).view(self.torch.uint8)
        sums = []
        for chunk in bits.split(CHUNK):
            places = self.torch.arange(1, chunk.numel() + 1, device=chunk.device)
            sums.append((int(chunk.sum(dtype=self.torch.int64)), int((chunk * places).sum())))
        return sums

    def _same(self, was: Any, now: Any) -> bool:
        return bool(self.torch.equal(was, now)) if self.copies else bool(was == now)
