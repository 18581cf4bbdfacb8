"""The manual page of a check."""

from tunedoctor.findings import Check
from tunedoctor.messages.cause import page_of
from tunedoctor.render.style import Style

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


def render(check: Check, source: str, style: Style) -> str:
    """Return the page for a terminal."""
    lines = [
        f"{style.paint(check.id, 'bold')}  {style.plain(check.title)}",
        f"{check.severity}{', advice' if check.advice else ''} · {source}"
        if style.unicode
        else f"{check.severity} - {source}",
        "",
    ]
    for name, text in sections(check).items():
        if name:
            lines.append(style.paint(name, "bold"))
        if name == "Seen as":  # literal error texts keep their lines
            lines += [f"  {style.plain(line)}" for line in text.splitlines()]
        else:
            for paragraph in text.split("\n\n"):
                lines += style.wrapped(" ".join(paragraph.split()), 2)
        lines.append("")
    if check.explains:
        lines.append(style.paint("Explains", "bold"))
        lines += style.wrapped(", ".join(check.explains), 2)
        lines.append("")
    lines.append(f"To leave it out: doctor check --skip {check.id}, or in pyproject.toml:")
    lines.append(f'  [tool.doctor]\n  skip = ["{check.id}"]')
    return "\n".join(lines) + "\n"
