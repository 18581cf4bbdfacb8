from typing import Any

from tunedoctor import api


@api.check("leftover-library")
def leftover_library(facts: api.Facts, errors: api.Errors | api.Unknown) -> api.Finding | None:
    """Find a library of torch that lacks a symbol of torch, or a cached extension that does."""
    for error in errors.errors if isinstance(errors, api.Errors) else ():
        for part in ("cached", "launcher", "outside", "own"):
            if found := api.expression(f"leftover-library/{part}").search(error.text):
                named: dict[str, Any] = found.groupdict()
                symbol, file = named.get("symbol") or "", named.get("file") or ""
                # a symbol of the driver lacks as well where no real libcuda is loaded
                open_ = part == "cached" and not symbol.startswith("_Z")
                return facts.worded(
                    "leftover-library" if part == "own" else f"leftover-library/{part}",
                    "leftover-library/cached:open" if open_ else "",
                    said=found[0] if part == "launcher" else "",
                    evidence=(named.get("cache") or (file if part == "outside" else ""),),
                    **{**named, "symbol": symbol[:90]},
                    folder=file.rpartition("/")[0],
                )
    return None
