"""Which installer carries out a plan."""

import shlex
from pathlib import Path

from tunedoctor.installers.sources import Sources
from tunedoctor.installers.tool import Named, Tool
from tunedoctor.installers.uv import find_uv
from tunedoctor.state.failure import FailureError
from tunedoctor.transaction.ground import Ground


def choose_tool(asked: Named | None, ground: Ground, sources: Sources) -> Tool:
    """Return uv where it is there, else pip; the user's own site is pip's alone.

    Raises:
        FailureError: the one that is asked for is not there.
    """
    there = "" if ground.strategy == "new" else f" --target {shlex.quote(ground.executable)}"
    has_pip = ground.strategy == "new" or _has_pip(ground)
    if asked == "uv" or (asked is None and find_uv() and not ground.user):
        if not find_uv():
            msg = "uv is not there"
            raise FailureError(msg, "pip install uv", refused=True)
        if ground.user:
            msg = "uv does not install into the user's own site-packages"
            raise FailureError(msg, f"doctor fix{there} --installer pip", refused=True)
        return Tool("uv", sources)
    if not has_pip:
        why = f"pip is not installed in {ground.prefix}"
        raise FailureError(why, f"doctor fix{there} --installer uv", refused=True)
    return Tool("pip", sources)


def _has_pip(ground: Ground) -> bool:
    folders = [ground.site, *Path(ground.prefix).glob("lib/python*/site-packages")]
    return any((folder / "pip").is_dir() for folder in folders)
