"""The report as one HTML page: verdict, causes and fixes, memory, facts, and undecided checks.

All of it is read without scripts; the only one copies commands.
"""

import re
from collections.abc import Iterable, Mapping
from functools import partial
from math import isfinite
from pathlib import Path

from tunedoctor.diagnosis.report import Report, ReportCure, ReportFinding, ReportSmoke, exit_code
from tunedoctor.model.wording import by_reason, gib, many, name_counts, percent
from tunedoctor.render.formats import ReportView
from tunedoctor.render.html import STYLE, clean, frame, meter, numbers, rows, table
from tunedoctor.render.memory import memory
from tunedoctor.render.screen import MARKS
from tunedoctor.render.terminal import (
    NONE_CHECKED,
    machine_sentence,
    next_steps,
    nowhere_to_look,
    suspects,
    tally,
)
from tunedoctor.target import safe_text
from tunedoctor.target.train_plot import svg

_MARKS = MARKS | {"note": "i"}
_BUTTON = re.compile(r"<button.*?</button>")
_VERDICTS = {"ready": "passed", "findings": "failed", "unknown": "undecided"}


def render(view: ReportView) -> str:
    """Return the page."""
    report = view.report
    symptoms = {symptom.id: symptom for symptom in report.symptoms}
    accepted = [finding for finding in report.findings if finding.accepted]
    packages = ((name, version or "unknown") for name, version in report.target.packages.items())
    facts, libraries = _facts(report), _pairs("Libraries", packages)
    if libraries:
        facts = f'<div class="two"><div>{facts}</div><div>{libraries}</div></div>'
    counts, others = ("".join(_finding(x, symptoms) for x in y) for y in (view.counting, accepted))
    sections = {
        "Findings": counts,
        "Suspected": _suspects(report),
        "Accepted findings": _folded(
            f"{many(len(accepted), 'finding')} that do not count for the verdict", others
        ),
        "Environments": _nearby(report),
        "Memory": memory(report.machine),
        "Tiny training": report.smoke and _smoke(report.smoke),
        "Machine and environment": facts,
        "Undecided checks": _reasons(report.unknown),
        "Other checks": _others(report),
    }
    filled = {name: body for name, body in sections.items() if body}
    anchors = {name: name.lower().replace(" ", "-") for name in filled}
    links = "".join(f'<li><a href="#{anchors[name]}">{name}</a></li>' for name in filled)
    parts = (
        (f'<section id="{anchors[name]}"><h2>{name}</h2>', body) for name, body in filled.items()
    )
    main = "".join(f"{head}{body}</section>" for head, body in parts)
    kind, title = _verdict(view)
    body = (
        f"{view.note and f'<p><strong>{clean(view.note)}</strong></p>'}"
        f'<header class="{kind}">{_headed("h1", kind, title)}'
        f'<p class="dim">{clean(", ".join(tally(report)))}</p>{_next(view)}{_about(report)}</header>'
        f'<nav aria-label="Parts of this page"><ul>{links}</ul></nav><main>{main}</main>'
        f'<footer class="dim">{_ages(report)}</footer><p id="said" class="away" role="status"></p>'
    )
    files = (Path(__file__).with_suffix(kind) for kind in (".css", ".js"))
    style, script = (file.read_text(encoding="ascii") for file in files)
    where = f", {report.host}" if report.host else ""
    return frame(f"{title}{where} - doctor check", body, STYLE + style, script)


def fragment(report: Report) -> str:
    """Return the report for a notebook's output: verdict, findings, and the rest folded; no script and no link.

    Its style applies to this element alone, and without it the text is still in order.
    """
    view = ReportView(report=report, code=exit_code(report))
    symptoms = {symptom.id: symptom for symptom in report.symptoms}
    kind, title = _verdict(view)
    findings = "".join(_finding(finding, symptoms) for finding in report.findings)
    undecided = f"{many(len(report.unknown), 'check')} undecided"
    style = STYLE + Path(__file__).with_suffix(".css").read_text("ascii")
    # nested rules apply inside of the element; what is meant for the page is meant for the element
    style = re.sub(r"(?<=[{}\n])(?::root|body)(?=\{)", "&", style).replace("\n", "")
    html = (
        f'<section class="tunedoctor"><style>.tunedoctor{{{style}}}</style>'
        f'<header class="{kind}">{_headed("h3", kind, title)}'
        f'<p class="dim">{clean(", ".join(tally(report)))}</p>{_next(view)}</header>'
        f"{findings}{_suspects(report)}{_nearby(report)}"
        f"{_folded('Machine and environment', _facts(report))}"
        f"{_folded(undecided, _reasons(report.unknown))}{_others(report)}"
        f'<div class="dim">{_ages(report)}</div></section>'
    )
    html = _BUTTON.sub("", html)  # without a script there is nothing that copies
    return safe_text.as_xml(html.encode("ascii", "xmlcharrefreplace").decode())


