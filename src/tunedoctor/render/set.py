"""A set on the screen: what stays, what changes and why, the commands; or the clash."""

from collections import Counter

from tunedoctor.planning.set_answer import Answer
from tunedoctor.render.plan import said
from tunedoctor.render.screen import Screen, mark


def render(answer: Answer, screen: Screen, *, verbose: bool = False) -> str:
    """Return the screen of an answer; `verbose` adds what comes along, and the resolver's own words."""
    what = [answer.target, f"Python {answer.python}", answer.platform]
    if torch := answer.torch:
        what.append(f"torch {torch.version} ({torch.variant})" if torch.variant else "")
    screen.wrap(", ".join(filter(None, what)), 9, "set for")
    screen.line()
    if answer.verdict == "set":
        _set(answer, screen, verbose=verbose)
    else:
        if answer.verdict == "none":
            screen.line(mark("error"), " ", ("No set exists", "bold"))
        else:
            screen.line(mark("unknown"), " Could not tell whether there is a set")
        screen.row("because", answer.why)
        screen.row("way out", answer.way_out)
    said(answer.details, screen, verbose=verbose)
    return screen.text()


def _set(answer: Answer, screen: Screen, *, verbose: bool) -> None:
    about = {*answer.about} if not verbose else {one.name for one in answer.packages}
    shown = [one for one in answer.packages if one.change == "changed" or one.name in about]
    others = sum(one.change != "removed" for one in answer.packages) - len(shown)
    for one in shown:
        if one.change == "changed":
            versions = f"{one.was} → {one.version}" if one.was != one.version else one.version
            screen.line(mark("warning"), f" {one.name} {versions}")
            if one.why:
                screen.wrap(one.why, 6)
    for change, word in (("added", "adds"), ("removed", "removes"), ("kept", "keeps")):
        some = answer.packages if change == "removed" else shown
        names = [f"{one.name} {one.version or one.was}" for one in some if one.change == change]
        screen.row(word, ", ".join(names), 9)
    if others:
        screen.wrap(f"and {others} more that these bring", 9)
    for name, why in answer.dropped.items():
        screen.wrap(f"{name} is left out: {why}", 2, "-")
    for why in answer.left:
        screen.wrap(f"stays as it is: {why}", 2, mark("warning"))
    screen.line()
    _end(answer, screen)


def _end(answer: Answer, screen: Screen) -> None:
    # each command stays whole on one line: a broken line can't be pasted
    for name, some in (("pip", answer.commands.pip), ("uv", answer.commands.uv)):
        for number, command in enumerate(some):
            screen.line(f"{name if not number else '':>9}  {command}")
    for name in answer.files:
        screen.line(mark("ok"), f" wrote {name}")
    screen.gap()
    kinds = Counter(one.change for one in answer.changed)
    if not kinds:
        screen.line(mark("ok"), " ", ("The set is consistent: nothing to change", "ok"))
        screen.next("doctor smoke proves it by a tiny training")
        return
    gone = f", {kinds['removed']} to remove" if kinds["removed"] else ""
    done = f"A set exists: {kinds['changed']} to change, {kinds['added']} to add{gone}"
    screen.wrap(done, 2, mark("ok"))
    screen.next("run a line from above, then doctor check --deep proves it")
