"""The cache of the Hugging Face Hub is not writable for this user.

What it means
    huggingface_hub writes models and lock files below HF_HOME. A cache that was mounted into a container, or made
    by root with sudo, belongs to another user: the download stops, or a model in the cache cannot be locked.

How it is found
    The folder, or its nearest parent that exists, is asked whether this user can write to it.

Cures
    Give the folder to the user, or point HF_HOME elsewhere.

When to ignore it
    Where the cache is read-only on purpose and HF_HUB_OFFLINE is set.

Seen as
    PermissionError: [Errno 13] Permission denied: '/root/.cache/huggingface
    There was a problem when trying to write in your cache folder
    PermissionError at /.cache when downloading
"""

import shlex

from tunedoctor.api import (
    Container,
    Disks,
    Environment,
    Errors,
    Finding,
    Host,
    Known,
    check,
    heard,
    set_variable,
    tell,
)


@check("hub-cache-permission", "The model cache is not writable")
def hub_cache_permission(
    disks: Known[Disks],
    environment: Known[Environment],
    container: Known[Container],
    host: Known[Host],
    errors: Known[Errors],
) -> Finding | None:
    """Make a note of it where the Hub is switched off, since reading is enough then."""
    said = heard(errors, "hub-cache-permission")
    cache = (
        next((d for d in disks.disks if d.use == "hf-cache" and not d.writable), None)
        if disks
        else None
    )
    if cache is None and not said:
        return None
    offline = environment is not None and (environment.get("HF_HUB_OFFLINE") or "0").lower() in (
        "1",
        "true",
        "yes",
        "on",
    )
    folder = cache.path if cache else "~/.cache/huggingface"
    inside = container is not None
    windows = host is not None and host.os == "windows"
    return Finding(
        severity="note" if offline and not said else "error",
        found=f"this user cannot write to {folder}" + (f"; the error '{said}'" if said else "")
        if cache
        else f"the error '{said}'",
        said=said,
        means="downloads of models and data sets stop with 'Permission denied'",
        cure=set_variable(host, "HF_HOME", "C:\\hf" if windows else "/tmp/hf")  # noqa: S108  a place that every container has
        if inside or windows
        else tell(f"sudo chown -R $(id -u):$(id -g) {shlex.quote(folder) if cache else folder}"),
        cure_note="or give the mounted folder on the host to the container's user; models in /tmp are lost with it"
        if inside
        else "root; or point HF_HOME to a folder of this user",
        evidence=(folder,) if cache else (),
    )
