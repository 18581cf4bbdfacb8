from tunedoctor.api import TRITON, Facts, Finding, check, heard, parts, tell, worded


@check("python-headers-missing")
def python_headers_missing(facts: Facts) -> Finding | None:
    """Believe an error first; else find Triton beside a GPU and a compiler without headers on Linux."""
    said = heard(facts.errors, "python-headers-missing")
    gpu = facts.nvidia or facts.amd
    triton = any(facts.packages.get(n) for n in TRITON)
    linux = not facts.host or facts.host.os == "linux"
    lacks = facts.interpreter.headers is False and bool(facts.compilers.cc)
    if not said and not (lacks and triton and gpu and linux):
        return None
    numbers = ".".join(map(str, parts(facts.interpreter.version)[:2])) if facts.interpreter else "3"
    distro = facts.host.distro if facts.host else "debian"
    return worded(
        "python-headers-missing",
        severity="error" if said else "warning",
        found=f"the error '{said}'"
        if said or not facts.interpreter
        else f"no Python.h in {facts.interpreter.include or 'the include folder'} "
        f"of Python {facts.interpreter.version}",
        said=said,
        cure=tell(f"sudo apt-get install -y python{numbers}-dev")
        if distro in ("debian", "ubuntu")
        else tell(f"sudo dnf install -y python{numbers}-devel"),
    )
