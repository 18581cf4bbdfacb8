from tunedoctor.api import Facts, Finding, check, heard, unset_variable

VARIABLES = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE")


@check("hub-offline")
def hub_offline(facts: Facts) -> Finding | None:
    """Make a note of the variable alone, an error where something had to be fetched."""
    said = heard(facts.errors, "hub-offline")
    unreached = heard(facts.errors, "hub-offline/unreached")
    on = [
        name
        for name in VARIABLES
        if (facts.environment.get(name) or "").lower() in ("1", "true", "yes", "on")
    ]
    if not on and not said:
        return None
    said = said or unreached
    name = on[0] if on else "HF_HUB_OFFLINE"
    value = facts.environment.get(name) if facts.environment else ""
    return Finding(
        severity="error" if said else None,
        found=f"the error '{said}'" if said else f"{name} is '{value}'",
        said=said,
        cure=unset_variable(facts.host, name),
        cure_note="for one run with a network, which fills the cache; then set it again",
        evidence=tuple(on),
    )
