"""The compiler is there, Python.h is not.

What it means
    Triton compiles a module against the headers of the interpreter. Systems keep them in a package of their own, and
    slim images leave them out.

How it is found
    Python.h in the include folder that the interpreter states, where Triton and a GPU are there; and errors.

Cures
    Install the headers, or take an interpreter that brings them (uv, conda, python.org).

When to ignore it
    When neither torch.compile nor other Triton kernels are used.

Seen as
    fatal error: Python.h: No such file or directory
"""

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


@check("python-headers-missing", "The headers of Python are missing", "warning")
def python_headers_missing(  # noqa: PLR0913  what needs them, what is there, what was said
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
