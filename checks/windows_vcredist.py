from tunedoctor import api


@api.check("windows-vcredist")
def windows_vcredist(facts: api.Facts, errors: api.Errors | api.Unknown) -> api.Finding | None:
    """Error 1114 in a library of torch."""
    stated = api.heard(errors, "windows-vcredist/stated")
    absent = api.heard(errors, "windows-vcredist/absent")
    if absent:
        return facts.worded("windows-vcredist/absent", said=absent)
    if stated and api.heard(errors, "windows-vcredist"):
        found = f"the warning '{stated}', and a DLL that does not load"
        return facts.worded("windows-vcredist/absent", found=found, said=stated)
    if stated:
        return facts.worded("windows-vcredist/stated", said=stated)
    failed = api.matched(errors, "windows-vcredist/failed")
    if failed is None:
        return None
    name = facts.torch.named if facts.torch else "torch 2.9 and newer"
    return facts.worded("windows-vcredist", dll=failed[1], name=name)
