"""Run the doctor on a place, as a user would, with nothing of the test's own environment."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from gallery.place import Place

import tunedoctor

SOURCES = Path(tunedoctor.__file__).parents[1]
# not PYTHONPATH: the target would have it as well
START = (
    f"import sys; sys.path.insert(0, {str(SOURCES)!r}); "
    "from tunedoctor.__main__ import main; sys.exit(main())"
)


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


def check(place: Place, *, deep: bool) -> Said:
    """Run `doctor check` on a place."""
    argv = [sys.executable, "-P", "-c", START, "check", "--format", "json"]
    argv += ["--deep"] if deep else []
    argv += ["--target", place.asked or str(place.target)]
    done = subprocess.run(
        argv,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=place.work,
        env={
            "PATH": os.pathsep.join([*map(str, place.bins), "/usr/bin", "/bin"]),
            "HOME": str(place.work.parent / "home"),
            "LANG": "C.UTF-8",
            **place.variables,
        },
    )
    try:
        report: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        msg = f"the doctor printed no report:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        raise AssertionError(msg) from None
    return Said(report, done.returncode, done.stdout, done.stderr)