def _verdict(view: ReportView) -> tuple[str, str]:
    report = view.report
    errors, counts = view.tally["error"], ", ".join(view.counts)
    if report.verdict == "ready" and not errors:
        well = "No check that ran found an error" if view.partial else machine_sentence(report)
        return "ok", well + (f", with {counts}" if counts else "")
    if report.verdict == "unknown" and not errors:
        why = NONE_CHECKED if nowhere_to_look(report) else counts
        return "unknown", "Undecided" + (f": {why}" if why else "")
    return "error" if errors else "warning", f"Not ready: {counts}"


def _headed(level: str, kind: str, title: str) -> str:
    mark = f'<span class="mark" aria-hidden="true">{_MARKS[kind]}</span>'
    return f"<{level}>{mark}<span>{clean(title)}</span></{level}>"


def _command(line: str, what: str) -> str:
    """Return a command in a box, with a button that scripts alone bring up."""
    button = f'<button type="button" hidden>Copy<span class="away"> {clean(what)}</span></button>'
    return f'<div class="run"><pre><code>{clean(line)}</code></pre>{button}</div>'


def _next(view: ReportView) -> str:
    for command, why in next_steps(view)[:1]:
        return f"<p>Next: {clean(why)}</p>{_command(command, 'what comes next')}"
    return view.report.next and f"<p>Next: {clean(view.report.next)}.</p>"


def _about(report: Report) -> str:
    checked_at = report.taken.replace("T", " ").replace("+00:00", " UTC")
    pairs = (
        ("host", report.host),
        ("node", report.node),
        ("checked", checked_at),
        ("took", f"{report.seconds:.2f} s" if report.seconds else ""),
        ("profile", report.profile),
        ("policy", report.policy),
        ("doctor", report.doctor),
    )
    return numbers(pairs, "about")


def _finding(finding: ReportFinding, symptoms: Mapping[str, ReportFinding]) -> str:
    kind = "unknown" if finding.settle else finding.severity
    badge = f'<span class="badge">{"suspected" if finding.settle else kind}</span>'
    return (
        f'<article class="{kind}">{_headed("h3", kind, finding.title)}'
        f'<p class="id">{badge} <code>{clean(finding.id)}</code></p>{_finding_details(finding, symptoms)}</article>'
    )


def _finding_details(finding: ReportFinding, symptoms: Mapping[str, ReportFinding]) -> str:
    cure = finding.cure
    cure_html = clean(cure.command) and f"<p>{clean(cure.command)}</p>"
    if cure.kind == "command" and cure.command:
        cure_html = _command(cure.command, f"the fix for {finding.id}")
    kind = "Fix" if cure.kind == "command" else "Advice"
    follow = (symptoms[id_] for id_ in finding.explains if id_ in symptoms)
    heads = ((f"{clean(each.title)} <code>{clean(each.id)}</code>", each) for each in follow)
    below = (_folded(head, _finding_details(each, {})) for head, each in heads)
    evidence = "".join(f"<li>{clean(each)}</li>" for each in finding.evidence)
    pairs = {
        "Accepted": clean(finding.accepted),
        "Found": clean(finding.found),
        "Means": clean(finding.means),
        kind + ("" if cure.who == "user" else ", as root"): cure_html
        + (cure.note and f'<p class="dim">{clean(cure.note)}</p>'),
        "Confirm": finding.settle and _command(finding.settle, f"what confirms {finding.id}"),
        "Also clears": "".join(below),
        "Evidence": evidence and f'<ul class="dim">{evidence}</ul>',
    }
    some = (f"<dt>{name}</dt><dd>{says}</dd>" for name, says in pairs.items() if says)
    return f'<dl class="told">{"".join(some)}</dl>'


def _folded(summary: str, body: str) -> str:
    return body and f"<details><summary>{summary}</summary>{body}</details>"


def _suspects(report: Report) -> str:
    advice = ReportCure(kind="advice", command="")
    note, items = partial(ReportFinding, severity="note", means="", cure=advice), list[str]()
    for suspect in suspects(report):
        text = f"{percent(suspect.likelihood)} likely{suspect.because and f', because of: {suspect.because}'}"
        items.append(
            _finding(
                note(id=suspect.id, title=suspect.title, found=text, settle=suspect.settle), {}
            )
        )
    return "".join(items)


