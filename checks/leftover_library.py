import re  # noqa: TC003  its Match, in annotations

from tunedoctor.api import Errors, Finding, Unknown, check, expression, worded

FRESH = "TORCHINDUCTOR_CACHE_DIR=$(mktemp -d) TRITON_CACHE_DIR=$(mktemp -d) python SCRIPT"


@check("leftover-library")
def leftover_library(errors: Errors | Unknown) -> Finding | None:
    """Find a library of torch that lacks a symbol of torch, or a cached extension that does."""
    for error in errors.errors if isinstance(errors, Errors) else ():
        if cached := expression("leftover-library/cached").search(error.text):
            return _cached(cached)
        if launcher := expression("leftover-library/launcher").search(error.text):
            return worded("leftover-library/launcher", said=launcher[0], module=launcher["module"])
        if outside := expression("leftover-library/outside").search(error.text):
            return _outside(outside)
        found = expression("leftover-library/own").search(error.text)
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


def _outside(found: "re.Match[str]") -> Finding:
    folder = found["file"].rpartition("/")[0]
    return worded(
        "leftover-library/outside",
        found=f"{found['file']} is loaded, outside of any environment, and lacks {found['symbol'][:90]}",
        evidence=(found["file"],),
        folder=folder,
    )
