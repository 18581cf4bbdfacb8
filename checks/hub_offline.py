from tunedoctor import api

VARIABLES = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE")
ON = ("1", "true", "yes", "on")


@api.check("hub-offline")
def hub_offline(facts: api.Facts) -> api.Finding | None:
    """Make a note of the variable alone, an error where something had to be fetched."""
    said = api.heard(facts.errors, "hub-offline")
    unreached = api.heard(facts.errors, "hub-offline/unreached")
    on = [name for name in VARIABLES if (facts.environment.get(name) or "").lower() in ON]
    if not on and not said:
        return None
    said, name = said or unreached, (on or VARIABLES)[0]
    return api.worded(
        "hub-offline",
        found="" if said else f"{name} is '{facts.environment.get(name)}'",
        said=said,
        facts=facts,
        evidence=tuple(on),
        name=name,
    )
