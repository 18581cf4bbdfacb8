from tunedoctor.api import Errors, Facts, Finding, check, expression, heard, worded

PLACE = expression("hub-network/place")


@check("hub-network")
def hub_network(facts: Facts, errors: Errors) -> Finding | None:
    """Tell a certificate that is not trusted from a route that is closed."""
    about = Errors(errors=tuple(e for e in errors.errors if PLACE.search(e.text)))
    if tls := heard(about, "hub-network/tls") or _tls_of_no_host(errors):
        return worded("hub-network/tls", said=tls, host=facts.host)
    route, key = heard(about, "hub-network/route"), "hub-network/route"
    return worded(key, said=route, mirror=facts.environment.get("HF_ENDPOINT")) if route else None


def _tls_of_no_host(errors: Errors) -> str:
    """Return a failed handshake that names no host, where the same text or its frames speak of the Hub."""
    host = expression("hub-network/host")
    speaks = any(
        PLACE.search(error.text) or any("huggingface_hub" in f.file for f in error.frames)
        for error in errors.errors
    )
    bare = tuple(error for error in errors.errors if not host.search(error.text))
    return heard(Errors(errors=bare), "hub-network/tls") if speaks else ""
