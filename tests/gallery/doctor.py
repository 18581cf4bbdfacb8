"""Run the doctor on a place, as a user would, with nothing of the test's own environment but the way to the index."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from gallery.place import Place

import tunedoctor

CODE = Path(tunedoctor.__file__).parents[1]
# not PYTHONPATH: the target would have it as well
START = (
    f"import sys; sys.path.insert(0, {str(CODE)!r}); "
    "from tunedoctor.__main__ import main; sys.exit(main())"
)
NETWORK = ("PIP_", "UV_", "SSL_CERT_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
"""How this machine reaches its package index."""


SOURCES = os.environ.get("TUNEDOCTOR_GALLERY_SOURCES", "index")
"""index; wheelhouse: a folder of wheels and no network at all; nothing: neither, and no cache."""


class Said(NamedTuple):
    """What the doctor said."""

    report: dict[str, Any]
    status: int
    out: str
    err: str

    @property
    def findings(self) -> list[tuple[str, str]]:
        """Causes as (id, severity)."""
        return [(f["id"], f["severity"]) for f in self.report["findings"]]

    @property
    def wrong(self) -> list[tuple[str, str]]:
        """Errors and warnings among them."""
        return [one for one in self.findings if one[1] != "note"]


def check(place: Place, *, deep: bool, variables: Mapping[str, str] | None = None) -> Said:
    """Run `doctor check` on a place; `variables` are those of a shell in which it was activated."""
    argv = ["check", *(["--deep"] if deep else []), "--target", place.named]
    return told(place, *argv, variables=variables)


def told(place: Place, *arguments: str, variables: Mapping[str, str] | None = None) -> Said:
    """Run a command of the doctor's, and read its JSON.

    Raises:
        AssertionError: it printed none.
    """
    done = run(place, *arguments, "--format", "json", variables=variables)
    try:
        report: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        msg = f"the doctor printed no report:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        raise AssertionError(msg) from None
    return Said(report, done.returncode, done.stdout, done.stderr)


def run(
    place: Place, *arguments: str, variables: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run a command of the doctor's in the working folder of a place."""
    return subprocess.run(
        [*place.before, sys.executable, "-P", "-c", START, *arguments],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        cwd=place.work,
        env=_shell(place) if variables is None else dict(variables),
    )


def activated(place: Place) -> dict[str, str]:
    """Return the variables of a shell that has activated the target.

    Conda's own activation reads the variables of the prefix from conda-meta/state.
    """
    state = place.target / "conda-meta" / "state"
    if (place.target / "conda-meta").is_dir():
        held: dict[str, str] = json.loads(state.read_text())["env_vars"] if state.exists() else {}
        both = {**_shell(place), **held, "CONDA_PREFIX": str(place.target)}
        return {name: value for name, value in both.items() if value != "***unset***"}
    script = f". {shlex.quote(str(place.target / 'bin' / 'activate'))} && env -0"
    done = subprocess.run(
        ["/bin/sh", "-c", script], capture_output=True, text=True, check=True, env=_shell(place)
    )
    pairs = (one.partition("=") for one in done.stdout.split("\0") if "=" in one)
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
        "HOME": str(place.work.parent / "home"),
        "LANG": "C.UTF-8",
        **place.variables,
    }
