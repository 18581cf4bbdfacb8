from tunedoctor import api

PLACE = api.expression("hub-network/place")


@api.check("hub-network")
def hub_network(facts: api.Facts, errors: api.Errors) -> api.Finding | None:
    """Tell a certificate that is not trusted from a route that is closed."""
    about = api.Errors(errors=tuple(e for e in errors.errors if PLACE.search(e.text)))
    if tls := api.heard(about, "hub-network/tls") or _tls_of_no_host(errors):
        return facts.worded("hub-network/tls", said=tls)
    key, mirror = "hub-network/route", facts.environment.get("HF_ENDPOINT")
    route = api.heard(about, key)
    return facts.worded(key, said=route, mirror=mirror) if route else None


def _tls_of_no_host(errors: api.Errors) -> str:
    """Return a failed handshake that names no host, where the same text or its frames speak of the Hub."""
    host = api.expression("hub-network/host")
    files = (frame.file for error in errors.errors for frame in error.frames)
    speaks = any(PLACE.search(error.text) for error in errors.errors)
    speaks = speaks or any("huggingface_hub" in file for file in files)
    bare = tuple(error for error in errors.errors if not host.search(error.text))
    return api.heard(api.Errors(errors=bare), "hub-network/tls") if speaks else ""
