"""The doctor for a node where it is not installed, and what comes back: both go through a shell's standard streams."""

import base64
import importlib.util
import io
import json
import sysconfig
import tarfile
import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tunedoctor.facts.clean import clean_text
from tunedoctor.fleet.reply import How, Reply
from tunedoctor.tables.load import table

HERE = Path(__file__).parent.parent
LARGEST = 4 << 20
"""Bytes of a snapshot, as target/brought.py has it."""
COMMAND = "IFS= read -r x; eval \"$x\""
"""For `sh -c`. What it is to do comes through standard input: no shell of a login, however odd, has to read more."""
_HEAD = "doctor-reply "
_SUFFIX = str(sysconfig.get_config_var("EXT_SUFFIX"))
"""".cpython-311-x86_64-linux-gnu.so": the Python, the processor and the system that compiled modules are for."""
_NAMES = f"python{sysconfig.get_python_version()} python3 python"
_SAME = f"import sys,sysconfig as s;sys.exit(s.get_config_var('EXT_SUFFIX')!='{_SUFFIX}')"
_ANY = "import sys;sys.exit(sys.version_info<(3,8))"
_SCRIPT = "".join(
    f'for p in {_NAMES}; do if "$p" -I -c "{test}" </dev/null >/dev/null 2>&1; then '
    'exec "$p" -I -c "import sys;r=sys.stdin.buffer;exec(r.read(int(r.readline())))"; fi; done; '
    for test in (_SAME, _ANY)
)
_NONE = f"cat >/dev/null; echo '{_HEAD}no Python on PATH'\n"


def payload(how: How) -> bytes:
    """Return what `sh -c COMMAND` reads on a node: how to find a Python, what it runs, and the doctor."""
    code = (HERE / "target" / "brought.py").read_bytes()
    packed = b"" if how.doctor else _packed()
    about = {"words": how.words, "doctor": how.doctor, "seconds": how.seconds}
    line = json.dumps({**about, "suffix": _SUFFIX, "size": len(packed)})
    return b"".join(((_SCRIPT + _NONE).encode(), b"%d\n" % len(code), code, line.encode(), b"\n", packed))


@cache
def _packed() -> bytes:
    """Return this doctor and what it imports for a snapshot, the same bytes each time."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as tar:
        main = b"from tunedoctor.__main__ import main\n\nmain()\n"
        for name, data in sorted([("__main__.py", main), *_files()]):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return zlib.compress(whole.getvalue(), 9)


def _files() -> Iterator[tuple[str, bytes]]:
    """Yield the name and the bytes of each file."""
    held = table("parcel")
    left = {HERE / one for one in held["left_out"]}
    places = [HERE]
    for module in held["modules"]:
        if (spec := importlib.util.find_spec(module)) and spec.origin:
            file = Path(spec.origin)
            places.append(file.parent if file.name == "__init__.py" else file)
    for place in places:
        for file in [place] if place.is_file() else place.rglob("*"):
            if "__pycache__" not in file.parts and not left & {file, *file.parents} and file.is_file():
                yield file.relative_to(place.parent).as_posix(), file.read_bytes()


def reply(name: str, text: str, seconds: float) -> Reply:
    """Read what a node printed, which can be anything: the last answer in it counts."""
    _, found, text = f"\n{text}".rpartition(f"\n{_HEAD}")
    why, _, body = text.partition("\n")
    if not found or why.strip():
        said = clean_text(why if found else text)[-200:].strip()
        return Reply(name, problem=said if found else f"no answer{said and f', but: {said}'}", seconds=seconds)
    try:
        snapshot = zlib.decompressobj().decompress(base64.b64decode(body), LARGEST)
    except (ValueError, zlib.error):
        return Reply(name, problem="its answer was cut off, or is none", seconds=seconds)
    return Reply(name, snapshot, seconds=seconds)
