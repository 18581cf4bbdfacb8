"""The error for input that cannot be used: it says what is wrong and what to do instead."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import NoReturn

from tunedoctor.facts.clean import clean_text

_LONGEST = 2000


class DoctorError(Exception):
    """The input cannot be used. The message says why and what to do instead, on one line and without secrets."""

    def __init__(self, message: str, shown: str = "") -> None:
        """Take the message, and `shown`, the lines that the command line prints if it is not the message."""
        super().__init__(message)
        self.shown = shown or f"doctor: {message}\n"


def misuse(what: str, way_out: str) -> NoReturn:
    """Raise DoctorError with what is wrong and what to do instead; secrets are removed, because a log may keep it."""
    from tunedoctor.diagnosis.redaction import without_secrets  # noqa: PLC0415  only on a mistake

    text = " ".join(clean_text(f"{what[:_LONGEST]}; {way_out}").splitlines())
    raise DoctorError(without_secrets(text))


@contextmanager
def refusing(
    kinds: type[Exception] | tuple[type[Exception], ...], way_out: str, what: str = ""
) -> Generator[None]:
    """Raise DoctorError if the block raises one of `kinds`; `what` comes before the message of that error."""
    try:
        yield
    except kinds as error:
        misuse(f"{what}{getattr(error, 'strerror', None) or error}", way_out)
