"""The commands `doctor`, `tunedoctor` and `python -m tunedoctor`."""

import gc
import os
import signal
import sys


def main() -> None:
    """Run the command line. Exit status 1 only means findings; failures end with 2."""
    gc.disable()  # the process takes a quarter of a second: garbage collection costs 5 % and frees nothing
    # exit normally, so that children are ended too
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.unraisablehook = _repeat_lost_signal
    closed = getattr(signal, "SIGHUP", None)
    if closed is not None and signal.getsignal(closed) != signal.SIG_IGN:  # as set by nohup
        signal.signal(closed, lambda *_: sys.exit(129))
    try:
        _load_msgspec()  # before anything that imports it
        from tunedoctor.cli import streams  # noqa: PLC0415  an interrupt is answered while it loads too

        streams.take_over()
        from tunedoctor.cli.app import run  # noqa: PLC0415

        sys.exit(run(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        sys.stderr.write(f"doctor: {error}\n")
        sys.exit(2)
    except Exception as error:  # noqa: BLE001  a fault of the doctor's own
        sys.excepthook(type(error), error, error.__traceback__)
        sys.exit(2)
    finally:
        sys.stdout.flush()


def _repeat_lost_signal(lost: "sys.UnraisableHookArgs") -> None:
    """Send a signal again if its exception was lost.

    Python ignores an exception in a destructor or a callback of the garbage collector. If Ctrl-C comes just then, the
    doctor would run on as if no key had been pressed.
    """
    number = signal.SIGINT if lost.exc_type is KeyboardInterrupt else 0
    if isinstance(lost.exc_value, SystemExit) and isinstance(lost.exc_value.code, int):
        number = lost.exc_value.code - 128
    if number <= 0:
        sys.__unraisablehook__(lost)
        return
    import threading  # noqa: PLC0415  only here

    # later and from another thread: this one is still in the call that ignores exceptions
    threading.Timer(0.05, _send_to_self, (number,)).start()


def _send_to_self(number: int) -> None:
    if sys.platform == "win32":  # os.kill would end the process at once
        signal.raise_signal(number)
    else:
        os.kill(os.getpid(), number)


def _load_msgspec() -> None:
    """Import msgspec without typing_extensions, which it would import if installed: a tenth of the start-up time."""
    if "typing_extensions" not in sys.modules:
        sys.modules["typing_extensions"] = None  # type: ignore[assignment]  # None: not there
        __import__("msgspec")
        del sys.modules["typing_extensions"]


if __name__ == "__main__":
    main()
