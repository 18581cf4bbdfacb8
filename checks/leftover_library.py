from typing import Any

from tunedoctor import api


@api.check("leftover-library")
def leftover_library(facts: api.Facts, errors: api.Errors | api.Unknown) -> api.Finding | None:
    """Find a library of torch that lacks a symbol of torch, or a cached extension that does."""
    for part in ("cached", "launcher", "outside", "own"):
        if found := api.matched(errors, f"leftover-library/{part}"):
            named: dict[str, Any] = {"symbol": "", "file": "", **found.groupdict()}
            # a symbol of the driver lacks as well where no real libcuda is loaded
            open_ = part == "cached" and not named["symbol"].startswith("_Z")
            return facts.worded(
                "leftover-library" if part == "own" else f"leftover-library/{part}",
                "leftover-library/cached:open" if open_ else "",
                said=found[0] if part == "launcher" else "",
                **{**named, "symbol": named["symbol"][:90]},
                folder=named["file"].rpartition("/")[0],
            )
    return None
