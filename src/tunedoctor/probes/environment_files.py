"""Find out from the files of an environment which releases of Python and torch it holds."""

import re
from pathlib import Path

from tunedoctor.probes.packages import conda_packages
from tunedoctor.probes.places import expanded, settings_of
from tunedoctor.system.reading import listed

_RELEASE = re.compile(r"\d+\.\d+(?:\.\d+)?")
_SITES = ("lib/python3.*/site-packages", "Lib/site-packages")
_TORCH = re.compile(r"^torch-(\d[^-]*)\.dist-info$", re.IGNORECASE)


def holds(path: str) -> tuple[str, str]:
    """Return the releases of Python and torch from an environment's files or its name; "" if unknown."""
    settings, conda, name = settings_of(path), conda_packages(Path(path)), Path(path).name
    stated = (settings.get("version") or settings.get("version_info", ""), conda.get("python", ""))
    release_match = next(filter(None, map(_RELEASE.match, stated)), None)
    name_version = name if _RELEASE.fullmatch(name) and name.count(".") == 2 else ""
    sites = (site for pattern in _SITES for site in expanded(path, pattern))
    matches = (_TORCH.match(name) for site in sites for name in listed(site))
    torch = next((match_of_torch[1] for match_of_torch in matches if match_of_torch), "")
    return release_match[0] if release_match else name_version, torch or conda.get(
        "pytorch", ""
    ).partition(" ")[0]
