"""Checks of training data as a trainer receives it."""

from tunedoctor import api

CUT_OFF = api.advise(
    "Increase the maximum length (max_length, cutoff_len or max_seq_length); TRL: max_length=None lifts it"
)


@api.check("image-tokens-cut-off", uses=(api.Errors,))
def image_tokens_cut_off(facts: api.Facts) -> api.Finding | None:
    """Decide by the words of a processor or trainer, else by fewer image tokens than features in a model's error."""
    if error := facts.error_text():
        return api.Finding(found=f"the error '{error}'", cure=CUT_OFF, said=error)
    for match in facts.readings("/counts"):
        kind, tokens, features = match[1].lower(), int(match[2]), int(match[3])
        # more tokens than features: the text holds a placeholder that belongs to no image
        if 0 < tokens < features:
            return api.Finding(
                found=f"the text has {tokens:,} {kind} tokens for {features:,} {kind} features",
                cure=CUT_OFF,
                settle="grep -nE 'max_length|cutoff_len|max_seq_length|truncation' CONFIG",
                said=match[0],
            )
    return None
