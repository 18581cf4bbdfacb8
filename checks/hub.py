import shlex

from tunedoctor import api

ON = ("1", "true", "yes", "on")


@api.check(
    "hub-cache-permission", uses=(api.Container, api.Disks, api.Environment, api.Errors, api.Host)
)
def hub_cache_permission(facts: api.Facts) -> api.Finding | None:
    """Report a note if the Hub is switched off, because reading is enough then."""
    error = facts.error_text()
    disks = (d for d in facts.disks.disks if d.use == "hf-cache" and not d.writable)
    folder = next((disk.path for disk in disks), "")
    if not folder and not error:
        return None
    offline = (facts.environment.get("HF_HUB_OFFLINE") or "0").lower() in ON
    windows = facts.host.os == "windows"
    if facts.container or windows:
        cure = facts.set_variable("HF_HOME", "C:\\hf" if windows else "/tmp/hf")  # noqa: S108  every container has it
    else:
        quoted = shlex.quote(folder) if folder else "~/.cache/huggingface"
        cure = api.tell(f"sudo chown -R $(id -u):$(id -g) {quoted}")
    if facts.container:
        note = (
            "or, on the host, give the mounted folder to the container's user; models in /tmp are "
            "lost with the container"
        )
    else:
        note = "needs root; or set HF_HOME to a folder that this user owns"
    reported = f"; the error '{error}'" if error else ""
    return api.Finding(
        severity="note" if offline and not error else "error",
        found=f"this user cannot write to {folder}{reported}" if folder else "",
        cure=cure,
        cure_note=note,
        evidence=(folder,),
        said=error,
    )


@api.check("hub-gated-access", uses=(api.Errors,))
def hub_gated_access(facts: api.Facts, errors: api.Errors) -> api.Finding | None:
    """Use a 403 answer and messages about a licence that was not accepted."""
    error = facts.error_text()
    if not error:
        return None
    page = facts.matched("/page")
    if "fine-grained" in error:
        return api.Finding(
            cure=api.advise("Switch on access to public gated repositories for this token"),
            cure_note="in the account's token settings",
            said=error,
        )
    return api.Finding(
        cure=api.advise(f"Accept the licence of {page[1] if page else 'the model'} on its page"),
        cure_note=(
            "with the account that hf auth whoami shows; a fine-grained token also needs the right "
            "to read gated models"
        ),
        said=error,
    )


PLACE = api.expression("hub-network/place")


@api.check("hub-network", uses=(api.Environment,))
def hub_network(facts: api.Facts, errors: api.Errors) -> api.Finding | None:
    """Distinguish an untrusted certificate from a blocked network."""
    about = api.Errors(errors=tuple(e for e in errors.errors if PLACE.search(e.text)))
    if tls := api.matched_error(about, "hub-network/tls") or _tls_error_without_host(errors):
        return api.Finding(
            means=(
                "a device between this machine and the Hub replaces the Hub's certificate with one "
                "that Python does not trust"
            ),
            cure=facts.set_variable("SSL_CERT_FILE", "/path/to/the/proxy-ca.pem"),
            cure_note=(
                "use the certificate of your organisation's proxy; older libraries read "
                "REQUESTS_CA_BUNDLE"
            ),
            said=tls,
        )
    route = api.matched_error(about, "hub-network/route")
    if not route:
        return None
    mirror = facts.environment.get("HF_ENDPOINT")
    return api.Finding(
        found=f"the error '{route}'" + (f"; HF_ENDPOINT is {mirror}" if mirror else ""),
        means="models and data sets that are not in the cache cannot be downloaded",
        cure=api.tell("curl -sSI https://huggingface.co"),
        cure_note=(
            "shows whether the route is open; if not, set HTTPS_PROXY for a proxy, or HF_ENDPOINT "
            "for a mirror"
        ),
        said=route,
    )


def _tls_error_without_host(errors: api.Errors) -> str:
    """Return a failed handshake without a host name if the text or its frames mention the Hub."""
    host = api.expression("hub-network/host")
    files = (frame.file for error in errors.errors for frame in error.frames)
    speaks = any(PLACE.search(error.text) for error in errors.errors)
    speaks = speaks or any("huggingface_hub" in file for file in files)
    bare = tuple(error for error in errors.errors if not host.search(error.text))
    return api.matched_error(api.Errors(errors=bare), "hub-network/tls") if speaks else ""


@api.check("hub-no-token", uses=(api.Environment, api.Errors))
def hub_no_token(facts: api.Facts, errors: api.Errors) -> api.Finding | None:
    """Use a 401 answer and messages about a missing token."""
    error = facts.error_text("", "/unauthorised")
    if not error and facts.error_text("/not-logged-in"):
        error = facts.error_text("/private")
    if error and facts.search("/ownerless", error):
        error = facts.error_text()
        if not error:
            return _report_unknown_repository(facts.error_text("/unauthorised"))
    guess = "" if error else facts.error_text("/guess")
    if not error and not guess:
        return None
    has = "; HF_TOKEN is set" if facts.environment.get("HF_TOKEN") else ""
    return api.Finding(
        found=f"the error '{error or guess}'{has}",
        cure=api.tell("hf auth login"),
        cure_note=(
            "in the environment that runs the job; hf auth whoami then shows which account the "
            "token belongs to"
        ),
        settle="hf auth whoami" if guess else "",
        said=error or guess,
    )


def _report_unknown_repository(error: str) -> api.Finding:
    return api.Finding(
        title="The Hub has no repository of this name",
        severity="error",
        found=(
            f"the error '{error}'; repositories without an owner in their name are public and need "
            "no access right"
        ),
        means=(
            "nothing is downloaded: the name is misspelt, or it means a local folder that does not "
            "exist"
        ),
        cure=api.tell("hf auth whoami"),
        cure_note=(
            "pass the path of the folder, or OWNER/NAME; the Hub gives the same answer to a wrong "
            "token"
        ),
        settle="hf auth whoami",
        said=error,
    )


VARIABLES = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE")


@api.check("hub-offline", uses=(api.Environment, api.Errors))
def hub_offline(facts: api.Facts) -> api.Finding | None:
    """Report the variable alone as a note, as an error if a download failed."""
    error = facts.error_text()
    unreached = facts.error_text("/unreached")
    on = [name for name in VARIABLES if (facts.environment.get(name) or "").lower() in ON]
    if not on and not error:
        return None
    error, name = error or unreached, (on or VARIABLES)[0]
    return api.Finding(
        severity="error" if error else None,
        found="" if error else f"{name} is '{facts.environment.get(name)}'",
        cure=facts.set_variable(name, None),
        cure_note=(
            "for one run on a machine with a network, which fills the cache; then set it again"
        ),
        evidence=tuple(on),
        said=error,
    )
