"""Which torch release was the first to have, or to lack, a name that libraries call: over torch_names.json."""

from tunedoctor.tables.load import table
from tunedoctor.versions import within


def lacks(module: str, name: str, torch: str) -> str:
    """Return the release that brought a name which a torch does not have; "" where it has it or nobody knows.

    An unknown torch ("") counts as older: an error said that the name is not there. Without a module the name is
    "function keyword".
    """
    names = table("torch_names")
    since: str = (
        names["since"].get(f"{module}.{name}", "") if module else names["keywords"].get(name, "")
    )
    return since if since and (not torch or within(torch, f"<{since}") is True) else ""


def gave_up(module: str, name: str, torch: str) -> str:
    """Return the release that gave a name up which a torch no longer has; "" where it has it or nobody knows.

    An unknown torch ("") counts as newer: an error said that the name is not there.
    """
    since: str = table("torch_names")["gone"].get(f"{module}.{name}", "")
    return since if since and (not torch or within(torch, f">={since}") is True) else ""
