from tunedoctor import api

OTHERS = [f"compiler-missing/{tool}" for tool in ("nvcc", "rocm", "oneapi", "ninja")]
"""Builds that lack another tool than a C compiler."""


@api.check("compiler-missing")
def compiler_missing(facts: api.Facts) -> api.Finding | None:
    """Believe an error first; else find Triton beside a GPU without a compiler on Linux."""
    said = facts.heard("compiler-missing")
    if other := facts.if_heard(*OTHERS):
        return other
    if "-lcuda" in said:
        return facts.worded("compiler-missing/libcuda", said=said)
    version = next(filter(None, map(facts.packages.version, api.TRITON)), "")
    gpu, linux = facts.nvidia or facts.amd, facts.host.os in ("linux", "")
    lacks = facts.compilers and facts.compilers.cc == "" and not facts.environment.get("CC")
    if not said and not (lacks and version and gpu and linux):
        return None
    system = f"compiler-missing:{facts.host.distro if facts.host else 'debian'}"
    return facts.worded(
        "compiler-missing:said" if said else "compiler-missing:not-on-path",
        "compiler-missing:windows" if _windows(facts, said) else system,
        "compiler-missing:root",
        said=said,
        version=version,
    )


def _windows(facts: api.Facts, said: str) -> bool:
    """Tell Windows by the system, by the words of the error, or by a file in its traceback."""
    if facts.host:
        return facts.host.os == "windows"
    files = (frame.file for error in facts.errors.errors for frame in error.frames)
    drive = api.expression("compiler-missing/drive")
    words = api.expression("compiler-missing/of-windows").search(said)
    return words is not None or any(drive.match(file) for file in files)
