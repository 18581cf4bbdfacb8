"""The token is valid and has no right to this model.

What it means
    Gated models ask each account to accept their licence first. The Hub answers 403 until then, and also where a
    fine-grained token was made without the right to read gated repositories.

How it is found
    The text of the error: 403 for a gated repository, or an account that is not in the authorised list.

Cures
    Accept the licence on the model's page with the account that the token belongs to. For a fine-grained token,
    switch on access to public gated repositories.

When to ignore it
    Never: the model was not fetched.

Seen as
    GatedRepoError: 403 Client Error
    Access to model is restricted and you are not in the authorized list
    You are trying to access a gated repo.
    Please enable access to public gated repositories in your fine-grained token settings
"""

from tunedoctor.api import (
    Errors,
    Finding,
    advise,
    check,
    pattern,
    told,
)

SAID = (
    r"you are not in the authorized list",
    r"enable access to public gated repositories",
    r"awaiting a review from the repo authors",
    r"request to access .{1,120} has been rejected",
    r"403 Client Error\b.{0,200}(?:huggingface|hf\.co|Request ID|gated)",
    r"trying to access a gated repo",
    r"gated (?:dataset|repo\w*|model)\b.{0,200}\bask for access",
    r"Cannot access gated repo",
    r"GatedRepoError",
    r"Client error '403 Forbidden' for url 'https://(?:huggingface\.co|hf\.co)",
    r"(?i:status)\W{1,3}403\b.{0,200}(?:huggingface\.co|hf\.co)/\S{1,100}/resolve/",
    r"unable to access 'https://(?:huggingface\.co|hf\.co)/\S{1,200}': The requested URL returned error: 403",
)
PAGE = pattern(r"(?:huggingface\.co|hf\.co)/(?:api/models/)?([\w.-]{1,96}/[\w.-]{1,96})")


@check("hub-gated-access", "This account has no access to the gated model")
def hub_gated_access(errors: Errors) -> Finding | None:
    """Take the answer 403 and what says that the licence was not accepted."""
    said = told(errors, *SAID)
    if not said:
        return None
    page = next((m[1] for e in errors.errors if (m := PAGE.search(e.text))), "")
    fine = "fine-grained" in said
    return Finding(
        found=f"the error '{said}'",
        said=said,
        means="the model is not fetched, whatever the token",
        cure=advise("Switch on access to public gated repositories for this token")
        if fine
        else advise(f"Accept the licence of {page or 'the model'} on its page"),
        cure_note="in the account's token settings"
        if fine
        else "with the account that hf auth whoami names; a fine-grained token also needs the right to gated models",
    )
