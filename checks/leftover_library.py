import re  # noqa: TC003  its Match, in annotations

from tunedoctor.api import Errors, Finding, Unknown, check, expression, worded

OWN = expression("leftover-library/own")

CACHED = expression("leftover-library/cached")
LAUNCHER = expression("leftover-library/launcher")
FRESH = "TORCHINDUCTOR_CACHE_DIR=$(mktemp -d) TRITON_CACHE_DIR=$(mktemp -d) python SCRIPT"
OUTSIDE = expression("leftover-library/outside")


@check("leftover-library")
def leftover_library(errors: Errors | Unknown) -> Finding | None:
    """Find a library of torch that lacks a symbol of torch, or a cached extension that does."""
    for error in errors.errors if isinstance(errors, Errors) else ():
        if cached := CACHED.search(error.text):
            return _cached(cached)
        if launcher := LAUNCHER.search(error.text):
            return _launcher(launcher)
        if outside := OUTSIDE.search(error.text):
            return _outside(outside)
        found = OWN.search(error.text)
        if found:
            return worded("leftover-library", what=found[1], value=found[2][:90])
    return None


def _cached(found: "re.Match[str]") -> Finding:
    # a symbol of the driver lacks as well where no real libcuda is loaded
    return worded(
        "leftover-library/cached",
        found=f"{found['cache']}{found['file']} wants {found['symbol'][:90]}, which nothing that is loaded has",
        evidence=(found["cache"],),
        settle="" if found["symbol"].startswith("_Z") else FRESH,
        cache=found["cache"],
    )


def _launcher(found: "re.Match[str]") -> Finding:
    return worded("leftover-library/launcher", said=found[0], module=found["module"])


def _outside(found: "re.Match[str]") -> Finding:
    folder = found["file"].rpartition("/")[0]
    return worded(
        "leftover-library/outside",
        found=f"{found['file']} is loaded, outside of any environment, and lacks {found['symbol'][:90]}",
        evidence=(found["file"],),
        folder=folder,
    )
