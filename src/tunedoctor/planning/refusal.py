"""Why there is no plan."""


class RefusedError(Exception):
    """There is no plan; the message says why in one sentence, `by_hand` what gets the user further."""

    def __init__(self, why: str, *by_hand: str) -> None:
        super().__init__(why)
        self.why = why
        self.by_hand = by_hand
