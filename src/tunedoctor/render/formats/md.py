"""Markdown for an issue, a forum or a chat: what people read first, then all facts, from which triage comes to the same.

It is to be given away, so this machine's own name is hidden too. Words that could be more than words, as names with
underscores, tags, mentions and links, stand in spans of code; facts and commands in blocks that nothing in them ends.
"""

from collections.abc import Iterator

from msgspec.structs import replace

from tunedoctor.contracts.requirements import around, counting
from tunedoctor.diagnosis.redaction import public, redact, this_identity
from tunedoctor.diagnosis.report import Report, ReportFinding
from tunedoctor.facts import Errors, Packages
from tunedoctor.model.lazy import pattern
from tunedoctor.model.snapshot import Snapshot, from_data, to_data
from tunedoctor.model.wording import gib, listed, many
from tunedoctor.readers.facts_block import text_of
from tunedoctor.render.formats import Told

LARGEST = 60_000
"""Bytes of the whole: an issue of GitHub takes 65,536 characters."""
_READ = 20_000
"""Bytes of what is said of findings."""
_LONGEST = 1_500
"""Characters of one sentence or command."""
_FRAMES = 5
"""Of a traceback that is kept where all have no room."""
_PLAIN = pattern(r"(?!www\.)(?:[^\W_]|[.,;:()'\"/+=?%-](?!/))*")
"""A word that means nothing to any Markdown: no name with underscores, no link, mention or number of an issue."""
_WORD = pattern(r"(?<!\S)`[^`\n]{1,200}`(?=[.,;:)]{0,3}(?:\s|$))|\S+")
_AROUND = "(.,;:)\"'"
_RUN = pattern(r"`+")
_TOO_LONG = "They are too long for an issue: `doctor snapshot -o FILE` writes them to a file."


def render(told: Told) -> str:
    """Return the text, of at most LARGEST bytes."""
    who = this_identity(shared=True)
    report = public(told.report, who)
    parts = ["\n".join(_head(told, report))]
    room, more = _READ, list[str]()
    for one in report.findings:
        text = "\n\n".join(_finding(one))
        room -= len(text.encode())
        if room > 0:
            parts.append(text)
        else:
            more.append(f"`{one.id}`")
    parts += [f"And more: {', '.join(more)}"[:_LONGEST]] * bool(more)
    parts += ["\n".join(rows) for rows in (_suspected(report), _untold(report)) if rows]
    parts.append(_fenced("\n".join(_facts(report, told.facts)), "text"))
    text = "\n\n".join(parts)
    if told.facts is not None:
        facts = from_data(redact(to_data(told.facts), who))
        text += f"\n\n{_all_facts(facts, LARGEST - len(text.encode()))}"
    return f"{text}\n"


def _head(told: Told, report: Report) -> list[str]:
    counts = [sum(f.severity == s for f in told.counted) for s in ("error", "warning", "note")]
    found = [many(n, s) for n, s in zip(counts, ("error", "warning", "note"), strict=True) if n]
    said = {"ready": ["ready"], "unknown": ["could not tell"], "findings": []}[report.verdict]
    rows = [f"### doctor check: {', '.join([*said, *found])}"]
    rows += ["", "Some checks were left out (`--only`, `--skip`)."] * told.partial
    return rows + (["", f"Next: {_words(report.next)}"] if report.next else [])


def _finding(one: ReportFinding) -> Iterator[str]:
    """Yield its paragraphs."""
    yield f"#### {'suspected' if one.settle else one.severity}: {_words(one.title)} (`{one.id}`)"
    command = one.cure.kind == "command"
    clears = listed(one.explains, 20)
    rows = {
        "found": one.found,
        "means": one.means,
        "accepted": one.accepted,
        "clears too": clears,
        "cure": "" if command else one.cure.command,
    }
    yield "\n".join(f"- {name}: {_words(text)}" for name, text in rows.items() if text)
    if command and one.cure.command:
        yield f"Cure:\n\n{_fenced(one.cure.command, 'sh')}"
    if one.cure.note:
        yield _words(one.cure.note)
    if one.settle:
        yield f"What settles it:\n\n{_fenced(one.settle, 'sh')}"


