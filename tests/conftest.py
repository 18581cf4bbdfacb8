"""What all tests share: the doctor's own cache is empty, and signals do what they do in a shell."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def _no_updated_table(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    before = os.environ.get("DOCTOR_CACHE")
    folder = tmp_path_factory.mktemp("doctor-cache")
    os.environ["DOCTOR_CACHE"] = str(folder)
    yield folder
    if before is None:
        del os.environ["DOCTOR_CACHE"]
    else:
        os.environ["DOCTOR_CACHE"] = before


@pytest.fixture(scope="session", autouse=True)
def _signals_as_in_a_shell() -> None:
    """What runs in the background ignores Ctrl-C, nohup the end of a terminal; so would all that tests start."""
    for name in ("SIGHUP", "SIGINT", "SIGQUIT"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_IGN:
            own = signal.default_int_handler if name == "SIGINT" else signal.SIG_DFL
            signal.signal(number, own)
