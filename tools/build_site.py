"""Build the site: the first page from README.md, docs/, a page for each cause, and all options of the command line.

    pip install '.[docs]' && python tools/build_site.py

The result is in build/site, for any server (`python -m http.server -d build/site`) or, apart from its search, for
reading from disk. Exits with 1 for a page that is in no menu, a broken
link, and anything that a page would load from elsewhere.
"""

import html
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from tunedoctor.cli.app import COMMANDS, load_command
from tunedoctor.diagnosis.registry import all_checks
from tunedoctor.messages.cause import GROUPS, page_of
from tunedoctor.model.findings import Check
from tunedoctor.render.page import sections

ROOT = Path(__file__).parents[1]
BUILD, PARTS = ROOT / "build", Path(__file__).with_name("site")
LINK = re.compile(r"(?<!!)\[([^\]\n]+)\]\(\.\./([^)\s]+)\)")
TARGET = re.compile(r'\s(?:href|src)="([^"]*)"')
OUTSIDE = re.compile(r"(?:https?:)?//|mailto:|data:|javascript:")
TAG = re.compile(r"<(\w+)[^>]*>")


def main() -> int:
    """Write the pages, build the site, and check the result."""
    docs, site = BUILD / "docs", BUILD / "site"
    for folder in (docs, site, BUILD / ".cache"):
        shutil.rmtree(folder, ignore_errors=True)
    (docs / "causes").mkdir(parents=True)
    for path in (*(ROOT / "docs").iterdir(), *PARTS.iterdir()):
        text = path.read_text(encoding="utf-8")
        (docs / path.name).write_text(_within(text) if path.suffix == ".md" else text, "utf-8")
    (docs / "zensical.toml").replace(BUILD / "zensical.toml")
    readme = (ROOT / "README.md").read_text(encoding="utf-8").replace("](docs/", "](")
    (docs / "index.md").write_text(_within(readme.replace("](.github/", "](../.github/")), "utf-8")
    (docs / "options.md").write_text("\n".join(_options()), "utf-8")
    checks = sorted(all_checks(), key=lambda one: one.id)
    (docs / "causes" / "index.md").write_text("\n".join(_index(checks)), "utf-8")
    for one in checks:
        page = "\n".join(_cause(one, [c.id for c in checks if one.id in c.explains]))
        (docs / "causes" / f"{one.id}.md").write_text(page, "utf-8")
    built = [sys.executable, "-m", "zensical", "build", "--strict"]
    if code := subprocess.run(built, cwd=BUILD, check=False).returncode:  # noqa: S603
        return code
    faults = [*_without_menu(docs), *_faults(site)]
    sys.stderr.write("".join(f"{fault}\n" for fault in faults))
    return 1 if faults else 0


def _within(text: str) -> str:
    """Return a page of docs/ with links to the rest of the repository replaced by names."""
    return LINK.sub(r"\1 (`\2`)", text.replace("](../README.md", "](index.md"))


def _options() -> Iterator[str]:
    """Yield the options of all commands, from the parameters that --help prints."""
    yield "# All options\n\nAs `doctor help COMMAND` prints them.\n"
    for name in COMMANDS:
        command = load_command(name)
        yield f"## {name}\n\n{command.help}\n\n| option | what it does |\n| --- | --- |"
        for parameter in command.params:
            flags = ", ".join([*parameter.opts, *parameter.secondary_opts])
            argument = parameter.param_type_name == "argument"
            value = "" if getattr(parameter, "is_flag", False) else str(parameter.metavar or "")
            shown = value if argument else f"{flags} {value}".strip()
            yield f"| `{_cell(shown)}` | {_cell(html.escape(str(parameter.help)))} |"
        yield f"\n```sh\n{command.epilog}\n```\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _index(checks: list[Check]) -> Iterator[str]:
    yield f"# Causes\n\n{len(checks)} causes that `doctor check` and `doctor triage` tell apart, the gravest of each"
    yield "group first. `doctor explain ID` shows the same pages.\n"
    for group in GROUPS:
        yield f"## {group.capitalize()}\n"
        for severity in ("error", "warning", "note"):
            some = [one for one in checks if (one.group, one.severity) == (group, severity)]
            if some:
                yield f"**{severity}**\n"
                yield from (f"- [{one.id}]({one.id}.md): {html.escape(one.title)}" for one in some)
                yield ""


def _cause(one: Check, explained_by: list[str]) -> Iterator[str]:
    """Yield the page that `doctor explain` shows, with links."""
    yield f"# {html.escape(one.title)}\n\n`{one.id}` · {one.severity} · [{one.group}](index.md#{one.group})\n"
    for name, text in sections(page_of(one), one.explains).items():
        yield f"## {name}\n" if name else ""
        if name == "Seen as":
            yield f"~~~~text\n{text}\n~~~~\n"
        elif name == "Explains":
            yield _links(text.split(", "))
        else:
            yield "\n\n".join(f"<p>{html.escape(part)}</p>" for part in text.split("\n\n")) + "\n"
    if explained_by:
        yield "## Follows from\n"
        yield _links(explained_by)
    yield f"## On your machine\n\n```sh\ndoctor check --only {one.id}\n```\n"
    yield f"To leave it out: `doctor check --skip {one.id}`, or in `pyproject.toml`:\n"
    yield f'```toml\n[tool.doctor]\nskip = ["{one.id}"]\n```\n'


def _links(ids: list[str]) -> str:
    return ", ".join(f"[{one}]({one}.md)" for one in ids) + "\n"


def _without_menu(docs: Path) -> Iterator[str]:
    menu = (BUILD / "zensical.toml").read_text(encoding="utf-8")
    for path in sorted(docs.glob("*.md")):
        if f'"{path.name}"' not in menu:
            yield f"tools/site/zensical.toml: {path.name} is in no menu"


def _faults(site: Path) -> Iterator[str]:
    """Yield what a page would load from elsewhere, and missing files; the build checks other links."""
    for page in site.rglob("*.html"):
        for tag in TAG.finditer(page.read_text(encoding="utf-8")):
            for value in map(html.unescape, TARGET.findall(tag[0])):
                path = unquote(value.partition("#")[0])
                if OUTSIDE.match(value) and tag[1] != "a":
                    yield f"{page}: loads {value}"
                place = (
                    site if path.startswith("/") else page.parent
                )  # in 404.html, which is shown for any address
                if not (OUTSIDE.match(value) or (place / path.lstrip("/")).exists()):
                    yield f"{page}: there is no {value}"
    for style in site.rglob("*.css"):
        if found := re.search(r"(?:url\(|@import )[\"']?(?:https?:)?//[^)\"']+", style.read_text()):
            yield f"{style}: loads {found[0]}"


if __name__ == "__main__":
    raise SystemExit(main())
