from tunedoctor import api


@api.check("rocm-device-permission")
def rocm_device_permission(facts: api.Facts) -> api.Finding | None:
    """Only for a ROCm build, unless an error says it; all render nodes have to be closed."""
    rocm, torch = facts.rocm, facts.torch
    said = facts.heard("rocm-device-permission")
    if rocm.kfd not in ("missing", "no memory", "ok"):
        said = said or facts.heard("rocm-device-permission/nameless")
    others = said or facts.heard("rocm-device-permission/others")
    guess = "" if others else facts.heard("rocm-device-permission/guess")
    said = said or guess
    closed = rocm.render_denied and len(rocm.render_denied) == len(rocm.render_nodes)
    denied = torch and (rocm.kfd == "denied" or closed)
    if (torch and torch.accelerator != "rocm") or not (said or denied):
        return None
    files = (*(["/dev/kfd"] if rocm.kfd == "denied" else []), *rocm.render_denied)
    groups, shown = ",".join(rocm.groups_missing or ("render", "video")), files[:4]
    keys = (
        "rocm-device-permission:inside" if facts.container else "rocm-device-permission:host",
        "rocm-device-permission:denied" if files else "",
        "rocm-device-permission:guess" if guess else "",
    )
    return facts.worded(*keys, said=said, evidence=shown, files=files, groups=groups)
