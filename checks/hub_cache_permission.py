import shlex

from tunedoctor import api

ON = ("1", "true", "yes", "on")


@api.check("hub-cache-permission")
def hub_cache_permission(facts: api.Facts) -> api.Finding | None:
    """Make a note of it where the Hub is switched off, since reading is enough then."""
    said = facts.heard("hub-cache-permission")
    disks = (d for d in facts.disks.disks if d.use == "hf-cache" and not d.writable)
    folder = next((disk.path for disk in disks), "")
    if not folder and not said:
        return None
    offline = (facts.environment.get("HF_HUB_OFFLINE") or "0").lower() in ON
    windows = facts.host.os == "windows"
    quoted = shlex.quote(folder) if folder else "~/.cache/huggingface"
    cure = api.tell(f"sudo chown -R $(id -u):$(id -g) {quoted}")
    if facts.container or windows:
        cure = facts.set_variable("HF_HOME", "C:\\hf" if windows else "/tmp/hf")  # noqa: S108  every container has it
    case = "hub-cache-permission:inside" if facts.container else "hub-cache-permission:else"
    level: api.Severity = "note" if offline and not said else "error"
    seen = "hub-cache-permission:seen" if folder else ""
    return facts.worded(seen, case, severity=level, said=said, cure=cure, folder=folder)
