from tunedoctor.api import Errors, Facts, Finding, Unknown, check, expression, heard, worded


@check("windows-vcredist")
def windows_vcredist(facts: Facts, errors: Errors | Unknown) -> Finding | None:
    """Error 1114 in a library of torch."""
    stated = heard(errors, "windows-vcredist/stated")
    absent = heard(errors, "windows-vcredist/absent")
    if absent or (stated and heard(errors, "windows-vcredist")):
        return worded(
            "windows-vcredist/absent",
            found=f"the error '{absent}'"
            if absent
            else f"the warning '{stated}', and a DLL that does not load",
            said=absent or stated,
        )
    if stated:
        return worded("windows-vcredist/stated", said=stated)
    for error in errors.errors if isinstance(errors, Errors) else ():
        found = expression("windows-vcredist/failed").search(error.text)
        if found:
            name = f"torch {facts.torch.version}" if facts.torch else "torch 2.9 and newer"
            return worded(
                "windows-vcredist",
                found=f"WinError 1114 in {found[1]}.dll; {name} needs msvcp140.dll 14.40 or newer",
            )
    return None
