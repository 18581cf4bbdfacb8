from tunedoctor.api import (
    Facts,
    Finding,
    check,
    heard,
    listed,
    tell,
    worded,
)


@check("rocm-device-permission")
def rocm_device_permission(facts: Facts) -> Finding | None:
    """Only for a ROCm build, unless an error says it; all render nodes have to be closed."""
    said = heard(facts.errors, "rocm-device-permission")
    if facts.rocm is None or facts.rocm.kfd not in ("missing", "no memory", "ok"):
        said = said or heard(facts.errors, "rocm-device-permission/nameless")
    guess = (
        ""
        if said or heard(facts.errors, "rocm-device-permission/others")
        else heard(facts.errors, "rocm-device-permission/guess")
    )
    said = said or guess
    denied = facts.rocm is not None and (
        facts.rocm.kfd == "denied"
        or (
            bool(facts.rocm.render_denied)
            and len(facts.rocm.render_denied) == len(facts.rocm.render_nodes)
        )
    )
    if facts.torch is not None and facts.torch.accelerator != "rocm":
        return None
    if not said and not (denied and facts.torch is not None):
        return None
    files = [
        *(["/dev/kfd"] if facts.rocm and facts.rocm.kfd == "denied" else []),
        *(facts.rocm.render_denied if facts.rocm else ()),
    ]
    groups = (facts.rocm.groups_missing if facts.rocm else ()) or ("render", "video")
    lacking = (
        f"; this user is not in {listed(groups)}"
        if facts.rocm and facts.rocm.groups_missing
        else ""
    )
    seen = f"{listed(files)}: permission denied{lacking}" if files else f"the error '{said}'"
    return worded(
        "rocm-device-permission",
        found=seen,
        said=said,
        cure=tell(
            "docker run --device=/dev/kfd --device=/dev/dri --group-add $(stat -c %g /dev/kfd) --group-add video IMAGE",
            who="root",
        )
        if facts.container
        else tell(f"sudo usermod -a -G {','.join(groups)} $LOGNAME"),
        cure_note="start the container anew, from the host's shell"
        if facts.container
        else "root; log out and in again afterwards",
        settle="ls -l /dev/kfd /dev/dri/renderD*; id" if guess else "",
        evidence=tuple(files[:4]),
    )
