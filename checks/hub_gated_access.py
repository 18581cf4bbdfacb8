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

from tunedoctor.api import Errors, Finding, advise, check, expression, heard, worded

PAGE = expression("hub-gated-access/page")


@check(
    "hub-gated-access",
    "This account has no access to the gated model",
    explains=["hub-network"],  # who answers with a refusal can be reached
)
def hub_gated_access(errors: Errors) -> Finding | None:
    """Take the answer 403 and what says that the licence was not accepted."""
    said = heard(errors, "hub-gated-access")
    if not said:
        return None
    page = next((m[1] for e in errors.errors if (m := PAGE.search(e.text))), "")
    fine = "fine-grained" in said
    return worded(
        "hub-gated-access",
        said=said,
        cure=advise("Switch on access to public gated repositories for this token")
        if fine
        else advise(f"Accept the licence of {page or 'the model'} on its page"),
        cure_note="in the account's token settings"
        if fine
        else "with the account that hf auth whoami names; a fine-grained token also needs the right to gated models",
    )
