"""Text that several formats share: a finding as lines, and text for the row of a table."""

from tunedoctor.diagnosis.report import ReportFinding

_MARKUP = str.maketrans({c: f"&#{ord(c)};" for c in "&<>\"'\\`*_[]{}()|~!@#$:"})


def flat(text: str) -> str:
    """Return text in one line."""
    return " ".join(text.split())


def literal(text: str, most: int = 1_000) -> str:
    """Return text for one table row without Markdown or HTML markup."""
    short = text if len(text) <= most else f"{text[:most]}…"
    rows = (flat("".join(c if c.isprintable() else " " for c in row)) for row in short.splitlines())
    # GitHub turns www. into a link automatically, and includes escaped text after it
    return "<br>".join(row.translate(_MARKUP).replace("www.", "www&#46;") for row in rows)


def lines(finding: ReportFinding) -> list[str]:
    """Return the lines that people read about a finding, besides its title."""
    cure, note = finding.cure.command, finding.cure.note if finding.cure.command else ""
    parts = {"Found": finding.found, "Means": finding.means}
    parts |= {"Fix" if finding.cure.kind == "command" else "Advice": cure, "Note": note}
    return [
        f"{name}: {text}" for name, text in {**parts, "Confirm": finding.settle}.items() if text
    ]
