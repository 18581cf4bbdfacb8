from tunedoctor.api import Facts, Finding, check, heard, worded

VARIABLES = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE")
ON = ("1", "true", "yes", "on")


@check("hub-offline")
def hub_offline(facts: Facts) -> Finding | None:
    """Make a note of the variable alone, an error where something had to be fetched."""
    said = heard(facts.errors, "hub-offline")
    unreached = heard(facts.errors, "hub-offline/unreached")
    on = [name for name in VARIABLES if (facts.environment.get(name) or "").lower() in ON]
    if not on and not said:
        return None
    said, name = said or unreached, (on or VARIABLES)[0]
    return worded(
        "hub-offline",
        severity="error" if said else None,
        found="" if said else f"{name} is '{facts.environment.get(name)}'",
        said=said,
        host=facts.host,
        evidence=tuple(on),
        name=name,
    )
