"""What findings ask of one package is one range, or the planner is named."""

import shlex

from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from tunedoctor.agreement import agreed
from tunedoctor.cure import Cure, parted, pip, tell
from tunedoctor.engine import Found
from tunedoctor.findings import Check, Finding, Severity
from tunedoctor.versions import narrowed

VERSIONS = [f"{a}.{b}" for a in range(4) for b in range(4)]
clause = st.tuples(
    st.sampled_from([">=", "<", "==", "!=", "<=", ">"]), st.sampled_from(VERSIONS)
).map("".join)
ranges = st.lists(clause, max_size=3, unique=True).map(",".join)
wanted = st.dictionaries(st.sampled_from(["peft", "trl", "torch"]), ranges, min_size=1, max_size=2)
findings = st.tuples(wanted, st.sampled_from(["error", "warning", "note"]))


def found(number: int, cure: Cure, severity: Severity) -> Found:
    check = Check(
        id=f"c{number}",
        title="t",
        severity=severity,
        explains=(),
        advice=False,
        run=lambda: None,
        page="",
        origin="",
    )
    return Found(check, Finding(found="f", means="m", cure=cure))


@given(st.lists(ranges, max_size=3))
def test_a_narrowed_range_allows_what_all_of_them_allow(several: list[str]) -> None:
    left = narrowed(several)
    for version in VERSIONS:
        meets = all(version in SpecifierSet(one) for one in several)
        assert meets is (left is not None and version in SpecifierSet(left))


@given(st.lists(findings, min_size=1, max_size=4))
def test_printed_lines_never_contradict_each_other(
    several: list[tuple[dict[str, str], Severity]],
) -> None:
    causes = [
        found(i, pip(None, "install", *(n + s for n, s in one.items())), severity)
        for i, (one, severity) in enumerate(
            sorted(several, key=lambda s: ["error", "warning", "note"].index(s[1]))
        )
    ]
    after = agreed(causes, "doctor fix")
    asked: dict[str, list[str]] = {}
    for before, one in zip(causes, after, strict=True):
        cure = one.finding.cure
        if cure == tell("doctor fix"):
            continue
        assert [parted(r)[0] for r in cure.installs[0].requirements] == [
            parted(r)[0] for r in before.finding.cure.installs[0].requirements
        ]
        assert shlex.split(cure.command)[3] == "install"
        for name, specifier in map(parted, cure.installs[0].requirements):
            asked.setdefault(name, []).append(specifier)
    assert None not in [narrowed(specifiers) for specifiers in asked.values()]


def test_an_error_keeps_its_line_beside_a_note() -> None:
    error = found(0, pip(None, "install", "trl<0.12"), "error")
    note = found(1, pip(None, "install", "trl>=1.0"), "note")
    one, other = agreed([error, note], "doctor fix --target x")
    assert one.finding.cure.command == 'python -m pip install "trl<0.12"'
    assert other.finding.cure.command == "doctor fix --target x"
