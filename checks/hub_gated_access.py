from tunedoctor import api


@api.check("hub-gated-access")
def hub_gated_access(errors: api.Errors) -> api.Finding | None:
    """Take the answer 403 and what says that the licence was not accepted."""
    said = api.heard(errors, "hub-gated-access")
    if not said:
        return None
    page = next(
        (
            m[1]
            for e in errors.errors
            if (m := api.expression("hub-gated-access/page").search(e.text))
        ),
        "",
    )
    fine = "fine-grained" in said
    return api.worded(
        "hub-gated-access",
        said=said,
        cure=api.advise("Switch on access to public gated repositories for this token")
        if fine
        else api.advise(f"Accept the licence of {page or 'the model'} on its page"),
        cure_note="in the account's token settings"
        if fine
        else "with the account that hf auth whoami names; a fine-grained token also needs the right to gated models",
    )
