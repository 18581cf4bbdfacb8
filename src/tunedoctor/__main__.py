"""The commands `doctor`, `tunedoctor` and `python -m tunedoctor`."""

import gc
import signal
import sys


def main() -> None:
    """Run the command line; a reader that went away and Ctrl-C end it quietly."""
    gc.disable()  # a process of a quarter of a second: collecting costs 5 % and frees nothing
    # a plain end, so that children are ended too
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    from tunedoctor.cli.app import app  # noqa: PLC0415  for the handlers below

    try:
        app(prog_name="doctor")
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)


if __name__ == "__main__":
    main()
