"""Offline mode of the Hugging Face Hub is on.

What it means
    With HF_HUB_OFFLINE=1 (older: TRANSFORMERS_OFFLINE=1) nothing is fetched: what is not in the cache is an
    error, and so is every call that only the Hub can answer.

How it is found
    The variables as the doctor's own shell has them; else the text of the error.

Cures
    Remove the variable for one run that fills the cache.

When to ignore it
    On nodes without a network, where the cache is filled.

Seen as
    offline mode is enabled. To disable it, please unset the `HF_HUB_OFFLINE` environment variable
    OfflineModeIsEnabled
    outgoing traffic has been disabled
"""

from tunedoctor.api import Environment, Errors, Finding, Host, Known, check, heard, unset_variable

VARIABLES = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE")


@check(
    "hub-offline",
    "Offline mode of the Hub is on",
    "note",
    explains=["hub-network"],
    advice=True,
)
def hub_offline(
    environment: Known[Environment],
    host: Known[Host],
    errors: Known[Errors],
) -> Finding | None:
    """Make a note of the variable alone, an error where something had to be fetched."""
    said = heard(errors, "hub-offline")
    unreached = heard(errors, "hub-offline/unreached")
    on = [
        name
        for name in VARIABLES
        if environment and (environment.get(name) or "").lower() in ("1", "true", "yes", "on")
    ]
    if not on and not said:
        return None
    said = said or unreached
    name = on[0] if on else "HF_HUB_OFFLINE"
    value = environment.get(name) if environment else ""
    return Finding(
        severity="error" if said else None,
        found=f"the error '{said}'" if said else f"{name} is '{value}'",
        said=said,
        means="models and data sets that are not in the cache are not fetched: 'offline mode is enabled'",
        cure=unset_variable(host, name),
        cure_note="for one run with a network, which fills the cache; then set it again",
        evidence=tuple(on),
    )
