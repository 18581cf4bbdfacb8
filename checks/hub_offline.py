from tunedoctor import api

VARIABLES = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE")
ON = ("1", "true", "yes", "on")


@api.check("hub-offline")
def hub_offline(facts: api.Facts) -> api.Finding | None:
    """Make a note of the variable alone, an error where something had to be fetched."""
    said = facts.heard("hub-offline")
    unreached = facts.heard("hub-offline/unreached")
    on = [name for name in VARIABLES if (facts.environment.get(name) or "").lower() in ON]
    if not on and not said:
        return None
    said, name = said or unreached, (on or VARIABLES)[0]
    cure, value = api.set_variable(facts.host, name, None), facts.environment.get(name)
    case = "" if said else "hub-offline:set"
    shown = tuple(on)
    return facts.worded(
        case, "hub-offline", said=said, cure=cure, evidence=shown, name=name, value=value
    )