def _nearby(report: Report) -> str:
    environments = rows(
        (environment.path, environment.holds) for environment in report.target.nearby
    )
    says = f"<p>{clean(report.target.own)} is doctor's own environment: doctor check --self examines it.</p>"
    return (environments if report.target.nearby else "") + (report.target.own and says)


def _pairs(title: str, pairs: Iterable[tuple[str, object]]) -> str:
    some = [(name, says) for name, says in pairs if says]
    return f"<h3>{title}</h3>{rows(some)}" if some else ""


def _facts(report: Report) -> str:
    machine, target = report.machine, report.target
    gpus = "\n".join(name_counts(f"{gpu.name} {gpu.target}".strip() for gpu in machine.gpus))
    of_machine = (
        ("system", machine.system or "unknown"),
        ("processor", machine.architecture),
        ("RAM", gib(machine.ram) if machine.ram else "unknown"),
        ("GPUs", gpus or ("none" if machine.gpus_known else "unknown")),
        ("NVIDIA driver", machine.driver),
        *(("needs", f"{name} {what}") for name, what in report.needs.items()),
    )
    of_target = (
        ("requested", "" if target.asked == target.python else target.asked),
        ("chosen by", "" if target.chosen_by == "none" else target.chosen_by),
        ("interpreter", target.python),
        ("Python", target.version),
        ("kind", target.kind),
    )
    return _pairs("Machine", of_machine) + _pairs("Environment", of_target)


def _codes(ids: Iterable[str]) -> str:
    return f'<p class="ids">{" ".join(f"<code>{clean(id_)}</code>" for id_ in ids)}</p>'


def _smoke(smoke: ReportSmoke) -> str:
    pace = smoke.tokens_per_second
    first = [("verdict", _VERDICTS[smoke.verdict]), ("device", smoke.device_name or smoke.device)]
    first.append(("tokens per second", f"{pace:,.0f}" if pace else ""))
    head = numbers([*first, ("peak memory", gib(smoke.peak) if smoke.peak else "")])
    losses = [*enumerate(smoke.losses, 1)]
    finite_losses = [point for point in losses if isfinite(point[1])]
    picture = svg("Loss of a tiny training", "loss, nats per token", {"loss": finite_losses})
    steps = "".join(f"<tr><td>{step}</td><td>{loss:.4g}</td></tr>" for step, loss in losses)
    values = steps and table(("step", "loss"), steps, "")
    curve = (
        f"<figure>{picture}<figcaption>Lower is better.</figcaption></figure>"
        if finite_losses
        else ""
    )
    most = max((stage.seconds for stage in smoke.stages), default=0.0) or 1.0
    stages = ""
    for stage in smoke.stages:
        kind = {"ok": "ok", "skipped": "note"}.get(stage.outcome, "error")
        why = stage.error and f'<br><span class="dim">{clean(stage.error)}</span>'
        bar, took = meter(kind, stage.seconds / most), f"{stage.seconds:.2f} s"
        timed = "<td></td><td></td>" if kind == "note" else f"<td>{bar}</td><td>{took}</td>"
        stages += (
            f'<tr><th scope="row"><span class="{kind}">{MARKS[kind]} {stage.outcome}</span> '
            f"{clean(stage.name)}{why}</th>{timed}</tr>"
        )
    stages = stages and f'<h3>Stages</h3><table class="stages">{stages}</table>'
    return (
        f'{head}<div class="two"><div>{curve}{_folded("The numbers", values)}</div>'
        f"<div>{stages}</div></div>"
    )


def _reasons(reasons: Mapping[str, str]) -> str:
    some = "".join(f"<li>{clean(why)}{_codes(ids)}</li>" for why, ids in by_reason(reasons).items())
    return f'<ul class="reasons">{some}</ul>' if reasons else ""


def _others(report: Report) -> str:
    passed, skipped = many(len(report.passed), "check"), many(len(report.skipped), "check")
    ids, whys = _codes(report.passed) if report.passed else "", _reasons(report.skipped)
    not_run = _folded(f"{skipped} did not apply or did not run", whys)
    return _folded(f"{passed} passed", ids) + not_run


def _ages(report: Report) -> str:
    sentences = [f"Made by tunedoctor {report.doctor}. This page loads nothing and sends nothing."]
    if report.remembered:
        sentences.append(f"Imports were tested on {report.remembered.replace('T', ' ')}.")
    if knowledge := report.knowledge:
        age = "today" if knowledge.days == 0 else f"{many(knowledge.days, 'day')} old"
        sentences += [f"Table of PyTorch wheels: {knowledge.date}, {age}.", knowledge.problem]
    return f"<p>{clean(' '.join(filter(None, sentences)))}</p>"
