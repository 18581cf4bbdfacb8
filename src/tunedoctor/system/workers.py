"""What a worker process of a pool does first: it ends with the process that started it, by SIGKILL too."""

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading


def begin() -> None:
    """Leave Ctrl-C to the process that prints, let SIGTERM end this one plainly, and end when that one is gone.

    A worker that waits for its next task has both ends of the pipe open, and would wait for ever.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if parent := multiprocessing.parent_process():
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)
