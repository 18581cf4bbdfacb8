"""Send doctor to a node where it is not installed, and read its answer, through the streams of a shell."""

import base64
import importlib.util
import io
import json
import sysconfig
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

from tunedoctor.fleet.judge import plain
from tunedoctor.fleet.reply import CollectOptions, Reply
from tunedoctor.tables.load import table

HERE = Path(__file__).parent.parent
LARGEST = 4 << 20
"""Most bytes of a snapshot, as in target/run_copy.py."""
COMMAND = 'IFS= read -r x; eval "$x"'
"""For `sh -c`: everything else comes through standard input, so that no login shell parses it."""
_REPLY = "doctor-reply "
_SUFFIX = str(sysconfig.get_config_var("EXT_SUFFIX"))
"""".cpython-311-x86_64-linux-gnu.so": the Python, processor and system of compiled modules."""
_SCRIPT = " ".join(table("payload")["script"]) % (sysconfig.get_python_version(), _REPLY)


def payload(how: CollectOptions) -> bytes:
    """Return what `sh -c COMMAND` reads on a node: a script that finds a Python, the program, and doctor itself."""
    code = (HERE / "target" / "run_copy.py").read_bytes()
    packed = b"" if how.doctor else _packed()
    more = {"suffix": _SUFFIX, "size": len(packed), "places": table("payload")["places"]}
    line = json.dumps({**how._asdict(), **more})
    return f"{_SCRIPT}\n{len(code)}\n".encode() + code + f"{line}\n".encode() + packed


@cache
def _packed() -> bytes:
    """Return this doctor and what it imports for a snapshot, as reproducible bytes."""
    whole = io.BytesIO()
    main = ("__main__.py", b"from tunedoctor.__main__ import main\n\nmain()\n")
    with tarfile.open(fileobj=whole, mode="w") as tar:
        for name, data in sorted([main, *_files()]):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return zlib.compress(whole.getvalue(), 9)


def _files() -> Iterator[tuple[str, bytes]]:
    """Yield the name and content of each file."""
    rows = table("payload")
    left = {HERE / name for name in rows["left_out"]}
    specs = map(importlib.util.find_spec, rows["modules"])
    origins = [Path(spec.origin) for spec in specs if spec and spec.origin]
    for place in (
        HERE,
        *(origin.parent if origin.name == "__init__.py" else origin for origin in origins),
    ):
        for file in [place] if place.is_file() else place.rglob("*.*"):
            if (
                "__pycache__" not in file.parts
                and not left & {file, *file.parents}
                and file.is_file()
            ):
                yield file.relative_to(place.parent).as_posix(), file.read_bytes()


def reply(name: str, text: str, seconds: float) -> Reply:
    """Parse a node's output, which can contain anything: the last answer in it counts."""
    _, marker, answer = f"\n{text}".rpartition(f"\n{_REPLY}")
    why, _, body = answer.partition("\n")
    if not marker or why.strip():
        return Reply(
            name,
            problem=plain(why, 300) if marker else f"no answer; it printed {plain(text[-200:])!r}",
        )
    unpacker, snapshot = zlib.decompressobj(), b""
    with suppress(ValueError, zlib.error):
        snapshot = unpacker.decompress(base64.b64decode(body), LARGEST)
    problem = "" if unpacker.eof else "its answer is cut off or is not valid"
    return Reply(name, b"" if problem else snapshot, problem, seconds)
