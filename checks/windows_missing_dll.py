from tunedoctor import api

INTEL = ("backend_with_compiler", "intel-ext-pt-gpu", "intel-ext-pt-python")
"""DLLs of Intel's extension and its own torch, which want libuv and oneAPI. Source: its installation guide."""


@api.check("windows-missing-dll")
def windows_missing_dll(facts: api.Facts, errors: api.Errors | api.Unknown) -> api.Finding | None:
    """Error 126 in a library."""
    for error in errors.errors if isinstance(errors, api.Errors) else ():
        if found := api.expression("windows-missing-dll/failed").search(error.text):
            name = found[1]
            case = "fbgemm" if name == "fbgemm" else "intel" if name in INTEL else "other"
            version = f" of torch {facts.torch.version}" if facts.torch else ""
            keys = (f"windows-missing-dll:{case}", "windows-missing-dll")
            return facts.worded(*keys, name=name, version=version)
        if module := api.expression("windows-missing-dll/not-loaded").search(error.text):
            return facts.worded("windows-missing-dll/module", said=module[0], module=module[1])
    return None
