from tunedoctor import api

INTEL = ("backend_with_compiler", "intel-ext-pt-gpu", "intel-ext-pt-python")
"""DLLs of Intel's extension and its own torch, which want libuv and oneAPI. Source: its installation guide."""


@api.check("windows-missing-dll")
def windows_missing_dll(facts: api.Facts, errors: api.Errors | api.Unknown) -> api.Finding | None:
    """Error 126 in a library."""
    if found := api.matched(errors, "windows-missing-dll/failed"):
        name = found[1]
        case = "fbgemm" if name == "fbgemm" else "intel" if name in INTEL else "other"
        return facts.worded(f"windows-missing-dll:{case}", "windows-missing-dll", name=name)
    module = api.matched(errors, "windows-missing-dll/not-loaded")
    key = "windows-missing-dll/module"
    return facts.worded(key, said=module[0], module=module[1]) if module else None
