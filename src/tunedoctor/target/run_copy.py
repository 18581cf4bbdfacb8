"""Run the doctor on a node: the one installed there, else the copy that was sent along and is deleted afterwards.

Standard input: a line of JSON, then the doctor in a deflated tar. Output: "doctor-reply" and what went wrong, then the
snapshot, deflated, in base64 with short lines. The node's Python runs this file: 3.8 or newer.
"""

import base64
import io
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import time
import zlib
from typing import IO, List, Tuple

LARGEST = 4 << 20
"""Most bytes of a snapshot; one with 400 packages has 60,000."""
STOPPED: List[int] = []


def main(stream: IO[bytes]) -> None:
    """Run the doctor here and print its snapshot."""
    order = json.loads(stream.readline())
    packed, words = stream.read(order["size"]), order["words"]
    # only set a flag: an exception could come before the folder to delete is known
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: STOPPED.append(1))
    ends = time.monotonic() + order["seconds"]
    installed = order["doctor"] or shutil.which("doctor")
    why, out = (
        run([installed, *words], ends) if installed else ("doctor is not installed there", b"")
    )
    own = sysconfig.get_config_var("EXT_SUFFIX")
    if why and own != order["suffix"]:
        why += ", and the copy sent along needs another Python: {} is {}".format(
            sys.executable, own
        )
    elif why and packed:
        folder = ""
        try:
            folder = unpacked(zlib.decompress(packed), order["places"])
            argv = [sys.executable, "-I", "-B", folder, *words]
            why, out = run(argv, ends, XDG_STATE_HOME=folder)
        except (OSError, tarfile.TarError, zlib.error) as error:
            why = "the doctor can't be unpacked: {}".format(error)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    text = "" if why else base64.encodebytes(zlib.compress(out)).decode()
    try:
        print("doctor-reply " + " ".join(why.split()) + "\n" + text, flush=True)
    except OSError:
        os._exit(1)


def unpacked(archive: bytes, places: List[str]) -> str:
    """Unpack the doctor into the first place that can be written and allows loading modules; return the folder."""
    problems = ""
    for place in (os.path.expanduser(os.path.expandvars(one)) for one in places):
        folder = ""
        try:
            if not os.statvfs(place).f_flag & getattr(os, "ST_NOEXEC", 0):
                folder = tempfile.mkdtemp(prefix="doctor-copy-", dir=place)
                with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
                    if hasattr(
                        tarfile, "data_filter"
                    ):  # without a filter Python 3.12 and 3.13 warn
                        tar.extraction_filter = tarfile.data_filter
                    tar.extractall(folder)  # noqa: S202  of the doctor's own making
                return folder
            problems += "{} is mounted noexec; ".format(place)
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            problems += "{}: {}; ".format(place, error.strerror)
    remedy = "set TMPDIR on the node, or --doctor to a doctor installed there; "
    raise OSError(remedy + problems.strip("; "))


def unnamed() -> IO[bytes]:
    """Open a file in memory if the system can, since there may be no folder to write to."""
    create = getattr(os, "memfd_create", None)
    return os.fdopen(create("x"), "w+b") if create else tempfile.TemporaryFile()


def run(argv: List[str], ends: float, **more: str) -> Tuple[str, bytes]:
    """Run the doctor; return what went wrong ("" if nothing) and its output."""
    env, devnull = {**os.environ, **more}, subprocess.DEVNULL
    reader, why = select.poll(), ""
    reader.register(1, 0)  # reports when the reader of our output is gone
    with unnamed() as out, unnamed() as err:
        try:
            child = subprocess.Popen(  # noqa: S603  a list
                argv, stdin=devnull, stdout=out, stderr=err, env=env, start_new_session=True
            )
        except OSError as error:
            return "{} does not start: {}".format(argv[0], error), b""
        while child.poll() is None and not why:
            time.sleep(0.02)
            if STOPPED or reader.poll(0):
                why = "stopped"
            elif time.monotonic() > ends:
                why = "the doctor did not finish in time"
            elif os.fstat(out.fileno()).st_size + os.fstat(err.fileno()).st_size > LARGEST:
                why = "the doctor printed more than any snapshot has"
        last = (
            (signal.SIGTERM, signal.SIGKILL) if why else ()
        )  # at SIGTERM it ends its own children
        for number in last:
            try:
                os.killpg(child.pid, number)
                child.wait(3)
            except (OSError, subprocess.TimeoutExpired):
                continue
        if not why and child.returncode not in (0, 1):
            err.seek(0)
            message = err.read().decode("utf-8", "replace").strip()
            why = "the doctor ended with {}: {}".format(child.returncode, message[-200:])
        out.seek(0)
        return why, out.read()


if __name__ == "__main__":
    main(sys.stdin.buffer)
