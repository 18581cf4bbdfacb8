from tunedoctor.api import (
    TRITON,
    AmdGpus,
    Compilers,
    Errors,
    Finding,
    Host,
    Interpreter,
    Known,
    NvidiaGpus,
    Packages,
    check,
    heard,
    parts,
    tell,
    worded,
)


@check("python-headers-missing")
def python_headers_missing(
    interpreter: Known[Interpreter],
    compilers: Known[Compilers],
    packages: Known[Packages],
    nvidia: Known[NvidiaGpus],
    amd: Known[AmdGpus],
    host: Known[Host],
    errors: Known[Errors],
) -> Finding | None:
    """Believe an error first; else find Triton beside a GPU and a compiler without headers on Linux."""
    said = heard(errors, "python-headers-missing")
    gpu = nvidia is not None or amd is not None
    triton = packages is not None and any(packages.get(n) for n in TRITON)
    linux = host is None or host.os == "linux"
    lacks = (
        interpreter is not None
        and interpreter.headers is False
        and compilers is not None
        and bool(compilers.cc)
    )
    if not said and not (lacks and triton and gpu and linux):
        return None
    numbers = ".".join(map(str, parts(interpreter.version)[:2])) if interpreter is not None else "3"
    distro = host.distro if host is not None else "debian"
    return worded(
        "python-headers-missing",
        severity="error" if said else "warning",
        found=f"the error '{said}'"
        if said or interpreter is None
        else f"no Python.h in {interpreter.include or 'the include folder'} of Python {interpreter.version}",
        said=said,
        cure=tell(f"sudo apt-get install -y python{numbers}-dev")
        if distro in ("debian", "ubuntu")
        else tell(f"sudo dnf install -y python{numbers}-devel"),
    )
