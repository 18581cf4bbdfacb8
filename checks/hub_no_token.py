from tunedoctor import api


@api.check("hub-no-token")
def hub_no_token(facts: api.Facts, errors: api.Errors) -> api.Finding | None:
    """Take the answer 401 and what says that there is no token."""
    said = api.heard(errors, "hub-no-token", "hub-no-token/unauthorised")
    if not said and api.heard(errors, "hub-no-token/not-logged-in"):
        said = api.heard(errors, "hub-no-token/private")
    if said and api.expression("hub-no-token/ownerless").search(said):
        said = api.heard(errors, "hub-no-token")
        if not said:
            refused = api.heard(errors, "hub-no-token/unauthorised")
            return facts.worded("hub-no-token/no-such-name", said=refused)
    guess = "" if said else api.heard(errors, "hub-no-token/guess")
    if not said and not guess:
        return None
    has = "; HF_TOKEN is set" if facts.environment.get("HF_TOKEN") else ""
    case = "hub-no-token:guess" if guess else ""
    return facts.worded("hub-no-token", case, said=said or guess, set=has)
