import re

from tunedoctor.api import Facts, Finding, check, pip, refused, release_row, tell, worded


@check("wheel-not-on-index")
def wheel_not_on_index(facts: Facts) -> Finding | None:
    """Only where the Python and the system have wheels of the release."""
    why = refused(facts.index_answer, facts.interpreter, facts.host)
    if why is None or why.cause != "wheel-not-on-index" or not facts.index_answer:
        return None
    asked = next(
        (one for one in facts.index_answer.refusals if one.name == "torch"),
        facts.index_answer.refusals[0],
    )
    release = re.search(r"\d+\.\d+\.\d+", asked.specifier)
    variants = _variants(release[0]) if release and asked.name == "torch" else ""
    return worded(
        "wheel-not-on-index",
        found=why.found + (f"; torch {release[0]} has {variants}" if variants and release else ""),
        cure=tell(f"doctor wheel --torch {release[0]}")
        if release and variants
        else tell("doctor wheel")
        if asked.name in ("torch", "torchvision", "torchaudio")
        else pip(facts.interpreter, "install", asked.name),
    )


def _variants(release: str) -> str:
    row = release_row(release)
    return ", ".join(one for one in row.variants("linux_x86_64") if one != "xpu") if row else ""
