import re

from tunedoctor import api

OF_TORCH = ("torch", "torchvision", "torchaudio")


@api.check("wheel-not-on-index")
def wheel_not_on_index(facts: api.Facts) -> api.Finding | None:
    """Only where the Python and the system have wheels of the release."""
    why = api.refused(facts.index_answer, facts.interpreter, facts.host)
    if why is None or why.cause != "wheel-not-on-index":
        return None
    refusals = facts.index_answer.refusals
    asked = next((one for one in refusals if one.name == "torch"), refusals[0])
    number = re.search(r"\d+\.\d+\.\d+", asked.specifier)
    row = api.release_row(number[0]) if number and asked.name == "torch" else None
    variants = [one for one in row.variants("linux_x86_64") if one != "xpu"] if row else []
    other = not (number and variants) and asked.name not in OF_TORCH
    return facts.worded(
        "wheel-not-on-index:other" if other else "",
        "wheel-not-on-index:release" if number and variants else "",
        "wheel-not-on-index",
        name=asked.name,
        why=why.found,
        release=number and number[0],
        variants=", ".join(variants),
    )
