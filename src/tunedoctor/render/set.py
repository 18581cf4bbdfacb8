"""A set on the screen: what stays, what changes and why, the commands; or the clash."""

from collections import Counter

from tunedoctor.planning.set_answer import Answer, Change
from tunedoctor.render.plan import said
from tunedoctor.render.style import Style


def render(answer: Answer, style: Style, *, verbose: bool = False) -> str:
    """Return the screen of an answer; `verbose` adds what comes along, and the resolver's own words."""
    lines = [*_heading(answer, style), ""]
    if answer.verdict == "set":
        lines += _set(answer, style, verbose=verbose)
    elif answer.verdict == "none":
        head = f"{style.mark('error')} No set exists"
        lines += [style.paint(head, "bold"), *style.row("because", answer.why)]
        lines += style.row("way out", answer.way_out)
    else:
        lines += [f"{style.mark('unknown')} Could not tell whether there is a set"]
        lines += [*style.row("because", answer.why), *style.row("way out", answer.way_out)]
    lines += said(answer.details, style, verbose=verbose)
    return "\n".join(lines) + "\n"


def _heading(answer: Answer, style: Style) -> list[str]:
    what = [answer.target, f"Python {answer.python}", answer.platform]
    if answer.torch is not None:
        torch = answer.torch
        what.append(f"torch {torch.version} ({torch.variant})" if torch.variant else "")
    return style.wrapped(", ".join(filter(None, what)), 9, "set for")


def _set(answer: Answer, style: Style, *, verbose: bool) -> list[str]:
    about = {*answer.about} if not verbose else {one.name for one in answer.packages}
    shown = [one for one in answer.packages if one.change == "changed" or one.name in about]
    others = sum(one.change != "removed" for one in answer.packages) - len(shown)
    lines = [line for one in shown if one.change == "changed" for line in _changed(one, style)]
    for change, word in (("added", "adds"), ("removed", "removes"), ("kept", "keeps")):
        some = answer.packages if change == "removed" else shown
        names = [f"{one.name} {one.version or one.was}" for one in some if one.change == change]
        lines += style.wrapped(", ".join(names), 9, f"{word:>7}") if names else []
    if others:
        lines += [" " * 9 + f"and {others} more that these bring"]
    for name, why in answer.dropped.items():
        lines += style.wrapped(f"{name} is left out: {why}", 2, "- ")
    for why in answer.left:
        lines += style.wrapped(f"stays as it is: {why}", 2, f"{style.mark('warning')} ")
    lines += _commands(answer, style)
    for name in answer.files:
        lines += [f"{style.mark('ok')} wrote {name}"]
    count = len(answer.changed)
    if not count:
        done = "The set is consistent: nothing to change"
        return [*lines, "", f"{style.mark('ok')} {style.paint(done, 'ok')}"]
    kinds = Counter(one.change for one in answer.changed)
    gone = f", {kinds['removed']} to remove" if kinds["removed"] else ""
    done = f"A set exists: {kinds['changed']} to change, {kinds['added']} to add{gone}"
    return [*lines, "", f"{style.mark('ok')} {done}"]


def _changed(one: Change, style: Style) -> list[str]:
    versions = f"{one.was} → {one.version}" if one.was != one.version else one.version
    head = style.plain(f"{one.name} {versions}")
    return [f"{style.mark('warning')} {head}", *(style.wrapped(one.why, 6) if one.why else [])]


def _commands(answer: Answer, style: Style) -> list[str]:
    """Keep each command whole on one line: a broken line can't be pasted."""
    lines: list[str] = []
    for name, some in (("pip", answer.commands.pip), ("uv", answer.commands.uv)):
        for number, command in enumerate(some):
            lines.append(f"{name if not number else '':>9}  {style.plain(command)}")
    return ["", *lines] if lines else []
