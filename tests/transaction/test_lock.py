"""One doctor at a time, whatever became of the one before."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tunedoctor.state.folder import FailureError
from tunedoctor.transaction.journal import locked


def test_a_lock_is_held_and_let_go(tmp_path: Path) -> None:
    for _ in range(2):
        with locked(tmp_path):
            with pytest.raises(FailureError, match=f"process {os.getpid()} on"), locked(tmp_path):
                pass
            with pytest.raises(FailureError), locked(tmp_path):
                pass


def test_a_lock_of_a_dead_process_is_taken_over(tmp_path: Path) -> None:
    code = "import os, sys; from pathlib import Path; from tunedoctor.transaction.journal import locked\n"
    code += "with locked(Path(sys.argv[1])): os._exit(0)"
    subprocess.run([sys.executable, "-c", code, tmp_path], check=True)
    assert (tmp_path / "holder").exists()
    with locked(tmp_path):
        pass


def test_a_holder_that_does_not_tell_its_name_is_waited_for(tmp_path: Path) -> None:
    with locked(tmp_path):
        for text in (b"", b"{", msgspec.json.encode((1, socket.gethostname()))):
            (tmp_path / "holder").write_bytes(text)
            with pytest.raises(FailureError), locked(tmp_path):
                pass
