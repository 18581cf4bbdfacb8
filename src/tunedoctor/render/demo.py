"""The screens and the page of doctor demo."""

from collections.abc import Callable

from tunedoctor.core.demo import Demonstration
from tunedoctor.diagnosis.report import Report, exit_code
from tunedoctor.model.wording import listed
from tunedoctor.render import terminal
from tunedoctor.render.formats import ReportView
from tunedoctor.render.plan import render_plan
from tunedoctor.render.screen import Screen

_NOT_YOURS = "Your machine is not examined, and nothing on it changes."


def render(shown: Demonstration, new_screen: Callable[[], Screen]) -> str:
    """Return check, fix and check again as a terminal shows them, with what is recorded and predicted named."""
    intro, plan, after, end = (new_screen() for _ in range(4))
    intro.wrap(f"Demonstration: {shown.story}. Recorded on {shown.recorded}. {_NOT_YOURS}")
    _typed(intro, "doctor check")
    _typed(plan, "doctor fix")
    _typed(after, "doctor check")
    after.wrap("The same machine after this plan, as doctor predicts it:", kind="dim")
    after.line()
    end.line()
    end.wrap(
        "On a real machine, doctor fix asks first, changes a copy, imports its packages, checks again and then"
        " switches. doctor undo goes back."
    )
    end.next(("doctor check", "check your own machine; only reads"))
    return "".join(
        (
            intro.text(),
            terminal.render(_view(shown.before), new_screen()),
            plan.text(),
            render_plan(shown.fix, new_screen(), shown.unchanged),
            after.text(),
            terminal.render(_view(shown.after), new_screen()),
            end.text(),
        )
    )


def render_page(shown: Demonstration) -> str:
    """Return the page of the first check, with a note that it is recorded and what the plan would change."""
    from tunedoctor.render.formats import html  # noqa: PLC0415  few ask for it

    fixes = listed(shown.fix.predicted, 9)
    note = (
        f"Demonstration: {shown.story}. Recorded on {shown.recorded}. {_NOT_YOURS}"
        f" doctor fix would fix {fixes}; afterwards the verdict is predicted to be {shown.after.verdict}."
    )
    return html.render(_view(shown.before, note))


def _view(report: Report, note: str = "") -> ReportView:
    return ReportView(report=report, code=exit_code(report), here=False, note=note)


def _typed(screen: Screen, command: str) -> None:
    """Add a command as if it were typed at a prompt."""
    screen.line()
    screen.line(("$ ", "dim"), (command, "bold"))
