from tunedoctor import api


@api.check("hub-gated-access")
def hub_gated_access(facts: api.Facts, errors: api.Errors) -> api.Finding | None:
    """Take the answer 403 and what says that the licence was not accepted."""
    said = api.heard(errors, "hub-gated-access")
    if not said:
        return None
    page = facts.matched("hub-gated-access/page")
    case = "hub-gated-access:fine" if "fine-grained" in said else ""
    return facts.worded(case, "hub-gated-access", said=said, page=page and page[1])
