"""Pages about checks, and those of docs/, as text."""

import re

from tunedoctor.messages.cause import page_of
from tunedoctor.model.findings import Check
from tunedoctor.render.screen import Screen

SECTIONS = ("What it means", "How it is found", "How to fix it", "When to ignore it", "Seen as")
_LINK = re.compile(r"!?\[([^\]\n]+)\]\(([^)\s]+)\)")


def sections(check: Check) -> dict[str, str]:
    """Return the sections of a check's page, "" -> its first sentence."""
    found: dict[str, list[str]] = {"": []}
    name = ""
    for line in page_of(check).strip().splitlines():
        if line.strip() in SECTIONS and not line.startswith(" "):
            name = line.strip()
            found[name] = []
        else:
            found[name].append(line.removeprefix("    "))
    if check.explains:
        found["Explains"] = [", ".join(check.explains)]
    whole = {name: "\n".join(lines).strip() for name, lines in found.items()}
    return {name: text for name, text in whole.items() if text}


def render_page(check: Check, source: str, screen: Screen) -> str:
    """Return the page for a terminal."""
    screen.line((check.id, "bold"), f"  {check.title}")
    screen.line(f"{check.severity}{', advice' if check.advice else ''} · {source}")
    screen.line()
    for name, text in sections(check).items():
        if name:
            screen.line((name, "bold"))
        if name == "Seen as":  # literal error texts keep their lines
            for line in text.splitlines():
                screen.line(f"  {line}")
        else:
            for paragraph in text.split("\n\n"):
                screen.wrap(" ".join(paragraph.split()), 2)
        screen.line()
    screen.wrap(f"To skip this check: doctor check --skip {check.id}, or in pyproject.toml:")
    screen.line("  [tool.doctor]")
    screen.line(f'  skip = ["{check.id}"]')
    screen.next((f"doctor check --only {check.id}", "check this machine for it"))
    return screen.text()


def render_text(markdown: str, screen: Screen) -> str:
    """Return a page in Markdown as it stands: its headings painted, its links as the command that shows them."""
    for line in _LINK.sub(_shown, markdown).splitlines():
        screen.line((line, "bold" if line.startswith("#") else ""))
    return screen.text()


def _shown(link: re.Match[str]) -> str:
    text, target = link[1], link[2].partition("#")[0]
    if target.endswith(".md") and "/" not in target:
        page = f"doctor explain {target[:-3]}"
        return page if text == target else f"{text} ({page})"
    return text
