"""Read which Python a project asks for."""

import re
from pathlib import Path

from tunedoctor.model.versions import within
from tunedoctor.project.declarations import list_files, read_text
from tunedoctor.project.pyproject import specifier_of
from tunedoctor.system.reading import toml
from tunedoctor.tables.wheels import releases

_VERSION = re.compile(r"^(?:cpython-)?(3\.\d{1,2})(?:\.\d{1,3})?\s*$", re.MULTILINE)


def declared_python(folder: Path, preferred: str) -> str:
    """Return the Python for a project, for example "3.12".

    That of its .python-version; else `preferred`, if the project admits it; else the newest that it admits.
    """
    files = list_files(folder)
    pinned = read_text(folder, ".python-version") if files.get(".python-version") else ""
    if match := _VERSION.search(pinned):
        return match[1]
    admitted = admitted_pythons(folder, files)
    if not admitted or within(preferred, admitted) is not False:
        return preferred
    known = [one for one in releases()[0].pythons("linux_x86_64") if not one.endswith("t")]
    fitting = [one for one in known if within(one, admitted)]
    # the newest has the fewest wheels
    return fitting[-2] if len(fitting) > 2 else fitting[-1] if fitting else preferred


def admitted_pythons(folder: Path, files: dict[str, bool]) -> str:
    """Return the range of Pythons that a project declares, as PEP 440 has it; "" for any."""
    text = read_text(folder, "pyproject.toml") if files.get("pyproject.toml") else ""
    try:
        document = toml(text) if text else {}
        project, tool = document.get("project", {}), document.get("tool", {})
        declared = project.get("requires-python", "")
        if not declared:
            poetry = tool.get("poetry", {}).get("dependencies", {}).get("python", "")
            declared = specifier_of(poetry) if isinstance(poetry, str) else ""
    except (ValueError, AttributeError):
        return ""
    return declared if isinstance(declared, str) else ""
