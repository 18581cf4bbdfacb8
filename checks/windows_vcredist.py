from tunedoctor import api


@api.check("windows-vcredist")
def windows_vcredist(facts: api.Facts, errors: api.Errors | api.Unknown) -> api.Finding | None:
    """Error 1114 in a library of torch."""
    if absent := facts.if_heard("windows-vcredist/absent"):
        return absent
    stated = api.heard(errors, "windows-vcredist/stated")
    if stated and api.heard(errors, "windows-vcredist"):
        found = f"the warning '{stated}', and a DLL that does not load"
        return facts.worded("windows-vcredist/absent", found=found, said=stated)
    failed = api.matched(errors, "windows-vcredist/failed")
    if stated or failed is None:
        return facts.if_heard("windows-vcredist/stated")
    return facts.worded("windows-vcredist", dll=failed[1], build=facts.torch and facts.torch.named)
