"""Markdown for an issue or a chat: a readable part, then all facts, from which triage gets the same result.

It is made for sharing, so this machine's own name is hidden too. Words that Markdown could interpret, such as tags,
links and mentions, are in code spans; facts and commands are in code blocks that nothing in them can end.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from msgspec.structs import replace

from tunedoctor.diagnosis.redaction import public, redact, this_identity
from tunedoctor.diagnosis.report import Report, ReportFinding
from tunedoctor.facts import Errors, Unknown
from tunedoctor.model.lazy import pattern
from tunedoctor.model.snapshot import Snapshot, from_data, to_data
from tunedoctor.model.wording import by_reason, gib, listed, percent
from tunedoctor.readers.facts_block import text_of
from tunedoctor.render.formats import ReportView
from tunedoctor.render.terminal import suspects

if TYPE_CHECKING:
    import re

LARGEST = 60_000
"""Characters: an issue of GitHub takes 65,536."""
_FINDINGS, _FACTS, _SENTENCE = 20_000, 6_000, 1_500
"""Characters of what people read."""
_FRAMES = 5
"""Frames kept of a traceback that is too long."""
_NO_ROOM = "left out because the text was too long for an issue"
_PLAIN = pattern(r"(?i)(?!\S*www\.)(?:[^\W_]|[.,;:()'\"/+=?%-](?!/))*")
"""A word without meaning in any Markdown."""
_WORD = pattern(r"(?<!\S)`[^`\n]{1,200}`(?=[.,;:)]{0,3}(?:\s|$))|\S+")
_AROUND = "(.,;:)\"'"
_TICKS = pattern(r"`+")


def render(view: ReportView) -> str:
    """Return the text, of at most LARGEST characters."""
    who = this_identity(shared=True)
    report = public(view.report, who)
    parts, room, more = [_head(view, report)], _FINDINGS, list[str]()
    for finding in report.findings:
        text = "\n\n".join(_finding(finding))
        room -= len(text)
        (parts if room > 0 else more).append(text if room > 0 else f"`{finding.id}`")
    parts += [f"Left out to save space: {listed(more, 100)}"] * bool(more)
    parts += [*_suspected(report), *_similar(report), *_untold(report)]
    rows = (" ".join(row.split()) for row in _facts(report, view.facts))
    parts += [_fenced("\n".join(rows)[:_FACTS], "text")]
    if view.facts is not None:
        facts = from_data(redact(to_data(view.facts), who))
        parts += [_all(facts, LARGEST - sum(len(part) + 2 for part in parts))]
    return "\n\n".join(parts) + "\n"


def _head(view: ReportView, report: Report) -> str:
    verdict = {"ready": ["ready"], "unknown": ["undecided"], "findings": []}[report.verdict]
    rows = [f"### doctor check: {', '.join([*verdict, *view.counts])}"]
    rows += ["Some checks were left out (`--only`, `--skip`)."] * view.partial
    rows += [f"Profile: `{report.profile}`"] * (report.profile != "project")
    rows += [f"Policy: {_words(report.policy)}"] * bool(report.policy)
    return "\n\n".join([*rows, *([f"Next: {_words(report.next)}"] if report.next else [])])


def _finding(finding: ReportFinding) -> Iterator[str]:
    yield f"#### {'suspected' if finding.settle else finding.severity}: {_words(finding.title)} (`{finding.id}`)"
    advice = finding.cure.command if finding.cure.kind == "advice" else ""
    rows = {
        "found": finding.found,
        "means": finding.means,
        "accepted": finding.accepted,
        "also clears": listed(finding.explains, 20),
        "fix": advice,
    }
    yield "\n".join(f"- {name}: {_words(text)}" for name, text in rows.items() if text)
    if finding.cure.command and not advice:
        yield f"Fix:\n\n{_fenced(finding.cure.command, 'sh')}"
    if finding.cure.note:
        yield _words(finding.cure.note)
    if finding.settle:
        yield f"To confirm:\n\n{_fenced(finding.settle, 'sh')}"


def _suspected(report: Report) -> Iterator[str]:
    if likely := suspects(report):
        yield "#### No cause is certain. Most likely"
        described = ((suspect, _words(f"{suspect.title}. {suspect.because}")) for suspect in likely)
        yield "\n".join(
            f"- {percent(suspect.likelihood)} `{suspect.id}`: {words}"
            for suspect, words in described
        )


def _similar(report: Report) -> Iterator[str]:
    if report.similar:
        yield "#### Solved before"
        yield "\n".join(
            f"- <{case.link}>{f', {case.month}' if case.month else ''}: {_words(f'{case.wrong} {case.solved}')}"
            for case in report.similar
        )


def _untold(report: Report) -> Iterator[str]:
    if report.unknown:
        yield "#### Undecided checks"
        some = islice(by_reason(report.unknown).items(), 12)
        yield "\n".join(f"- {listed(ids, 6)}: {_words(why[:300])}" for why, ids in some)


def _facts(report: Report, facts: Snapshot | None) -> Iterator[str]:
    """Yield the main facts, under the names that torch's collect_env gives them."""
    target, machine = report.target, report.machine
    rows = {
        "OS": f"{machine.system or 'unknown'} {machine.architecture}".strip(),
        "Python version": f"{target.version} {target.kind}".strip(),
        "PyTorch version": target.packages.get("torch", "N/A" if target.version else ""),
        "Nvidia driver version": machine.driver,
        "RAM": gib(machine.ram) if machine.ram else "",
        "GPU": "" if machine.gpus else "none" if machine.gpus_known else "unknown",
    }
    yield from (f"{name}: {text}" for name, text in rows.items() if text)
    for number, gpu in enumerate(machine.gpus):
        parts = (gpu.name, gib(gpu.memory) if gpu.memory else "", gpu.target)
        yield f"GPU {number}: {', '.join(part for part in parts if part)}"
    yield from (f"Needs {name}: {what}" for name, what in report.needs.items())
    yield from (f"[pip3] {name}=={version}" for name, version in target.packages.items())
    yield f"doctor: {report.doctor}{f', {facts.taken}' if facts and facts.taken else ''}"


