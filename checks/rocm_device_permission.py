"""The user has no right to open the AMD compute device.

What it means
    ROCm opens /dev/kfd and /dev/dri/renderD*, which belong to the groups render and video. A user outside of them
    sees no GPU: rocm-smi works, since it reads /sys only.

How it is found
    Both are opened for reading and writing, and closed.

Cures
    Add the user to the groups that own the files, then log in again.

When to ignore it
    Never, where a ROCm build is to use the GPU.

Seen as
    Unable to open /dev/kfd read-write: Permission denied
    WARNING: User is missing the following required groups: render, video
    is not member of "render" group, the default DRM access group
"""

from tunedoctor.api import (
    Container,
    Errors,
    Finding,
    RocmStack,
    TorchBuild,
    Unknown,
    check,
    heard,
    known,
    listed,
    tell,
    worded,
)


@check(
    "rocm-device-permission",
    "This user cannot open the AMD compute device",
    explains=["gpu-does-not-compute", "torch-cpu-only", "torch-sees-no-gpu"],
)
def rocm_device_permission(
    rocm: RocmStack | Unknown | None,
    torch: TorchBuild | Unknown | None,
    container: Container | Unknown | None,
    errors: Errors | Unknown | None,
) -> Finding | None:
    """Only for a ROCm build, unless an error says it; all render nodes have to be closed."""
    stack, build, inside = known(rocm), known(torch), known(container)
    said = heard(errors, "rocm-device-permission")
    if stack is None or stack.kfd not in ("missing", "no memory", "ok"):
        said = said or heard(errors, "rocm-device-permission/nameless")
    guess = (
        ""
        if said or heard(errors, "rocm-device-permission/others")
        else heard(errors, "rocm-device-permission/guess")
    )
    said = said or guess
    denied = stack is not None and (
        stack.kfd == "denied"
        or (bool(stack.render_denied) and len(stack.render_denied) == len(stack.render_nodes))
    )
    if build is not None and build.accelerator != "rocm":
        return None
    if not said and not (denied and build is not None):
        return None
    files = [
        *(["/dev/kfd"] if stack and stack.kfd == "denied" else []),
        *(stack.render_denied if stack else ()),
    ]
    groups = (stack.groups_missing if stack else ()) or ("render", "video")
    lacking = f"; this user is not in {listed(groups)}" if stack and stack.groups_missing else ""
    facts = f"{listed(files)}: permission denied{lacking}" if files else f"the error '{said}'"
    return worded(
        "rocm-device-permission",
        found=facts,
        said=said,
        cure=tell(
            "docker run --device=/dev/kfd --device=/dev/dri --group-add $(stat -c %g /dev/kfd) --group-add video IMAGE",
            who="root",
        )
        if inside
        else tell(f"sudo usermod -a -G {','.join(groups)} $LOGNAME"),
        cure_note="start the container anew, from the host's shell"
        if inside
        else "root; log out and in again afterwards",
        settle="ls -l /dev/kfd /dev/dri/renderD*; id" if guess else "",
        evidence=tuple(files[:4]),
    )
