"""What all tests share: the doctor's own cache and state are empty, and signals do what they do in a shell.

Properties have no deadline: a busy neighbour is no fault, and what has to be fast is measured in CPU time.
"""

import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("doctor", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("doctor")


@pytest.fixture(scope="session", autouse=True)
def _own_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("cache", "state"):
            folder = tmp_path_factory.mktemp(f"doctor-{name}")
            patch.setenv(f"DOCTOR_{name.upper()}", str(folder))
        yield


@pytest.fixture(scope="session", autouse=True)
def _signals_as_in_a_shell() -> None:
    """What runs in the background ignores Ctrl-C, nohup the end of a terminal; so would all that tests start."""
    for name in ("SIGHUP", "SIGINT", "SIGQUIT"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_IGN:
            own = signal.default_int_handler if name == "SIGINT" else signal.SIG_DFL
            signal.signal(number, own)
