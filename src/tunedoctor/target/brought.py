"""Run the doctor on a node: the one that is there, else the one that came along, of which nothing stays.

Standard input: a line of JSON, then the doctor in a deflated tar. Printed: "doctor-reply" and what went wrong, then the
snapshot, deflated, in base64 of short lines. The Python of a node runs it, 3.8 or newer.
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
"""Bytes of a snapshot; one of 400 packages has 60,000."""
STOPPED: List[int] = []


def main(stream: IO[bytes]) -> None:
    """Print the snapshot that the doctor makes here."""
    given = json.loads(stream.readline())
    packed, words = stream.read(given["size"]), given["words"]
    # a flag alone: an exception could come before a folder is known that has to go
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: STOPPED.append(1))
    ends = time.monotonic() + given["seconds"]
    there = given["doctor"] or shutil.which("doctor")
    why, out = run([there, *words], ends) if there else ("no doctor is there", b"")
    own = sysconfig.get_config_var("EXT_SUFFIX")
    if why and own != given["suffix"]:
        why += ", and Python for the one brought along: {} is {}".format(sys.executable, own)
    elif why and packed:
        folder = ""
        try:
            folder = unpacked(zlib.decompress(packed), given["places"])
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


def unpacked(whole: bytes, places: List[str]) -> str:
    """Return a folder with what came along: the first of the places that takes it, and loads modules."""
    tried = ""
    for place in (os.path.expanduser(os.path.expandvars(one)) for one in places):
        folder = ""
        try:
            if not os.statvfs(place).f_flag & getattr(os, "ST_NOEXEC", 0):
                folder = tempfile.mkdtemp(prefix="doctor-brought-", dir=place)
                with tarfile.open(fileobj=io.BytesIO(whole)) as tar:
                    if hasattr(
                        tarfile, "data_filter"
                    ):  # Python 3.12 and 3.13 warn where none is chosen
                        tar.extraction_filter = tarfile.data_filter
                    tar.extractall(folder)  # noqa: S202  of the doctor's own making
                return folder
            tried += "{} is mounted noexec; ".format(place)
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            tried += "{}: {}; ".format(place, error.strerror)
    raise OSError("set TMPDIR there, or --doctor to a doctor that it has; " + tried.strip("; "))


def unnamed() -> IO[bytes]:
    """Open a file in memory, where the system has such: no folder may be there to write to."""
    create = getattr(os, "memfd_create", None)
    return os.fdopen(create("x"), "w+b") if create else tempfile.TemporaryFile()


def run(argv: List[str], ends: float, **more: str) -> Tuple[str, bytes]:
    """Return what went wrong, "" where nothing did, and what the doctor printed."""
    env, no = {**os.environ, **more}, subprocess.DEVNULL
    reader, why = select.poll(), ""
    reader.register(1, 0)  # tells when nobody reads any more: who asked is gone
    with unnamed() as out, unnamed() as err:
        try:
            child = subprocess.Popen(  # noqa: S603  a list
                argv, stdin=no, stdout=out, stderr=err, env=env, start_new_session=True
            )
        except OSError as error:
            return "{} does not start: {}".format(argv[0], error), b""
        while child.poll() is None and not why:
            time.sleep(0.02)
            if STOPPED or reader.poll(0):
                why = "stopped"
            elif time.monotonic() > ends:
                why = "no answer in time"
            elif os.fstat(out.fileno()).st_size + os.fstat(err.fileno()).st_size > LARGEST:
                why = "more output than any answer has"
        last = (signal.SIGTERM, signal.SIGKILL) if why else ()  # at the first it ends its own
        for number in last:
            try:
                os.killpg(child.pid, number)
                child.wait(3)
            except (OSError, subprocess.TimeoutExpired):
                continue
        if not why and child.returncode not in (0, 1):
            err.seek(0)
            said = err.read().decode("utf-8", "replace").strip()
            why = "the doctor ended with {}: {}".format(child.returncode, said[-200:])
        out.seek(0)
        return why, out.read()


if __name__ == "__main__":
    main(sys.stdin.buffer)
