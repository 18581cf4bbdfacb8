"""The Hugging Face Hub cannot be reached.

What it means
    A proxy, a firewall, a blocked route or an intercepted TLS connection stands between this machine and the Hub.
    What is not in the cache is not fetched.

How it is found
    The text of the error. Nothing is sent to find out.

Cures
    Name the proxy or its certificate to Python, use a mirror, or fill the cache elsewhere and copy it.

When to ignore it
    Where HF_HUB_OFFLINE is set and the cache is full.

Seen as
    We couldn't connect to 'https://huggingface.co' to load the files
    SSLError: CERTIFICATE_VERIFY_FAILED
    Max retries exceeded with url
    ProxyError
    Temporary failure in name resolution
"""

import re

from tunedoctor.api import (
    Environment,
    Errors,
    Finding,
    Host,
    Unknown,
    check,
    known,
    pattern,
    set_variable,
    tell,
    told,
)

TLS = (
    r"CERTIFICATE_VERIFY_FAILED",
    r"certificate verify failed",
    r"self[- ]signed certificate",
    r"SSL certificate problem",
    r"server certificate verification failed",
)
ROUTE = (
    r"We couldn'?t connect to '?https?://",
    r"Max retries exceeded with url",
    r"ProxyError\b",
    r"Failed to resolve '",
    r"Temporary failure in name resolution",
    r"Name or service not known",
    r"getaddrinfo failed",
    r"Network is unreachable",
    r"ConnectTimeout(?:Error)?\b",
    r"ReadTimeout(?:Error)?: .{0,80}(?:huggingface|hf\.co)",
    r"(?:Connection (?:reset|refused|aborted|timed out)|Remote end closed connection).{0,200}",
    r"Please check your (?:internet )?connection",
    r"Connection error, and we cannot find the requested files",
    r"An error happened while trying to locate the files? on the Hub",
    r"Couldn'?t reach '?[^\n']{1,200}'? (?:on the Hub )?\((?!OfflineMode)",
    r"Couldn't find '[^'\n]{1,120}' on the Hugging Face Hub either: Connection",
    r"unable to access 'https://\S{1,200}': (?!The requested URL returned error: 40)",
    r"Could not resolve host|unable to resolve host|no such host|Failed to connect to \S{1,80} port|i/o timeout",
    r"SSL_connect: |SSL_ERROR_SYSCALL|EOF occurred in violation of protocol|non-properly terminated",
    r"Connection broken: IncompleteRead|exceptions\.ReadTimeout: .{0,200}Read timed out",
    r"CAS (?:service|Client) error ?: (?!.{0,80}client error \(4)|error sending request for url",
    r"error occurred while downloading using `hf_transfer`",
    r"There was a specific connection error when trying to load",
    r"\b50[234] Server Error",
    r"Distant resource does not seem to be on huggingface",
    r"Tunnel connection failed|Proxy Authentication Required",
)
PLACE = pattern(
    r"huggingface|hf\.co|hf-mirror|xethub|hub\b.{0,200}\bcache|on the Hub\b|hf_transfer|CAS (?:service|client) error"
    r"|cannot find the requested files",
    re.IGNORECASE,
)


HOST = pattern(r"https?://|host='|\bpypi\b|hosted\.org")


def _tls_of_no_host(errors: Errors) -> str:
    """Return a failed handshake that names no host, where the same text or its frames speak of the Hub."""
    speaks = any(
        PLACE.search(error.text) or any("huggingface_hub" in f.file for f in error.frames)
        for error in errors.errors
    )
    bare = tuple(error for error in errors.errors if not HOST.search(error.text))
    return told(Errors(errors=bare), *TLS) if speaks else ""


@check("hub-network", "The Hub cannot be reached")
def hub_network(
    errors: Errors, environment: Environment | Unknown | None, host: Host | Unknown | None
) -> Finding | None:
    """Tell a certificate that is not trusted from a route that is closed."""
    about = Errors(errors=tuple(e for e in errors.errors if PLACE.search(e.text)))
    tls, route = told(about, *TLS) or _tls_of_no_host(errors), told(about, *ROUTE)
    if not tls and not route:
        return None
    variables = known(environment)
    mirror = variables.get("HF_ENDPOINT") if variables else None
    if tls:
        return Finding(
            found=f"the error '{tls}'",
            said=tls,
            means="something between this machine and the Hub signs with a certificate that Python does not trust",
            cure=set_variable(known(host), "SSL_CERT_FILE", "/path/to/the/proxy-ca.pem"),
            cure_note="the certificate of your organisation's proxy; REQUESTS_CA_BUNDLE for older libraries",
        )
    return Finding(
        found=f"the error '{route}'" + (f"; HF_ENDPOINT is {mirror}" if mirror else ""),
        said=route,
        means="models and data sets that are not in the cache are not fetched",
        cure=tell("curl -sSI https://huggingface.co"),
        cure_note="tells whether the route is open; then HTTPS_PROXY for a proxy, or HF_ENDPOINT for a mirror",
    )
