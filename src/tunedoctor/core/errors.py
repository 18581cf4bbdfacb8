"""The error for input that cannot be used, and the functions that raise no other error for it."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import wraps
from os import PathLike
from typing import NoReturn, ParamSpec, TypeVar

from tunedoctor.facts.clean import clean_text

P = ParamSpec("P")
T = TypeVar("T")
Place = str | PathLike[str] | None
"""A `target`: an interpreter or the folder of an environment; None for the active one, or the one that is found."""
_LONGEST = 2000


class DoctorError(Exception):
    """The input cannot be used. The message says why and what to do instead, on one line and without secrets."""

    def __init__(self, message: str, shown: str = "") -> None:
        """Take the message, and `shown`, the lines that the command line prints if it is not the message."""
        super().__init__(message)
        self.shown = shown or f"doctor: {message}\n"


def misuse(what: str, way_out: str) -> NoReturn:
    """Raise DoctorError with what is wrong and what to do instead; a log can hold it, so secrets are removed."""
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


def public(function: Callable[P, T]) -> Callable[P, T]:
    """Return a function that raises only DoctorError for input that cannot be used, or is of another type."""

    @wraps(function)
    def examined(*args: P.args, **named: P.kwargs) -> T:
        # a command calls none of these functions
        from tunedoctor.core.arguments import examine_argument  # noqa: PLC0415
        from tunedoctor.model.snapshot import SnapshotError  # noqa: PLC0415
        from tunedoctor.tables.config import ConfigError, mirrors  # noqa: PLC0415

        hints = function.__annotations__
        given = {**dict(zip(hints, args, strict=False)), **named}
        for name, value in given.items():
            if name in hints:  # Python itself reports a name that does not exist
                examine_argument(name, value, hints[name])
        try:
            mirrors()
            return function(*args, **named)
        except (ConfigError, SnapshotError) as error:
            raise DoctorError(str(error)) from error

    return examined
