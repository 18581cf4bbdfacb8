"""Findings of combinations that are known to break: what several checks tell of rows of known_bad.json alike."""

from collections.abc import Sequence

from tunedoctor.advice.cures import brief, merged, pinned, together
from tunedoctor.cure import Cure, advise, pip, unset_variable
from tunedoctor.findings import Finding
from tunedoctor.snapshot import Facts
from tunedoctor.tables.known_bad import Broken, Row, broken_pairs

_STAGES = {
    "import": "the import stops",
    "train": "training stops",
    "resume": "resuming from a checkpoint stops",
    "model-load": "loading the model stops",
}


def pairs_of(check: str, facts: Facts) -> tuple[Broken, ...]:
    """Return the rows of a check that what is known of a machine fires."""
    return broken_pairs(check, facts.packages, facts.torch, facts.environment, facts.errors)


def pair_found(one: Broken, said: str = "") -> str:
    """Return what is wrong: the versions, why they break, and what was printed; without versions the error alone."""
    both, said = together(one.versions), one.said or said
    if not both:
        return f"the error '{said}'" if said else brief(one.row.cause)
    return f"{both}: {brief(one.row.cause)}" + (f"; '{said}' was printed" if said else "")


def pair_means(row: Row) -> str:
    """Return where it bites, and in what words."""
    return f"{_STAGES.get(row.stage, 'the run stops')}: '{row.says}'"


def pair_note(pairs: Sequence[Broken]) -> str:
    """Return what else could be changed: the script, or the other package."""
    script = next((one.row.note for one in pairs if one.row.note), "")
    other = next((one.row.fix_alt for one in pairs if one.row.fix_alt), {})
    if script:
        return f"or change the script: {script}"
    return f"or, to keep the other: {' '.join(pinned(other))}" if other else ""


def pair_finding(facts: Facts, pairs: Sequence[Broken], said: str = "") -> Finding:
    """Return the finding of the first row, with what cures all."""
    first = pairs[0]
    fix = merged(one.row.fix for one in pairs)
    cure = pip(facts.interpreter, "install", *pinned(fix)) if fix else Cure()
    if variable := next(iter(first.row.env.get("env_var", ())), ""):
        cure = unset_variable(facts.host, str(variable))
    return Finding(
        severity=first.row.severity,
        found=pair_found(first, said),
        said=first.said or said,
        means=pair_means(first.row),
        cure=cure or advise(first.row.fix_text),
        cure_note=pair_note(pairs),
        evidence=first.row.source,
    )
