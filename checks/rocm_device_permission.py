from tunedoctor.api import (
    Container,
    Errors,
    Finding,
    Known,
    RocmStack,
    TorchBuild,
    check,
    heard,
    listed,
    tell,
    worded,
)


@check("rocm-device-permission")
def rocm_device_permission(
    rocm: Known[RocmStack],
    torch: Known[TorchBuild],
    container: Known[Container],
    errors: Known[Errors],
) -> Finding | None:
    """Only for a ROCm build, unless an error says it; all render nodes have to be closed."""
    said = heard(errors, "rocm-device-permission")
    if rocm is None or rocm.kfd not in ("missing", "no memory", "ok"):
        said = said or heard(errors, "rocm-device-permission/nameless")
    guess = (
        ""
        if said or heard(errors, "rocm-device-permission/others")
        else heard(errors, "rocm-device-permission/guess")
    )
    said = said or guess
    denied = rocm is not None and (
        rocm.kfd == "denied"
        or (bool(rocm.render_denied) and len(rocm.render_denied) == len(rocm.render_nodes))
    )
    if torch is not None and torch.accelerator != "rocm":
        return None
    if not said and not (denied and torch is not None):
        return None
    files = [
        *(["/dev/kfd"] if rocm and rocm.kfd == "denied" else []),
        *(rocm.render_denied if rocm else ()),
    ]
    groups = (rocm.groups_missing if rocm else ()) or ("render", "video")
    lacking = f"; this user is not in {listed(groups)}" if rocm and rocm.groups_missing else ""
    facts = f"{listed(files)}: permission denied{lacking}" if files else f"the error '{said}'"
    return worded(
        "rocm-device-permission",
        found=facts,
        said=said,
        cure=tell(
            "docker run --device=/dev/kfd --device=/dev/dri --group-add $(stat -c %g /dev/kfd) --group-add video IMAGE",
            who="root",
        )
        if container
        else tell(f"sudo usermod -a -G {','.join(groups)} $LOGNAME"),
        cure_note="start the container anew, from the host's shell"
        if container
        else "root; log out and in again afterwards",
        settle="ls -l /dev/kfd /dev/dri/renderD*; id" if guess else "",
        evidence=tuple(files[:4]),
    )
