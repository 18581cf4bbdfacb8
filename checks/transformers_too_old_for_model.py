from tunedoctor.api import (
    Errors,
    ErrorText,
    Facts,
    Finding,
    TokenizerFile,
    at_least,
    check,
    expression,
    expressions,
    first_transformers,
    heard,
    pip,
    tokenizer_file,
    worded,
)

ROPE_TYPE_SINCE = "4.43.0"
"""First to read the rope_scaling of Llama 3.1. Source: its release notes."""


@check("transformers-too-old-for-model")
def transformers_too_old_for_model(facts: Facts, errors: Errors) -> Finding | None:
    """Look the model type of the error up; without a release to compare, the error's own words decide."""
    advised = any(
        expression("transformers-too-old-for-model/update").search(e.text) for e in errors.errors
    )
    have = facts.packages.version("transformers")
    rope = heard(errors, "transformers-too-old-for-model/llama-31")
    if rope and not (have and at_least(have, ROPE_TYPE_SINCE)):
        return _finding(facts, "rope_type", rope[:70], ROPE_TYPE_SINCE, have)
    if file := tokenizer_file(errors, facts.packages):
        return _of_file(facts, file)
    for error in errors.errors:
        if not_yet := expression("transformers-too-old-for-model/not-yet").search(error.text):
            have = not_yet["have"]
            return _finding(facts, not_yet["model"], not_yet[0], "", have)
        model, said = _model(error, advised=advised)
        if not model:
            continue
        since = first_transformers(model)
        if since and have and at_least(have, since):
            continue  # it is known to this release: something else hides it
        if since or advised:
            return _finding(facts, model, said, since, have)
    return None


def _of_file(facts: Facts, one: TokenizerFile) -> Finding:
    """Tell of a tokenizer.json that is younger than the tokenizers installed."""
    return worded(
        "transformers-too-old-for-model/of-file",
        found=f"the error '{one.said}'; its format came with tokenizers {one.tokenizers} and transformers "
        f"{one.transformers}, and {one.have} is installed",
        said=one.said,
        cure=pip(
            facts.interpreter,
            "install",
            f"transformers>={one.transformers}",
            f"tokenizers>={one.tokenizers}",
        ),
    )


def _model(error: ErrorText, *, advised: bool) -> tuple[str, str]:
    """Return the model type or class that an error names, and its words."""
    for named in expressions("transformers-too-old-for-model/named"):
        if found := named.search(error.text):
            return found[1], found[0]
    key = expression("transformers-too-old-for-model/key").search(error.text)
    in_config = any("configuration_auto" in f.file for f in error.frames)
    # the rest of the traceback is cut off: a model type as a key, asked for where a model is loaded
    loading = not error.frames or "from_pretrained(" in error.frames[-1].code
    typed = key is not None and loading and any(c in key[1] for c in "_0123456789")
    if key and (advised or in_config or (typed and first_transformers(key[1]))):
        return key[1], key[0]
    return "", ""


def _finding(facts: Facts, model: str, said: str, since: str, have: str) -> Finding:
    here = f"transformers {have}" if have else "this transformers"
    floor = f"{model} came with transformers {since}" if since else f"{here} does not know {model}"
    return worded(
        "transformers-too-old-for-model/finding",
        found=f"the error '{said}'; {floor}" + (f", and {have} is installed" if have else ""),
        said=said,
        cure=pip(
            facts.interpreter,
            "install",
            f"transformers>={since}" if since else "--upgrade transformers",
        ),
    )
