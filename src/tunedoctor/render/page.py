"""The manual page of a check."""

from tunedoctor.messages.cause import page_of
from tunedoctor.model.findings import Check
from tunedoctor.render.screen import Screen

SECTIONS = ("What it means", "How it is found", "Cures", "When to ignore it", "Seen as")


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
    whole = {name: "\n".join(lines).strip() for name, lines in found.items()}
    return {name: text for name, text in whole.items() if text}


def render(check: Check, source: str, screen: Screen) -> str:
    """Return the page for a terminal."""
    screen.line((check.id, "bold"), f"  {check.title}")
    screen.line(f"{check.severity}{', advice' if check.advice else ''} · {source}")
    screen.line()
    explained = {"Explains": ", ".join(check.explains)} if check.explains else {}
    for name, text in {**sections(check), **explained}.items():
        if name:
            screen.line((name, "bold"))
        if name == "Seen as":  # literal error texts keep their lines
            for line in text.splitlines():
                screen.line(f"  {line}")
        else:
            for paragraph in text.split("\n\n"):
                screen.wrap(" ".join(paragraph.split()), 2)
        screen.line()
    screen.wrap(f"To leave it out: doctor check --skip {check.id}, or in pyproject.toml:")
    screen.line("  [tool.doctor]")
    screen.line(f'  skip = ["{check.id}"]')
    screen.next(f"doctor check --only {check.id} looks for it here")
    return screen.text()