def _all(facts: Snapshot, room: int) -> str:
    """Return the facts in a collapsible block; if there is no room, the largest are left out."""
    text, left_out = _folded(facts, ()), list[str]()
    if len(text) > room and (errors := facts.find(Errors)):
        shortened = (replace(error, frames=error.frames[-_FRAMES:]) for error in errors.errors)
        facts, left_out = facts.having(Errors(errors=tuple(shortened))), ["outer frames"]
        text = _folded(facts, left_out)
    several = facts.answers() if len(text) > room else {}
    largest = sorted(several, key=lambda kind: len(text_of(Snapshot({kind: several[kind]}))))
    while len(text) > room and largest:
        name = largest.pop().__name__
        facts, left_out = facts.having(**{name: Unknown(why=_NO_ROOM)}), [*left_out, name]
        text = _folded(facts, left_out)
    return text


def _folded(facts: Snapshot, left_out: Sequence[str]) -> str:
    but = f" except {listed(left_out)}, to save space" if left_out else ""
    about = f"All facts{but}: <code>doctor triage FILE</code> reads them from this text"
    block = _fenced(text_of(facts), "json")
    return f"<details>\n<summary>{about}</summary>\n\n{block}\n\n</details>"


def _fenced(text: str, language: str) -> str:
    """Return a block of code that no line of it ends."""
    fence = "`" * max([3, *(len(run) + 1 for run in _TICKS.findall(text))])
    return f"{fence}{language}\n{text}\n{fence}"


def _words(text: str) -> str:
    """Return a text in one line that Markdown shows as plain words."""
    short = text if len(text) <= _SENTENCE else f"{text[:_SENTENCE]} […]"
    return _WORD.sub(_word, " ".join(short.split())).replace("` `", " ")


def _word(match: "re.Match[str]") -> str:
    word = match[0]
    if _PLAIN.fullmatch(word) or (word[0] == word[-1] == "`" and word.count("`") == 2 < len(word)):
        return word
    core = word.strip(_AROUND) or word
    leading, _, trailing = word.partition(core)
    return f"{leading}`{core.replace('`', chr(39))}`{trailing}"
