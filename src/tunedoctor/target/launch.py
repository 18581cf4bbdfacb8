"""Start a script as several processes that train together: `python launch.py COUNT SCRIPT ARGUMENTS`.

As torchrun does on one machine. But a signal is the processes' own to answer, and the exit status is theirs: SIGTERM
ends in a saved checkpoint and 0, however long the saving takes, and bad input in 2.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from typing import Any, List

GRACE = 10.0
"""Seconds in which the others end by themselves when one has failed: most fail of the same, and tell so."""


def main(count: int, argv: List[str]) -> int:
    """Run the processes to their end; returns the status of the first that failed, else 0."""
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        port = place.getsockname()[1]
    children: List["subprocess.Popen[bytes]"] = []

    def pass_on(number: int, _: Any) -> None:
        for one in children:
            one.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, pass_on)
    shared = {"OMP_NUM_THREADS": "1", **os.environ}
    shared.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), WORLD_SIZE=str(count))
    for rank in range(count):
        environment = {**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)}
        children.append(subprocess.Popen([sys.executable, *argv], env=environment))  # noqa: S603
    failed = wait(children)
    end = time.monotonic() + GRACE
    while failed and any(one.poll() is None for one in children) and time.monotonic() < end:
        time.sleep(0.05)
    for one in children:  # they wait for one that is gone
        one.kill()
        one.wait()
    return 128 - failed if failed < 0 else failed


def wait(children: "List[subprocess.Popen[bytes]]") -> int:
    """Wait until all are done, or one has failed; returns its status, -signal where one ended it."""
    while True:
        states = [one.poll() for one in children]
        failed = [state for state in states if state]
        if failed or None not in states:
            return failed[0] if failed else 0
        time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
