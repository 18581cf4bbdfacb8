"""Pages about checks, and those of docs/, as text."""

import re
from collections.abc import Sequence

from tunedoctor.core.explain import CheckPage
from tunedoctor.render.screen import Screen

SECTIONS = ("What it means", "How it is found", "How to fix it", "When to ignore it", "Seen as")
_ITEM = re.compile(r" *(?:[-*]|\d+\.) ")
_LINK = re.compile(r"!?\[([^\]\n]+)\]\(([^)\s]+)\)")


def sections(page: str, explains: Sequence[str] = ()) -> dict[str, str]:
    """Return the sections of a check's page, "" -> its first sentence; `explains` becomes a separate one."""
    sections: dict[str, list[str]] = {"": []}
    name = ""
    for line in page.strip().splitlines():
        if line.strip() in SECTIONS and not line.startswith(" "):
            name = line.strip()
            sections[name] = []
        else:
            sections[name].append(line.removeprefix("    "))
    if explains:
        sections["Explains"] = [", ".join(explains)]
    whole = {name: "\n".join(lines).strip() for name, lines in sections.items()}
    return {name: text for name, text in whole.items() if text}


def render_page(page: CheckPage, screen: Screen) -> str:
    """Return the page of a check for a terminal."""
    screen.head((page.id, "bold"), "  ", text=page.title)
    screen.line(f"{page.severity}{', advice' if page.advice else ''} · {page.source}")
    screen.line()
    for name, text in sections(page.text, page.explains).items():
        if name:
            screen.line((name, "bold"))
        if name == "Seen as":  # each error text begins its own line
            for line in text.splitlines():
                screen.head("  ", text=line.strip())
        else:
            for number, paragraph in enumerate(text.split("\n\n")):
                if number:
                    screen.line()
                screen.wrap(" ".join(paragraph.split()), 2)
        screen.line()
    screen.wrap(f"To skip this check: doctor check --skip {page.id}, or in pyproject.toml:")
    screen.line("  [tool.doctor]")
    screen.line(f'  skip = ["{page.id}"]')
    screen.next((f"doctor check --only {page.id}", "check this machine for it"))
    return screen.text()


def render_text(markdown: str, screen: Screen) -> str:
    """Return a page in Markdown: prose as wide as the screen, links as the command that shows them, code as it is."""
    is_code, first = False, ""
    paragraph = list[str]()
    """The lines of a paragraph or of an item of a list; `first` is the item's mark."""

    def end() -> None:
        if paragraph:
            screen.wrap(" ".join(paragraph), len(first), first)
            paragraph.clear()

    for line in _LINK.sub(_link_text, markdown).splitlines():
        text, is_fence, item = line.strip(), line.startswith("```"), _ITEM.match(line)
        if is_code or is_fence or item or not text or text[0] in "#|":
            end()
            first = item[0] if item else ""
        if is_code or is_fence or not text:
            is_code ^= is_fence
            screen.line(line)
        elif text[0] in "#|":  # a row of a table continues below its first cell
            screen.wrap(text, 2 * (text[0] == "|"), kind="bold" * (text[0] == "#"))
        else:
            paragraph.append(line[len(first) :] if item else text)
    end()
    return screen.text()


def _link_text(link: re.Match[str]) -> str:
    text, target = link[1], link[2].partition("#")[0]
    if target.endswith(".md") and "/" not in target:
        page = f"doctor explain {target[:-3]}"
        return page if text == target else f"{text} ({page})"
    return text
