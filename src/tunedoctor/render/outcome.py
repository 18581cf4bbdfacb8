"""What came of a plan on the screen: the stages as they end, then the verdict and the way back."""

from tunedoctor.planning.fix_answer import Answer
from tunedoctor.render.plan import render_told, said
from tunedoctor.render.style import Style
from tunedoctor.transaction.outcome import Outcome, Stage
from tunedoctor.wording import ago, many

_STAGES: dict[Stage, tuple[str, str]] = {
    "recover": ("", ""),
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


def render_stage(stage: Stage, words: str, seconds: float, style: Style) -> str:
    """Return the line of a stage that ended; "" for one that nobody wants to know."""
    verb, always = _STAGES.get(stage, ("", ""))
    if not verb:
        return ""
    if words.startswith("1 "):
        words = words.removesuffix("s")
    text = f"{verb:<9} {', '.join(filter(None, (words, always)))}"
    return f"{style.mark('ok')} {style.plain(f'{text:<62}')} {_time(seconds):>7}\n"


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.2g} s"


def render_end(answer: Answer, style: Style) -> str:
    """Return the last lines: what is cured, what is left, how to go back or on."""
    if answer.end == "nothing":
        return "\n".join(_nothing(answer, style)) + "\n"
    if answer.end == "planned":
        return "Nothing was changed: this is a dry run.\nNext: the same without --dry-run, which asks first.\n"
    if answer.end == "declined":
        return "Nothing was changed.\n"
    if answer.end == "told":
        only = answer.findings and all(one.advice for one in answer.findings)
        advice = f"nothing that fix can change; {many(len(answer.findings), 'piece')} of advice: {answer.look}"
        return f"Nothing was changed: {advice if only else 'what is left is yours to do'}.\n"
    outcome = answer.outcome
    if answer.end == "applied" and outcome is not None:
        return "\n".join(_applied(answer, outcome, style)) + "\n"
    return "\n".join(_failed(answer, outcome, style)) + "\n"


def _nothing(answer: Answer, style: Style) -> list[str]:
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
    lines = style.wrapped(f"{head} {answer.target}{proof}", 2, f"{style.mark('ok')} ")
    return lines + [f"  {style.plain(way)}" for way in ways]


def _applied(answer: Answer, outcome: Outcome, style: Style) -> list[str]:
    lines = [""]
    if outcome.recovered:
        lines += style.wrapped(outcome.recovered, 2, f"{style.mark('note')} ")
    if outcome.unhashed:
        names = ", ".join(outcome.unhashed[:4])
        lines += style.wrapped(
            f"the index gives no hash of {names}", 2, f"{style.mark('warning')} "
        )
    activated = [one.id for one in answer.findings if one.held == "activation"]
    if activated:
        words = (
            f"{' and '.join(activated)}: the variables hold once the environment is activated anew"
        )
        lines += style.wrapped(words, 2, f"{style.mark('note')} ")
    if outcome.users:
        named = ", ".join(f"{one.name} ({one.pid})" for one in outcome.users[:3])
        lines += style.wrapped(f"restart {named}", 2, f"{style.mark('note')} ")
    if outcome.unproved:
        lines += style.wrapped(outcome.unproved, 2, f"{style.mark('warning')} ")
    if outcome.stays:
        lines += [style.plain(f"{style.mark('note')} broken before, and not by this fix:")]
        lines += [style.plain(f"    {one}") for one in outcome.stays[:_SHOWN]]
        lines += [f"    and {len(outcome.stays) - _SHOWN} more"] * (len(outcome.stays) > _SHOWN)
    new = answer.plan.new if answer.plan else None
    if new is not None:
        head = f"{outcome.target or new.path} is ready."
    else:
        mine = {one.id for one in answer.findings if one.changes}
        left = len({*answer.left} - set(activated))
        cured = len(mine & {*outcome.cured, *activated})
        head = f"{cured} cured" + (f", {left} left" if left else "") + "."
    if outcome.imports:
        head = f"{head[:-1]}, proved by import in {_time(outcome.seconds.get('import', 0.0))}."
    elif outcome.unproved:
        head = f"{head[:-1]}, not proved by import."
    last = [f"{style.mark('ok')} {head}  Undo with {answer.undo}"]
    return [*lines, *last, *([f"  next  {answer.look}"] if new is not None else [])]


def _failed(answer: Answer, outcome: Outcome | None, style: Style) -> list[str]:
    word = "Refused" if answer.end == "refused" else "Failed"
    lines = style.wrapped(f"{word}: {answer.why}", 2, f"{style.mark('error')} ")
    stays = "Nothing was changed." if answer.end == "refused" else "The old state is back."
    lines += [*said(answer.details, style), f"  {stays}"]
    if answer.findings:
        lines += style.wrapped(", ".join(one.id for one in answer.findings), 11, "  to cure")
    if outcome is not None and outcome.log:
        lines.append(style.plain(f"  log      {outcome.log}"))
    for number, command in enumerate(answer.by_hand):
        lines.append(style.plain(f"  {'by hand' if not number else '':<8} {command}"))
    told = render_told(answer, style)
    return [*lines, *(["", *told] if told else [])]
