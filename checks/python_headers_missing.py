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
    NvidiaGpus,
    Packages,
    Unknown,
    check,
    heard,
    known,
    parts,
    tell,
    worded,
)


@check("python-headers-missing", "The headers of Python are missing", "warning")
def python_headers_missing(  # noqa: PLR0913  what needs them, what is there, what was said
    interpreter: Interpreter | Unknown | None,
    compilers: Compilers | Unknown | None,
    packages: Packages | Unknown | None,
    nvidia: NvidiaGpus | Unknown | None,
    amd: AmdGpus | Unknown | None,
    host: Host | Unknown | None,
    errors: Errors | Unknown | None,
) -> Finding | None:
    """Believe an error first; else find Triton beside a GPU and a compiler without headers on Linux."""
    said = heard(errors, "python-headers-missing")
    own, tools, there, system = known(interpreter), known(compilers), known(packages), known(host)
    gpu = known(nvidia) is not None or known(amd) is not None
    triton = there is not None and any(there.get(n) for n in TRITON)
    linux = system is None or system.os == "linux"
    lacks = own is not None and own.headers is False and tools is not None and bool(tools.cc)
    if not said and not (lacks and triton and gpu and linux):
        return None
    numbers = ".".join(map(str, parts(own.version)[:2])) if own is not None else "3"
    distro = system.distro if system is not None else "debian"
    return worded(
        "python-headers-missing",
        severity="error" if said else "warning",
        found=f"the error '{said}'"
        if said or own is None
        else f"no Python.h in {own.include or 'the include folder'} of Python {own.version}",
        said=said,
        cure=tell(f"sudo apt-get install -y python{numbers}-dev")
        if distro in ("debian", "ubuntu")
        else tell(f"sudo dnf install -y python{numbers}-devel"),
    )
