"""The first thing that a worker process of a pool does: make sure that it ends with its parent, even after SIGKILL."""

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading


def begin() -> None:
    """Ignore Ctrl-C, which the main process handles, let SIGTERM end this process, and end when the parent ends.

    A worker that waits for its next task has both ends of the pipe open, and would otherwise wait forever.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if parent := multiprocessing.parent_process():
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)
