from typing import Any

from tunedoctor import api

ROPE_TYPE_SINCE = "4.43.0"
"""First to read the rope_scaling of Llama 3.1. Source: its release notes."""


@api.check("transformers-too-old-for-model")
def transformers_too_old_for_model(facts: api.Facts, errors: api.Errors) -> api.Finding | None:
    """Look the model type of the error up; without a release to compare, the error's own words decide."""
    advised = api.matched(errors, "transformers-too-old-for-model/update") is not None
    have = facts.packages.version("transformers")
    rope = api.heard(errors, "transformers-too-old-for-model/llama-31")
    if rope and not (have and api.at_least(have, ROPE_TYPE_SINCE)):
        return _finding(facts, "rope_type", rope[:70], ROPE_TYPE_SINCE, have)
    if file := api.tokenizer_file(errors, facts.packages):
        return facts.worded("transformers-too-old-for-model/of-file", said=file.said, file=file)
    for error in errors.errors:
        if not_yet := api.expression("transformers-too-old-for-model/not-yet").search(error.text):
            return _finding(facts, not_yet["model"], not_yet[0], "", not_yet["have"])
        model, said = _model(error, advised=advised)
        since = api.first_transformers(model) if model else ""
        # where this release knows it, something else hides it
        known = since and have and api.at_least(have, since)
        if model and not known and (since or advised):
            return _finding(facts, model, said, since, have)
    return None


def _model(error: api.ErrorText, *, advised: bool) -> tuple[str, str]:
    """Return the model type or class that an error names, and its words."""
    for named in api.expressions("transformers-too-old-for-model/named"):
        if found := named.search(error.text):
            return found[1], found[0]
    key = api.expression("transformers-too-old-for-model/key").search(error.text)
    in_config = any("configuration_auto" in f.file for f in error.frames)
    # the rest of the traceback is cut off: a model type as a key, asked for where a model is loaded
    loading = not error.frames or "from_pretrained(" in error.frames[-1].code
    typed = key is not None and loading and any(c in key[1] for c in "_0123456789")
    if key and (advised or in_config or (typed and api.first_transformers(key[1]))):
        return key[1], key[0]
    return "", ""


def _finding(facts: api.Facts, model: str, said: str, since: str, have: str) -> api.Finding:
    case = "transformers-too-old-for-model/since" if since else ""
    own = f"transformers {have}" if have else "this transformers"
    words: dict[str, Any] = {"model": model, "since": since, "own": own, "have": have}
    return facts.worded(case, "transformers-too-old-for-model/finding", said=said, **words)
