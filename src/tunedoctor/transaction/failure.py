"""Why a transaction stops."""


class FailureError(Exception):
    """A step did not succeed; the message says why in one sentence, `by_hand` what gets the user further."""

    def __init__(self, why: str, *by_hand: str, refused: bool = False, log: str = "") -> None:
        super().__init__(why)
        self.why = why
        self.by_hand = by_hand
        self.log = log
        self.refused = refused
        """Nothing was begun: the plan cannot be carried out here."""
