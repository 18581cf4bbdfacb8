"""Read which build of PyTorch a project's index settings ask for."""

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from tunedoctor.model.versions import normalised
from tunedoctor.project.declarations import LONGEST_LINE, list_files, read_text
from tunedoctor.project.locked_packages import build_in_url, marker_holds
from tunedoctor.project.requirement_files import requirement_file_names
from tunedoctor.system.reading import toml

_INDEX_OPTION = re.compile(
    r"^\s*(?:-i|--index-url|--extra-index-url|-f|--find-links)[ =]\s*(\S{1,2000})", re.MULTILINE
)


def declared_torch_build(
    folder: Path,
    environment: Mapping[str, str],
    *,
    requirements: str = "",
    extras: Collection[str] = (),
    groups: Collection[str] = (),
) -> str:
    """Return the build, such as "cu128" or "cpu", of the index that torch is taken from; "" for the default index.

    `requirements`: the only file that counts, if one is named. `environment`: values of marker variables.
    """
    if requirements:
        return _of_requirement_files(folder, [requirements])
    entries = list_files(folder)
    text = read_text(folder, "pyproject.toml") if entries.get("pyproject.toml") else ""
    chosen = {*map(normalised, (*extras, *groups))}
    if build := torch_build_of_source(text, environment, chosen):
        return build
    return "" if text else _of_requirement_files(folder, requirement_file_names(folder))


def torch_build_of_source(
    text: str, environment: Mapping[str, str], chosen: Collection[str]
) -> str:
    """Return the build of the index that a pyproject.toml names for torch; "" for the default index.

    `chosen`: names of the extras and groups that are installed.
    """
    url = torch_index(text, environment, chosen)
    return build_in_url(url) if url else ""


def torch_index(text: str, environment: Mapping[str, str], chosen: Collection[str]) -> str:
    """Return the URL of the index that a pyproject.toml names for torch; "" for the default index."""
    return next(_torch_indexes(text, environment, chosen), "")


def _of_requirement_files(folder: Path, files: list[str]) -> str:
    for file in files:
        for match in _INDEX_OPTION.finditer(read_text(folder, file)):
            if build := build_in_url(match[1][:LONGEST_LINE]):
                return build
    return ""


def _torch_indexes(
    text: str, environment: Mapping[str, str], chosen: Collection[str]
) -> Iterator[str]:
    """Yield the URLs of the indexes that [tool.uv.sources] names for torch and whose conditions hold."""
    if "torch" not in text:
        return
    try:
        uv = toml(text).get("tool", {}).get("uv", {})
        sources, indexes = uv.get("sources", {}).get("torch", []), uv.get("index", [])
    except (ValueError, AttributeError):
        return
    urls = {str(row.get("name", "")): str(row.get("url", "")) for row in _tables(indexes)}
    for row in _tables([sources] if isinstance(sources, dict) else sources):
        if not marker_holds(str(row.get("marker", "")), environment):
            continue
        choice = row.get("extra") or row.get("group")
        if choice and normalised(str(choice)) not in chosen:
            continue
        url = str(row.get("url", "")) or urls.get(str(row.get("index", "")), "")
        if url:
            yield url


def _tables(rows: object) -> list[dict[str, Any]]:
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