def _suspected(report: Report) -> list[str]:
    rows = [
        f"- {one.likelihood:.0%} `{one.id}`: {_words(one.title)}; because of {_words(one.because or 'its words')}"
        for one in report.suspected
    ]
    return ["#### Nothing is proved; most likely", "", *rows] if rows else []


def _untold(report: Report) -> list[str]:
    by_why: dict[str, list[str]] = {}
    for id_, why in report.unknown.items():
        by_why.setdefault(why, []).append(id_)
    rows = [f"- {listed(ids, 6)}: {_words(why)}" for why, ids in [*by_why.items()][:12]]
    return ["#### Could not be told", "", *rows] if rows else []


def _facts(report: Report, facts: Snapshot | None) -> Iterator[str]:
    """Yield the main facts under the names that torch's collect_env gives them."""
    target, machine = report.target, report.machine
    rows = {
        "OS": f"{machine.system or 'not told'} ({machine.architecture or '?'})",
        "Python version": f"{target.version} {target.kind}".strip(),
        "PyTorch version": target.packages.get("torch", "N/A" if target.version else ""),
        "Nvidia driver version": machine.driver,
        "RAM": gib(machine.ram) if machine.ram else "",
        "GPU": "" if machine.gpus else "none" if machine.gpus_known else "not known",
    }
    yield from (f"{name}: {text}" for name, text in rows.items() if text)
    for number, one in enumerate(machine.gpus[:32]):
        parts = (one.name, one.target, gib(one.memory) if one.memory else "")
        yield f"GPU {number}: {', '.join(part for part in parts if part)}"
    yield from (f"[pip3] {name}=={version}" for name, version in target.packages.items())
    yield f"doctor: {report.doctor}{f', {facts.taken}' if facts and facts.taken else ''}"


def _all_facts(snapshot: Snapshot, room: int) -> str:
    """Return the facts in a block that can be folded away, what has no room left out."""
    left_out = list[str]()
    for words, less in (("", None), ("other packages", _near), ("outer frames", _inner)):
        snapshot = less(snapshot) if less else snapshot
        left_out += [words] * bool(words)
        said = f"All facts{f', but for {listed(left_out)}' if left_out else ''}"
        text = (
            f"<details>\n<summary>{said}: doctor triage FILE reads them</summary>\n\n"
            f"{_fenced(text_of(snapshot), 'json')}\n\n</details>"
        )
        if len(text.encode()) < room:
            return text
    return _TOO_LONG


def _near(snapshot: Snapshot) -> Snapshot:
    """Leave out the packages that are neither of the stack nor required by it."""
    packages = snapshot.find(Packages)
    if packages is None:
        return snapshot
    near = around(packages)
    kept = tuple(one for one in packages.distributions if one.name in near or counting(one))
    conda = {name: told for name, told in packages.conda.items() if name in near}
    return snapshot.having(replace(packages, distributions=kept, conda=conda))


def _inner(snapshot: Snapshot) -> Snapshot:
    """Leave out the outer frames of tracebacks."""
    told = snapshot.find(Errors)
    if told is None:
        return snapshot
    return snapshot.having(
        Errors(errors=tuple(replace(one, frames=one.frames[-_FRAMES:]) for one in told.errors))
    )


def _fenced(text: str, language: str) -> str:
    """Return a block of code that no line of it ends."""
    fence = "`" * max(3, *(len(run) + 1 for run in _RUN.findall(text)), 3)
    return f"{fence}{language}\n{text[:LARGEST]}\n{fence}"


def _words(text: str) -> str:
    """Return a text in one line that is nothing but words to Markdown."""
    short = text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"
    return " ".join(map(_word, _WORD.findall(short))).replace("` `", " ")


def _word(one: str) -> str:
    core = one.strip(_AROUND)
    if _PLAIN.fullmatch(one) or (
        one[0] == one[-1] == "`" and "`" not in one[1:-1] and len(one) > 2
    ):
        return one
    before, core, after = one.partition(core) if core else ("", one, "")
    return f"{before}`{core.replace('`', chr(39))}`{after}"
