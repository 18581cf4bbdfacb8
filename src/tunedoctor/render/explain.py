"""An explanation, and the list of what can be explained, on a screen."""

from collections.abc import Iterable, Sequence

from tunedoctor.core.explain import Explanation, Installed
from tunedoctor.messages.cause import GROUPS
from tunedoctor.model.findings import Check
from tunedoctor.model.wording import percent
from tunedoctor.render.page import render_page, render_text
from tunedoctor.render.screen import Screen
from tunedoctor.render.terminal import solved_before

_NOT_PROVED = (
    "The text alone proves none. doctor check looks at this machine; doctor triage - --here takes the whole log "
    "with it; doctor explain ID shows a cause's page."
)


def render_explanation(explanation: Explanation, screen: Screen) -> str:
    """Return the page, or what an error text shows or can mean."""
    if explanation.document:
        return render_text(explanation.document, screen)
    if not explanation.pages:
        return _suspects(explanation, screen)
    if explanation.found:
        screen.wrap(f"The text shows: {explanation.found}")
        screen.line()
        solved_before(explanation.similar, screen)
    render_page(explanation.pages[0], screen)
    for number, page in enumerate(explanation.pages[1:]):
        if not number:
            screen.line()
            screen.line(("In the same text", "bold"))
        screen.head(f"  {page.id}  ", text=page.title, indent=6)
    return screen.text()


def _suspects(explanation: Explanation, screen: Screen) -> str:
    if explanation.suspects:
        screen.line(("This text can mean", "bold"))
    for suspect in explanation.suspects:
        screen.line()
        screen.head(
            f"{percent(suspect.likelihood):>4}  ",
            (suspect.id, "bold"),
            "  ",
            text=suspect.title,
            indent=6,
        )
        screen.command("confirm", suspect.settle)
    screen.gap()
    solved_before(explanation.similar, screen)
    screen.wrap(_NOT_PROVED)
    return screen.text()


def render_topics(checks: Sequence[Check], documents: Iterable[str], screen: Screen) -> str:
    """Return the ids of checks with their titles, by group, and the names of pages."""
    width = max(len(check.id) for check in checks)
    is_narrow = screen.width < width + 43  # titles would be a column of single words
    for group in (*GROUPS, ""):
        some = sorted(
            (check for check in checks if check.group == group), key=lambda check: check.id
        )
        if some:
            screen.gap()
            screen.line((group or "of plug-ins", "bold"))
        for check in some:
            name = check.id if is_narrow else f"{check.id:<{width}}"
            kind = check.severity if is_narrow else f"{check.severity:<7}"
            indent = 6 if is_narrow else width + 13
            screen.head(f"  {name}  {kind}  ", text=check.title, indent=indent)
    screen.gap()
    screen.line(("pages", "bold"))
    screen.wrap(", ".join(documents), 2)
    return screen.text()


def render_installed(installed: Installed, screen: Screen, *, is_terminal: bool) -> str:
    """Return the checks, fixes and plug-ins; outside a terminal each is one line, for grep."""
    for head, indent, rows in (
        (
            f"{len(installed.checks)} checks",
            42,
            [(check.id, f"{check.severity:<8} {check.title}") for check in installed.checks],
        ),
        (f"{len(installed.fixes)} fixes", 33, [(fix.id, fix.title) for fix in installed.fixes]),
        (
            f"{len(installed.plugins)} plug-ins (they run only when named: --plugin NAME)",
            33,
            installed.plugins,
        ),
    ):
        screen.line((head, "bold"))
        for name, text in rows:
            start = f"  {name:<{30 if screen.width >= 80 else 0}} "
            if is_terminal:
                screen.head(start, text=text, indent=indent if screen.width >= 80 else 6)
            else:
                screen.line(f"{start}{text}")
    screen.next(("doctor explain ID", "read about one"))
    return screen.text()
