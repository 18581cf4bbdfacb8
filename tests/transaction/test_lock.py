"""One doctor at a time, on file systems with locks and without."""

import errno
import fcntl
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import msgspec
import pytest

from tunedoctor.transaction.lock import Holder, LockedError, locked


def _none(*_: object) -> NoReturn:
    raise OSError(errno.ENOLCK, "no locks")


@pytest.fixture(params=[True, False], ids=["flock", "file"])
def lock(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    if not request.param:
        monkeypatch.setattr(fcntl, "flock", _none)
    return tmp_path / "lock"


def test_a_lock_is_held_and_let_go(lock: Path) -> None:
    for _ in range(2):
        with locked(lock):
            with pytest.raises(LockedError, match=f"process {os.getpid()} on"), locked(lock):
                pass
            with pytest.raises(LockedError), locked(lock):
                pass
    assert list(lock.parent.iterdir()) == []


def test_a_lock_of_a_dead_process_is_taken_over(lock: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", "pass"])
    dead.wait()
    for name in (lock, lock.with_name("lock-file")):
        name.write_bytes(msgspec.json.encode(Holder(dead.pid, socket.gethostname())))
    with locked(lock):
        pass


def test_a_lock_file_of_another_host_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fcntl, "flock", _none)
    (tmp_path / "lock-file").write_bytes(msgspec.json.encode(Holder(1, "elsewhere")))
    with pytest.raises(LockedError, match="on elsewhere"), locked(tmp_path / "lock"):
        pass
