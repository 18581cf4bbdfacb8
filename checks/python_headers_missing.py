from tunedoctor import api


@api.check("python-headers-missing")
def python_headers_missing(facts: api.Facts) -> api.Finding | None:
    """Believe an error first; else find Triton beside a GPU and a compiler without headers on Linux."""
    said, own = facts.heard("python-headers-missing"), facts.interpreter
    gpu = facts.nvidia or facts.amd
    triton = any(facts.packages.get(name) for name in api.TRITON)
    lacks = own.headers is False and facts.compilers.cc
    if not said and not (lacks and triton and gpu and facts.host.os in ("linux", "")):
        return None
    system = "debian" if not facts.host or facts.host.distro in ("debian", "ubuntu") else "else"
    said_or_seen = "python-headers-missing:said" if said else "python-headers-missing:seen"
    numbers = ".".join(map(str, api.parts(own.version)[:2])) if own else "3"
    key = "python-headers-missing"
    return facts.worded(f"{key}:{system}", said_or_seen, key, said=said, numbers=numbers)
