"""Run the doctor on a node: the one that is there, else the one that came along, of which nothing stays.

Standard input: a line of JSON, then the doctor in a deflated tar. Printed: "doctor-reply" with what went wrong, then
the snapshot, deflated, in base64 of short lines. Read and run by the Python of a node, 3.8 or newer.
"""

import base64
import glob
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

LARGEST = 4 << 20
"""Bytes of a snapshot; one of 400 packages has 60,000."""
DAYS = 2 * 86400
"""Seconds after which a folder is nobody's: a doctor that was killed by SIGKILL could not take it away."""
STOPPED = []


def main(stream):
    """Print the snapshot that the doctor here makes."""
    given = json.loads(stream.readline())
    packed = stream.read(given["size"])
    # a flag alone: nothing is left half made by an exception in the middle
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: STOPPED.append(1))
    ends = time.monotonic() + given["seconds"]
    there = given["doctor"] or shutil.which("doctor")
    why, out = run([there, *given["words"]], ends) if there else ("not there", b"")
    if why and packed:
        why, out = brought(packed, given, ends)
    text = base64.encodebytes(zlib.compress(out)).decode() if not why else ""
    try:
        print("doctor-reply " + " ".join(why.split()) + "\n" + text, flush=True)
    except OSError:
        os._exit(1)


def brought(packed, given, ends):
    """Run the doctor that came along in a folder of its own, which goes with it."""
    own = sysconfig.get_config_var("EXT_SUFFIX")
    if own != given["suffix"]:
        return "no doctor there, and no Python of {}: {} is {}".format(given["suffix"], sys.executable, own), b""
    if len(packed) != given["size"]:
        return "the doctor that was sent came cut off", b""
    for old in glob.glob(os.path.join(tempfile.gettempdir(), "doctor-brought-*")):
        about = os.lstat(old)
        if about.st_uid == os.getuid() and time.time() - about.st_mtime > DAYS:
            shutil.rmtree(old, ignore_errors=True)
    folder = tempfile.mkdtemp(prefix="doctor-brought-")
    try:
        with tarfile.open(fileobj=io.BytesIO(zlib.decompress(packed))) as tar:
            tar.extractall(folder)
        return run([sys.executable, "-I", "-B", folder, *given["words"]], ends, XDG_STATE_HOME=folder)
    except (OSError, tarfile.TarError, zlib.error) as error:
        return "the doctor could not be unpacked: {}".format(error), b""
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run(argv, ends, **more):
    """Return what went wrong, "" where nothing did, and what the doctor printed."""
    began, out, err = time.monotonic(), tempfile.TemporaryFile(), tempfile.TemporaryFile()
    asker = select.poll()
    asker.register(1, 0)  # tells when nobody reads any more: the one who asked is gone
    try:
        child = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env={**os.environ, **more}, start_new_session=True
        )
    except OSError as error:
        return "{} does not start: {}".format(argv[0], error), b""
    why = ""
    while child.poll() is None and not why:
        try:
            child.wait(0.05)
        except subprocess.TimeoutExpired:
            late = time.monotonic() > ends
            if STOPPED or asker.poll(0):
                why = "stopped"
            elif late or max(os.fstat(one.fileno()).st_size for one in (out, err)) > LARGEST:
                why = "no answer in {:.0f} s".format(ends - began) if late else "more output than any answer has"
    for number in (signal.SIGTERM, signal.SIGKILL) if why else ():  # on the first it ends what it started itself
        try:
            os.killpg(child.pid, number)
            child.wait(3)
        except (OSError, subprocess.TimeoutExpired):
            pass
    for one in (out, err):
        one.seek(0)
    if not why and child.returncode not in (0, 1):
        said = err.read(LARGEST).decode("utf-8", "replace").strip().splitlines()
        why = "the doctor ended with {}: {}".format(child.returncode, said[-1] if said else "it said nothing")
    return why, out.read(LARGEST + 1)


if __name__ == "__main__":
    main(sys.stdin.buffer)
