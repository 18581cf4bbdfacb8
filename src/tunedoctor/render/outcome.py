"""What came of a plan on the screen: the stages as they end, then the verdict and the way back."""

from tunedoctor.model.wording import ago, many
from tunedoctor.render.plan import said, told
from tunedoctor.render.screen import Screen, mark
from tunedoctor.transaction.outcome import Answer, Outcome, Stage

_STAGES: dict[Stage, tuple[str, str]] = {
    "fetch": ("fetched", "all hashes match"),
    "save": ("saved", "the old state is kept"),
    "change": ("changed", "with no network"),
    "verify": ("verified", "files are as their records say"),
    "import": ("proved", "by import"),
    "prove": ("proved", "the checks find nothing worse"),
    "switch": ("switched", "the environment is now the new one"),
}
_SHOWN = 4
"""Faults from before that are named, then counted."""


def render_stage(stage: Stage, words: str, seconds: float, screen: Screen) -> str:
    """Return the line of a stage that ended; "" for one that nobody wants to know."""
    if stage not in _STAGES:
        return ""
    verb, always = _STAGES[stage]
    if words.startswith("1 "):
        words = words.removesuffix("s")
    text = f"{verb:<9} {', '.join(filter(None, (words, always)))}"
    screen.line(mark("ok"), f" {screen.spelled(text):<62} {_time(seconds):>7}")
    return screen.text()


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.2g} s"


def render_end(answer: Answer, screen: Screen) -> str:
    """Return the last lines: what is cured, what is left, how to go back or on."""
    outcome = answer.outcome
    if answer.end == "nothing":
        _nothing(answer, screen)
    elif answer.end == "planned":
        screen.line("Nothing was changed: this is a dry run.")
        screen.next("the same without --dry-run, which asks first")
    elif answer.end == "declined":
        screen.line("Nothing was changed.")
    elif answer.end == "told":
        only = answer.findings and all(one.advice for one in answer.findings)
        pieces = many(len(answer.findings), "piece")
        advice = f"nothing that fix can change; {pieces} of advice: {answer.look}"
        screen.wrap(f"Nothing was changed: {advice if only else 'what is left is yours to do'}.")
    elif answer.end == "applied" and outcome is not None:
        _applied(answer, outcome, screen)
    else:
        _failed(answer, outcome, screen)
    return screen.text()


def _nothing(answer: Answer, screen: Screen) -> None:
    proof = f"; its packages were imported {ago(answer.looked)}" if answer.looked else ""
    proof += f"; {answer.unproved}" if answer.unproved else ""
    head, ways = "Nothing to cure in", list[str]()
    if answer.why:
        proof = f": {answer.why}"
    elif answer.notes:
        head = "Nothing is broken in" if answer.applicable else "Nothing that fix can change in"
        proof += f"; {many(len(answer.notes), 'piece')} of advice:"
        ways = [answer.look]
        if answer.applicable:
            there = answer.look.removeprefix("doctor check")
            ways.append(f"doctor fix {' '.join(answer.applicable)}{there}")
    screen.wrap(f"{head} {answer.target}{proof}", 2, mark("ok"))
    for way in ways:
        screen.line(f"  {way}")


def _applied(answer: Answer, outcome: Outcome, screen: Screen) -> None:
    screen.line()
    activated = [one.id for one in answer.findings if one.held == "activation"]
    hold = "the variables hold once the environment is activated anew"
    unhashed = ", ".join(outcome.unhashed[:4])
    users = ", ".join(f"{one.name} ({one.pid})" for one in outcome.users[:3])
    for kind, text in (
        ("note", outcome.recovered),
        ("warning", unhashed and f"the index gives no hash of {unhashed}"),
        ("note", f"{' and '.join(activated)}: {hold}" if activated else ""),
        ("note", users and f"restart {users}"),
        ("warning", outcome.unproved),
        ("note", "broken before, and not by this fix:" if outcome.stays else ""),
    ):
        if text:
            screen.wrap(text, 2, mark(kind))
    for one in outcome.stays[:_SHOWN]:
        screen.line(f"    {one}")
    if len(outcome.stays) > _SHOWN:
        screen.line(f"    and {len(outcome.stays) - _SHOWN} more")
    new = answer.plan.new if answer.plan else None
    if new is not None:
        head = f"{outcome.target or new.path} is ready"
    else:
        mine = {one.id for one in answer.findings if one.changes}
        left = len({*answer.left} - set(activated))
        cured = len(mine & {*outcome.cured, *activated})
        head = f"{cured} cured" + (f", {left} left" if left else "")
    if outcome.imports:
        head += f", proved by import in {_time(outcome.seconds.get('import', 0.0))}"
    elif outcome.unproved:
        head += ", not proved by import"
    screen.line(mark("ok"), f" {head}.  Undo with {answer.undo}")
    screen.next(
        f"{answer.look} looks at it"
        if new is not None
        else "doctor smoke proves it by a tiny training"
    )


def _failed(answer: Answer, outcome: Outcome | None, screen: Screen) -> None:
    refused = answer.end == "refused"
    screen.wrap(f"{'Refused' if refused else 'Failed'}: {answer.why}", 2, mark("error"))
    said(answer.details, screen)
    screen.line(f"  {'Nothing was changed.' if refused else 'The old state is back.'}")
    if answer.findings:
        screen.wrap(", ".join(one.id for one in answer.findings), 11, "  to cure")
    if outcome is not None and outcome.log:
        screen.line(f"  log      {outcome.log}")
    for number, command in enumerate(answer.by_hand):
        screen.line(f"  {'by hand' if not number else '':<8} {command}")
    if answer.plan and answer.plan.told:
        screen.line()
        told(answer, screen)
