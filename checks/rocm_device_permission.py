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
    known,
    listed,
    tell,
    told,
)

SAID = (
    r"Unable to open /dev/kfd read-write: (?:Permission denied|Operation not permitted)",
    r"/dev/(?:kfd|dri/renderD\d{3})'?\"?(?:, O_RDWR[|\w]{0,20})?\)?:? ?(?:= -1 EACCES \()?(?i:permission denied)",
    r"missing the following required groups",
    r'is not member of "(?:render|video)" group',
)
NAMELESS = r"Failed to get user name to check for (?:video|render) group membership"
"""rocminfo prints it after any failure to open /dev/kfd, where the user has no name, as in a container."""

OTHERS = (
    r"not supported in kfd",
    r"rejects atomics",
    r"Cannot allocate memory",
    r"ROCk module is NOT",
)
"""What the same code, out of resources, stands for as well."""


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
    said = told(errors, *SAID)
    if stack is None or stack.kfd not in ("missing", "no memory", "ok"):
        said = said or told(errors, NAMELESS)
    guess = (
        "" if said or told(errors, *OTHERS) else told(errors, r"hsa_init failed with (?:0x)?1008")
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
    return Finding(
        found=facts,
        said=said,
        means="torch.cuda.is_available() is False, so training runs on the CPU",
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
