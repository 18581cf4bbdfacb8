"""Rows kept for the model's tokenizer: all while there is room, then an even sample."""

ROOM = 24 << 20
"""Bytes that are kept."""
ROWS = 20_000


class Spool:
    """An even sample in bounded memory: a row is kept where the low bits of its number are zero, ever more bits."""

    def __init__(self) -> None:
        self.mask = 0
        self.rows: list[tuple[int, int, bytes]] = []
        """Number to choose by, file, and the row as JSON."""
        self._size = 0

    def add(self, file: int, samples: list[tuple[int, bytes]]) -> None:
        """Take rows of a file."""
        for key, data in samples:
            if key & self.mask:
                continue
            self.rows.append((key, file, data))
            self._size += len(data)
            while self._size > ROOM or len(self.rows) > ROWS:
                self.mask = self.mask * 2 + 1
                self.rows = [one for one in self.rows if not one[0] & self.mask]
                self._size = sum(len(one[2]) for one in self.rows)

    @property
    def whole(self) -> bool:
        """Every row is kept."""
        return self.mask == 0
