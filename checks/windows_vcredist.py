from tunedoctor.api import Errors, Facts, Finding, Unknown, check, heard, matched, worded


@check("windows-vcredist")
def windows_vcredist(facts: Facts, errors: Errors | Unknown) -> Finding | None:
    """Error 1114 in a library of torch."""
    stated = heard(errors, "windows-vcredist/stated")
    absent = heard(errors, "windows-vcredist/absent")
    if absent:
        return worded("windows-vcredist/absent", said=absent)
    if stated and heard(errors, "windows-vcredist"):
        found = f"the warning '{stated}', and a DLL that does not load"
        return worded("windows-vcredist/absent", found=found, said=stated)
    if stated:
        return worded("windows-vcredist/stated", said=stated)
    failed = matched(errors, "windows-vcredist/failed")
    if failed is None:
        return None
    name = facts.torch.named if facts.torch else "torch 2.9 and newer"
    return worded("windows-vcredist", dll=failed[1], name=name)
