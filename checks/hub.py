import shlex

from tunedoctor import api

ON = ("1", "true", "yes", "on")


@api.check("hub-cache-permission")
def hub_cache_permission(facts: api.Facts) -> api.Finding | None:
    """Report a note if the Hub is switched off, because reading is enough then."""
    error = facts.heard()
    disks = (d for d in facts.disks.disks if d.use == "hf-cache" and not d.writable)
    folder = next((disk.path for disk in disks), "")
    if not folder and not error:
        return None
    offline = (facts.environment.get("HF_HUB_OFFLINE") or "0").lower() in ON
    windows = facts.host.os == "windows"
    quoted = shlex.quote(folder) if folder else "~/.cache/huggingface"
    cure = api.tell(f"sudo chown -R $(id -u):$(id -g) {quoted}")
    if facts.container or windows:
        cure = facts.set_variable("HF_HOME", "C:\\hf" if windows else "/tmp/hf")  # noqa: S108  every container has it
    case = ":inside" if facts.container else ":else"
    level: api.Severity = "note" if offline and not error else "error"
    by_folder = ":seen" if folder else ""
    return facts.worded(by_folder, case, severity=level, said=error, cure=cure, folder=folder)


@api.check("hub-gated-access")
def hub_gated_access(facts: api.Facts, errors: api.Errors) -> api.Finding | None:
    """Use a 403 answer and messages about a licence that was not accepted."""
    error = facts.heard()
    if not error:
        return None
    page = facts.matched("/page")
    return facts.worded(
        ":fine" if "fine-grained" in error else "", said=error, page=page and page[1]
    )


PLACE = api.expression("hub-network/place")


@api.check("hub-network")
def hub_network(facts: api.Facts, errors: api.Errors) -> api.Finding | None:
    """Distinguish an untrusted certificate from a blocked network."""
    about = api.Errors(errors=tuple(e for e in errors.errors if PLACE.search(e.text)))
    if tls := api.heard(about, "hub-network/tls") or _tls_of_no_host(errors):
        return facts.worded("/tls", said=tls)
    route, mirror = api.heard(about, "hub-network/route"), facts.environment.get("HF_ENDPOINT")
    return facts.worded("/route", said=route, mirror=mirror) if route else None


def _tls_of_no_host(errors: api.Errors) -> str:
    """Return a failed handshake without a host name if the text or its frames mention the Hub."""
    host = api.expression("hub-network/host")
    files = (frame.file for error in errors.errors for frame in error.frames)
    speaks = any(PLACE.search(error.text) for error in errors.errors)
    speaks = speaks or any("huggingface_hub" in file for file in files)
    bare = tuple(error for error in errors.errors if not host.search(error.text))
    return api.heard(api.Errors(errors=bare), "hub-network/tls") if speaks else ""


@api.check("hub-no-token")
def hub_no_token(facts: api.Facts, errors: api.Errors) -> api.Finding | None:
    """Use a 401 answer and messages about a missing token."""
    error = facts.heard("", "/unauthorised")
    if not error and facts.heard("/not-logged-in"):
        error = facts.heard("/private")
    if error and facts.search("/ownerless", error):
        error = facts.heard()
        if not error:
            return facts.worded("/no-such-name", said=facts.heard("/unauthorised"))
    guess = "" if error else facts.heard("/guess")
    if not error and not guess:
        return None
    has = "; HF_TOKEN is set" if facts.environment.get("HF_TOKEN") else ""
    return facts.worded(":guess" if guess else "", said=error or guess, set=has)


VARIABLES = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE")


@api.check("hub-offline")
def hub_offline(facts: api.Facts) -> api.Finding | None:
    """Report the variable alone as a note, as an error if a download failed."""
    error = facts.heard()
    unreached = facts.heard("/unreached")
    on = [name for name in VARIABLES if (facts.environment.get(name) or "").lower() in ON]
    if not on and not error:
        return None
    error, name = error or unreached, (on or VARIABLES)[0]
    cure, value = api.set_variable(facts.host, name, None), facts.environment.get(name)
    case = "" if error else ":set"
    return facts.worded(case, said=error, cure=cure, evidence=tuple(on), name=name, value=value)
