"""Run the doctor on a place, as a user would; what lies in a folder, byte for byte, and whether its RECORDs are met."""

import base64
import hashlib
import json
import os
import shlex
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from gallery.place import Place

import tunedoctor
from tunedoctor.transaction.records import rows

CODE = Path(tunedoctor.__file__).parents[1]
# not PYTHONPATH: the target would have it as well
START = f"import sys; sys.path.insert(0, {str(CODE)!r}); from tunedoctor.__main__ import main; sys.exit(main())"
NETWORK = ("PIP_", "UV_", "SSL_CERT_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
"""How this machine reaches its package index."""


SOURCES = os.environ.get("TUNEDOCTOR_GALLERY_SOURCES", "index")
"""index; wheelhouse: a folder of wheels and no network at all; nothing: neither, and no cache."""


class Said(NamedTuple):
    report: dict[str, Any]
    status: int
    out: str
    err: str

    @property
    def findings(self) -> list[tuple[str, str]]:
        return [(f["id"], f["severity"]) for f in self.report["findings"]]

    @property
    def wrong(self) -> list[tuple[str, str]]:
        return [one for one in self.findings if one[1] != "note"]


def check(place: Place, *, deep: bool, variables: Mapping[str, str] | None = None) -> Said:
    """Run `doctor check` on a place; `variables` are those of a shell in which it was activated."""
    argv = ["check", *(["--deep"] if deep else []), "--target", place.named]
    return told(place, *argv, variables=variables)


def told(place: Place, *arguments: str, variables: Mapping[str, str] | None = None) -> Said:
    done = run(place, *arguments, "--format", "json", variables=variables)
    assert done.stdout.startswith("{"), f"no report: {done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    report: dict[str, Any] = json.loads(done.stdout)
    return Said(report, done.returncode, done.stdout, done.stderr)


def run(
    place: Place, *arguments: str, variables: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run a command of the doctor's in the working folder of a place."""
    argv = [*place.before, sys.executable, "-P", "-c", START, *arguments]
    env = _shell(place) if variables is None else dict(variables)
    return subprocess.run(
        argv, capture_output=True, text=True, timeout=600, check=False, cwd=place.work, env=env
    )


def activated(place: Place) -> dict[str, str]:
    """Return the variables of a shell that has activated the target.

    Conda's own activation reads the variables of the prefix from conda-meta/state.
    """
    if (state := place.target / "conda-meta" / "state").parent.is_dir():
        held: dict[str, str] = json.loads(state.read_text())["env_vars"] if state.exists() else {}
        both = {**_shell(place), **held, "CONDA_PREFIX": str(place.target)}
        return {name: value for name, value in both.items() if value != "***unset***"}
    script = f". {shlex.quote(str(place.target / 'bin' / 'activate'))} && env -0"
    said = subprocess.check_output(["/bin/sh", "-c", script], text=True, env=_shell(place))
    pairs = (one.partition("=") for one in said.split("\0") if "=" in one)
    return {name: value for name, _, value in pairs}


def _network(place: Place) -> dict[str, str]:
    """Return the variables by which packages are reached: this machine's, a folder of wheels alone, or none."""
    dead = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    if SOURCES == "nothing":
        # pip's own files could name a folder of wheels
        return {**dead, "PIP_CONFIG_FILE": os.devnull}
    if SOURCES == "wheelhouse":
        house = str(place.caches.parent / "wheelhouse")
        return {**dead, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": house}
    return {k: v for k, v in os.environ.items() if k.upper().startswith(NETWORK)}


def _shell(place: Place) -> dict[str, str]:
    caches = place.caches if SOURCES == "index" else place.caches.with_name(f"caches-of-{SOURCES}")
    return {
        **_network(place),
        # what is fetched once serves every target, and the cache lies on their file system
        "UV_CACHE_DIR": str(caches / "uv"),
        "PIP_CACHE_DIR": str(caches / "pip"),
        "PATH": os.pathsep.join([*map(str, place.bins), "/usr/bin", "/bin"]),
        "HOME": str(place.root / "home"),
        "LANG": "C.UTF-8",
        **place.variables,
    }


Known = Mapping[int, str]
"""Inode -> sha256 of a file of the base."""
NOTHING: Known = {}


def read(folder: Path) -> dict[int, str]:
    files = (p for p in folder.rglob("*") if p.is_file() and not p.is_symlink())
    return {path.stat().st_ino: _digest(path) for path in files}


def contents(folder: Path, known: Known = NOTHING) -> dict[str, str]:
    """Return relative path -> kind, mode, owner and digest of all that lies below a folder, the folder included."""
    return {str(p.relative_to(folder)): _told(p, known) for p in (folder, *folder.rglob("*"))}


def differences(before: dict[str, str], after: dict[str, str]) -> list[tuple[str, str]]:
    return sorted(before.items() ^ after.items())


def record_faults(site: Path, known: Known = NOTHING) -> list[str]:
    """Return where files are not what the RECORD of their distribution says.

    Commands are left out: copies of an environment name their own interpreter in them.
    """
    found: list[str] = []
    for info in sorted(site.glob("*.dist-info")):
        wanted = [(p, d) for p, d, _ in rows(info) if d and p.parent.name != "bin"]
        found += [] if (info / "RECORD").is_file() else [f"{info.name} has no RECORD"]
        for path, digest in wanted:
            if not path.is_file():
                found.append(f"{path} of {info.name} is missing")
            elif (
                base64.urlsafe_b64encode(bytes.fromhex(_of(path, known)))
                != f"{digest[7:]}=".encode()
            ):
                found.append(f"{path} of {info.name} differs from its RECORD")
    return found


def _told(path: Path, known: Known) -> str:
    about = path.lstat()
    if stat.S_ISLNK(about.st_mode):
        return f"link to {path.readlink()}"
    kind = f"{stat.filemode(about.st_mode)} {about.st_uid}"
    return f"{kind} {_of(path, known)}" if stat.S_ISREG(about.st_mode) else kind


def _of(path: Path, known: Known) -> str:
    return known.get(path.stat().st_ino) or _digest(path)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
