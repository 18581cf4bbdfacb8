"""Score labelled reports by time: each batch with what was known before it came.

`before` is the code of the day before; `before`, `ranker` and `both` are scores on unseen reports. `today` is the code
that learnt from these very reports: a training score, which must not fall. A case whose thread is in an older batch
only counts in `today`.
"""

import json
import re
import runpy
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

from . import ROOT, SHARED
from .figures import Figures
from .first_met import REPORTS, Answers, Case, answers, batches, cases, wordings

LARGE, NEWEST = 50, 4
"""The newest batches are the last four with at least fifty cases: smaller ones vary by chance."""
RANKER = ROOT / "tools" / "train_ranker.py"
"""A module with `train(texts, labels)`, which returns a model, and `apply(model, text)`, which returns pairs of cause
and score, best first; "healthy" is also a label. For each of the newest batches it is trained on the older ones."""


def kind(case: Case) -> str:
    """Return broken, healthy, or unknown if the text does not show the cause."""
    return str(case["kind"]) if case["determinable"] or case["kind"] == "healthy" else "unknown"


def score(chosen: Iterable[Case], told: Answers) -> Figures:
    """Return how often the label was first, among three, preceded by something else, or no more than a note.

    `errors_right`: among reports with an error, those whose first error is the label.
    """
    found: Figures = {}

    def count(name: str, of: str, right: Callable[[str, list[str]], bool]) -> None:
        hits = [right(c["cause"], told[c["id"]]) for c in chosen if kind(c) == of]
        if hits:
            found[name] = [sum(hits), len(hits)]

    def first(cause: str, said: list[str]) -> bool:
        return bool(said) and said[0].rstrip("!?") == cause

    def silent(cause: str, said: list[str]) -> bool:
        return not first(cause, said) and (not said or said[0].endswith("?"))

    def accused(_: str, said: list[str]) -> bool:
        return any(one.endswith("!") for one in said)

    count("first", "broken", first)
    count("in_three", "broken", lambda cause, said: any(first(cause, [s]) for s in said[:3]))
    count("silent", "broken", silent)
    count("wrong", "broken", lambda *case: not first(*case) and not silent(*case))
    count("false_on_healthy", "healthy", accused)
    count("false_on_unknown", "unknown", accused)
    errors = [(c["cause"], [s for s in told[c["id"]] if s.endswith("!")][:1]) for c in chosen]
    if said := [cause + "!" in named for cause, named in errors if named]:
        found["errors_right"] = [sum(said), len(said)]
    return found


def judge(ranker: Path = RANKER, *, again: bool = False) -> Figures:
    """Return the figures of every batch, of the newest, of all, and by family of causes."""
    known = cases()
    learns = runpy.run_path(str(ranker)) if ranker.is_file() else None
    record = batches(known, again=again)
    views: dict[str, Answers] = {"before": {}, "ranker": {}, "both": {}}
    views["today"] = answers(list(known.values()), ROOT / "src")
    every = {
        f"{one.date} {one.commit}": [known[name] for name in one.answers if name in known]
        for one in record
    }
    newest = [name for name, mine in every.items() if len(mine) >= LARGE][-NEWEST:]
    older: list[Case] = []
    for one, (name, mine) in zip(record, every.items(), strict=True):
        threads = {_thread(case) for case in older}
        unseen = [case for case in mine if _thread(case) not in threads]
        rules = {case["id"]: one.answers[case["id"]] for case in unseen}
        views["before"] |= rules
        if learns is not None and name in newest:
            ranked = _ranked(learns, older, unseen, wordings(one.parent))
            views["ranker"] |= ranked
            views["both"] |= {case: _beside(said, ranked[case]) for case, said in rules.items()}
        older += mine
    return {
        "ranker": ranker.name if learns else "none",
        "newest": _scored([case for name in newest for case in every[name]], views),
        "all": _scored(older, views),
        "families": _families(older, views),
        "batches": {name: _scored(mine, views) for name, mine in every.items()},
    }


def _scored(chosen: list[Case], views: dict[str, Answers]) -> Figures:
    found = {
        view: score([c for c in chosen if c["id"] in views[view]], views[view]) for view in views
    }
    return {view: figures for view, figures in found.items() if figures}


def _families(chosen: list[Case], views: dict[str, Answers]) -> Figures:
    broken = [case for case in chosen if kind(case) == "broken"]
    names = dict.fromkeys(map(family_of, sorted({case["cause"] for case in broken})))
    return {
        name: _scored([c for c in broken if family_of(c["cause"]) == name], views) for name in names
    }


@cache
def _family() -> dict[str, str]:
    file = SHARED / "causes.json"
    held = json.loads(file.read_text(encoding="utf-8"))["causes"] if file.is_file() else {}
    return {cause: name for name, causes in held.items() for cause in causes}


def family_of(cause: str) -> str:
    """Return the family of a cause; "other" if it is unknown, or if shared/causes.json is missing."""
    return _family().get(cause, "other")


def _thread(case: Case) -> str:
    """Return the thread that a case is from; its own id if it names none."""
    source = str(case.get("source") or case["id"])
    return re.sub(r"^https?://|[#?].*$", "", source).rstrip("/").lower()


def _ranked(
    ranker: dict[str, Any], older: list[Case], chosen: list[Case], said: list[tuple[str, str]]
) -> Answers:
    """Return the causes by a ranker trained on older cases and messages; errors, unless "healthy" comes first."""
    texts = {
        c["id"]: (REPORTS / "reports" / f"{c['id']}.txt").read_text("utf-8")
        for c in [*older, *chosen]
    }
    rows = [c for c in older if kind(c) != "unknown"]
    labels = ["healthy" if kind(c) == "healthy" else str(c["cause"]) for c in rows]
    labels += [label for _, label in said]
    model = ranker["train"]([*(texts[c["id"]] for c in rows), *(text for text, _ in said)], labels)
    told = {c["id"]: [name for name, _ in ranker["apply"](model, texts[c["id"]])] for c in chosen}
    return {
        case: [name + "!" * (names[0] != "healthy") for name in names if name != "healthy"]
        for case, names in told.items()
    }


def _beside(rules: list[str], ranked: list[str]) -> list[str]:
    """Return the rules' findings above a note, followed by the ranker's suspects, which are never errors."""
    told = [one for one in rules if not one.endswith("?")]
    return told + [
        one.rstrip("!") for one in ranked if one.rstrip("!") not in {t.rstrip("!") for t in told}
    ]
