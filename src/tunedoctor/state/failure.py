"""Why a transaction stops."""


class FailureError(Exception):
    """A step did not succeed; the message says why in one sentence.

    `by_hand` are commands that get the user further; without any the stage says which: `by_hand.ways_on`.
    """

    def __init__(
        self, why: str, *by_hand: str, refused: bool = False, number: int | None = None
    ) -> None:
        super().__init__(why)
        self.why = why
        self.by_hand = by_hand
        self.log = ""
        """File with the installer's words."""
        self.refused = refused
        """Nothing was begun: the plan cannot be carried out here."""
        self.number = number
        """errno, where the system said so."""

    @classmethod
    def when(
        cls, so: object, why: str, *by_hand: str, refused: bool = False, number: int | None = None
    ) -> None:
        """Raise it where something is so."""
        if so:
            raise cls(why, *by_hand, refused=refused, number=number)


def failure_of(error: FailureError | OSError) -> FailureError:
    """Return the failure that an error is; of the system's what it said, and of which file."""
    if isinstance(error, FailureError):
        return error
    where = f": {error.filename}" if error.filename else ""
    return FailureError(f"{error.strerror or error}{where}", number=error.errno)
