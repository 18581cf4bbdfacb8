"""Models by their names on the hub: those in its cache on this machine, and whether the hub has another one."""

import os
import re
from pathlib import Path

from tunedoctor.core.errors import misuse
from tunedoctor.memory.catalogue import like
from tunedoctor.probes.resources import hub_cache
from tunedoctor.system.reading import line, listed

HUB = "https://huggingface.co"
"""Where huggingface_hub looks, unless HF_ENDPOINT names another."""
NAME = re.compile(r"\w[\w.-]{0,95}(?:/[\w.-]{1,96})?")
"""A model of the hub: owner/name, or the name alone of an old one."""
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SECONDS = 2.5
_MOST = 200
_TRUE = ("1", "ON", "YES", "TRUE")
"""As huggingface_hub reads its variables."""
_ANOTHER = "name a folder or a .gguf file"


def cached_model(name: str) -> Path | None:
    """Return the folder of a model in the hub's cache; None if it is not cached."""
    if not NAME.fullmatch(name):
        return None
    place = Path(hub_cache(os.environ)[0], f"models--{name.replace('/', '--')}")
    commit = line(place / "refs" / "main")
    folder = place / "snapshots" / commit
    is_complete = _COMMIT.fullmatch(commit) and (folder / "config.json").is_file()
    return folder if is_complete else None


def cached_models() -> list[str]:
    """Return the names of the models in the hub's cache."""
    folders = [x[8:] for x in listed(hub_cache(os.environ)[0]) if x.startswith("models--")]
    return [
        name for cached in folders[:_MOST] if cached_model(name := cached.replace("--", "/", 1))
    ]


def offline() -> str:
    """Return the variable that forbids asking the hub; "" if it may be asked."""
    names = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    return next(
        (variable for variable in names if os.environ.get(variable, "").upper() in _TRUE), ""
    )


def check_name(name: str, *, reach: bool) -> None:
    """Exit with 2 if no model has this name; ask the hub if the model is not cached.

    Without `reach`, a hub that can't be reached is left to the trainer.
    """
    if cached_model(name):
        return
    near = like(name)
    hint = f" (is it {' or '.join(near)}?)" if near else ""
    if "/" not in name or not NAME.fullmatch(name):
        misuse(f"there is no model {name[:100]!r} here{hint}", f"{_ANOTHER}, or owner/name")
    if variable := offline():
        what = f"{name} is not in the hub's cache, and {variable} forbids downloading it"
        misuse(what, f"unset {variable}, or {_ANOTHER}")
    endpoint = os.environ.get("HF_ENDPOINT", "").rstrip("/") or HUB
    status, code, why = _query_hub(f"{endpoint}/{name}/resolve/main/config.json")
    endpoint = endpoint.rpartition("@")[2]  # a password is not told
    if code == "EntryNotFound":
        misuse(
            f"{endpoint}/{name} contains no config.json",
            "name a repository in the format of transformers",
        )
    if status == 404 or code == "RepoNotFound":
        private = "a private one needs HF_TOKEN"
        misuse(f"{endpoint} has no model {name}{hint}", f"check the spelling; {private}")
    if status in (401, 403):
        terms = f"accept its terms at {endpoint}/{name}, and set HF_TOKEN to your token"
        misuse(f"{name} is gated, and this account has no access to it", terms)
    if why and reach:
        what = f"{name} is not in the hub's cache, and {endpoint} {why}"
        misuse(what, f"{_ANOTHER}, or set HF_ENDPOINT to a mirror")


def _query_hub(url: str) -> tuple[int, str, str]:
    """Return the status of an answer and the hub's message, or why there is no answer."""
    from tunedoctor.refresh.fetch import Client, FetchError, FetchLimits  # noqa: PLC0415  few ask

    try:
        limits = FetchLimits(seconds=_SECONDS, connect=_SECONDS)
        Client(limits, token=_token()).get(url, whole=False)
    except FetchError as error:
        # certificates that the system does not know can be known to the target's libraries
        lost = not error.status and "certificate" not in error.what.lower()
        return error.status, error.code, error.what if lost else ""
    return 200, "", ""


def _token() -> str:
    """Return the token that huggingface_hub would send to the hub; "" without one."""
    if os.environ.get("HF_HUB_DISABLE_IMPLICIT_TOKEN", "").upper() in _TRUE:
        return ""
    moved = {"HF_HUB_CACHE": "", "HUGGINGFACE_HUB_CACHE": ""}
    place = Path(hub_cache({**os.environ, **moved})[0]).with_name("token")
    token = os.environ.get("HF_TOKEN") or os.environ.get("HUGGING_FACE_HUB_TOKEN")
    token_or_file = token or line(os.environ.get("HF_TOKEN_PATH") or place)
    return token_or_file if token_or_file.isascii() and token_or_file.isprintable() else ""
