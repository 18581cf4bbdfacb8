from tunedoctor.api import Errors, Facts, Finding, check, expression, heard, told, worded

UNAUTHORISED = (
    r"401 Client Error\b.{0,200}(?:huggingface|hf\.co|hf-mirror)",
    r"Client error '401 Unauthorized' for url 'https://(?:huggingface\.co|hf\.co)",
    r"\b401 (?:Client Error: )?Unauthorized\b.{0,200}(?:huggingface|hf\.co)",
)
SAID = (
    *UNAUTHORISED,
    r"Token is required \(",
    r"Hugging Face access token has expired",
    r"Invalid user(?:name or password| token)",
    r"Invalid credentials in Authorization header",
    r"must have access to it and be authenticated to access it",
    r"(?:HF_TOKEN|token) .{0,40}(?:is|was) not (?:set|found)\b.{0,80}gated",
    r"use_auth_token=True, but a (?:huggingface|Hugging Face) token was not found",
    r"Token is required \([^()]{1,40}\)|Token is required, but no token found",
    r"Invalid token passed|Your token may not be valid|User access token \S{1,80} is expired",
    r"Authentication failed for 'https://(?:\S{1,60}@)?(?:huggingface\.co|hf\.co)",
    r"could not read (?:Username|Password) for 'https://(?:\S{1,60}@)?(?:huggingface\.co|hf\.co)",
    r"Authorization error: https://(?:huggingface\.co|hf\.co)",
    r"is a gated dataset on the Hub\. You must be authenticated",
    r"401 Client Error\. \(Request ID",
    r"Token must be (?:specified|provided|given|set)\b.{0,60}\bhub\b",
)


@check("hub-no-token")
def hub_no_token(facts: Facts, errors: Errors) -> Finding | None:
    """Take the answer 401 and what says that there is no token."""
    said = told(errors, *SAID)
    if not said and heard(errors, "hub-no-token/not-logged-in"):
        said = heard(errors, "hub-no-token/private")
    if said and expression("hub-no-token/ownerless").search(said):
        said = told(errors, *(one for one in SAID if one not in UNAUTHORISED))
        if not said:
            return _no_such_name(told(errors, *UNAUTHORISED))
    guess = "" if said else heard(errors, "hub-no-token/guess")
    said = said or guess
    if not said:
        return None
    has = bool(facts.environment.get("HF_TOKEN"))
    return worded(
        "hub-no-token",
        found=f"the error '{said}'" + ("; HF_TOKEN is set" if has else ""),
        said=said,
        settle="hf auth whoami" if guess else "",
    )


def _no_such_name(said: str) -> Finding:
    """Tell of a name without an owner that the Hub refuses: a folder that is not there, or a token that is wrong."""
    return worded("hub-no-token/no-such-name", said=said)
