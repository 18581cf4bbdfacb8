"""Lines that state a fault are found, prose and figures are not; messages are whole."""

from collections.abc import Iterator

from tunedoctor.facts import Errors
from tunedoctor.messages.cause import page_of
from tunedoctor.readers import messages
from tunedoctor.readers.paste import Paste
from tunedoctor.readers.tidy import tidy
from tunedoctor.registry import all_checks


def texts(text: str) -> list[str]:
    found = messages.read(Paste(tidy(text)))
    return [error.text for fact in found if isinstance(fact, Errors) for error in fact.errors]


def _seen_as() -> Iterator[str]:
    for check in (one for one in all_checks() if not one.by_words):  # theirs are sought everywhere
        _, _, section = page_of(check).partition("Seen as\n")
        for line in section.splitlines():
            if line[:1] == " " and line.strip():
                yield line.strip()


NOT_OF_A_LOG = (
    "no answer in",
    "(32-bit runtime)",
    "rocminfo finds",
    "WSL environment detected",
    "HW ",
)


def test_what_the_checks_say_is_seen_is_read() -> None:
    seen = [line for line in _seen_as() if not line.startswith(NOT_OF_A_LOG)]
    assert len(seen) > 100
    lost = [line for line in seen if not texts(line)]
    assert len(lost) <= len(seen) // 25, lost


def test_a_long_log_keeps_its_first_and_last_messages() -> None:
    text = "".join(f"ValueError: number {i}\n\n" for i in range(1000))
    found = texts(text)
    assert len(found) == messages.MOST
    assert found[0] == "ValueError: number 0"
    assert found[-1] == "ValueError: number 999"
