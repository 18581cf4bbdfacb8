import shlex

from tunedoctor.api import Facts, Finding, check, heard, set_variable, tell


@check("hub-cache-permission")
def hub_cache_permission(facts: Facts) -> Finding | None:
    """Make a note of it where the Hub is switched off, since reading is enough then."""
    said = heard(facts.errors, "hub-cache-permission")
    cache = next((d for d in facts.disks.disks if d.use == "hf-cache" and not d.writable), None)
    if cache is None and not said:
        return None
    offline = (facts.environment.get("HF_HUB_OFFLINE") or "0").lower() in (
        "1",
        "true",
        "yes",
        "on",
    )
    folder = cache.path if cache else "~/.cache/huggingface"
    inside = facts.container
    windows = facts.host.os == "windows"
    return Finding(
        severity="note" if offline and not said else "error",
        found=f"this user cannot write to {folder}" + (f"; the error '{said}'" if said else "")
        if cache
        else f"the error '{said}'",
        said=said,
        cure=set_variable(facts.host, "HF_HOME", "C:\\hf" if windows else "/tmp/hf")  # noqa: S108  a place that every container has
        if inside or windows
        else tell(f"sudo chown -R $(id -u):$(id -g) {shlex.quote(folder) if cache else folder}"),
        cure_note="or give the mounted folder on the host to the container's user; models in /tmp are lost with it"
        if inside
        else "root; or point HF_HOME to a folder of this user",
        evidence=(folder,) if cache else (),
    )
