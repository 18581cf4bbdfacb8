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
    if facts.rocm.kfd not in ("missing", "no memory", "ok"):
        said = said or heard(facts.errors, "rocm-device-permission/nameless")
    guess = (
        ""
        if said or heard(facts.errors, "rocm-device-permission/others")
        else heard(facts.errors, "rocm-device-permission/guess")
    )
    said = said or guess
    denied = facts.rocm.kfd == "denied" or (
        bool(facts.rocm.render_denied)
        and len(facts.rocm.render_denied) == len(facts.rocm.render_nodes)
    )
    if facts.torch and facts.torch.accelerator != "rocm":
        return None
    if not said and not (denied and facts.torch):
        return None
    files = [
        *(["/dev/kfd"] if facts.rocm.kfd == "denied" else []),
        *(facts.rocm.render_denied),
    ]
    groups = (facts.rocm.groups_missing) or ("render", "video")
    lacking = f"; this user is not in {listed(groups)}" if facts.rocm.groups_missing else ""
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
