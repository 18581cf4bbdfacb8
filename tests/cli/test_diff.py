"""doctor diff: what it names makes the finding go, and nothing that it is given makes it stumble."""

import json
import time
from functools import partial
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from libraries.environment import installed
from markdown_it import MarkdownIt
from museum import altered, diagnosis_of, names, snapshot_of
from planting import plant
from typed import inside as doctor
from typed import soon

from tunedoctor import facts as kinds
from tunedoctor.core.schema import schema_of
from tunedoctor.diagnosis import differences as differ
from tunedoctor.diagnosis.engine import diagnose, kinds_of
from tunedoctor.diagnosis.registry import all_checks
from tunedoctor.diagnosis.report import ReportMachine, ReportTarget, report_of
from tunedoctor.model.snapshot import Snapshot, to_data
from tunedoctor.tables.load import table

CHECKS = {one.id: one for one in all_checks()}
HEALTHY = "healthy-rtx4090"
WELL = snapshot_of(HEALTHY)


def goes(id_: str, failing: Snapshot, items: Any) -> bool:
    seen = diagnose(differ.exchanged(failing, WELL, items), [CHECKS[id_]])
    decided = id_ not in seen.unknown or id_ in seen.quiet
    return not seen.causes and (decided or id_ in diagnosis_of(HEALTHY).unknown)


def test_what_explains_a_finding_makes_it_go_and_nothing_less_does():
    """Over machines of the museum: each set takes it away, without any part of it it stays."""
    well = {one.check.id for one in diagnosis_of(HEALTHY).causes}
    explained_ = single = 0
    for name in names()[::2]:
        failing, diagnosis = snapshot_of(name), diagnosis_of(name)
        for one in diagnosis.causes:
            if (id_ := one.check.id) in well:
                continue
            sets = differ.explained(failing, WELL, one.check)
            assert sets, (name, id_)
            alone = {
                kind for kind in kinds_of(one.check) if goes(id_, failing, [differ.Item(kind)])
            }
            assert alone in ({item.kind for some in sets for item in some}, set()), (name, id_)
            explained_ += 1
            single += len(sets[0]) == 1
            for some in sets:
                assert goes(id_, failing, some), (name, id_, some)
                whole = {differ.Item(item.kind) for item in some}
                assert goes(id_, failing, whole), (name, id_, some)
                for left_out in some if len(some) > 1 else ():
                    assert not goes(id_, failing, [i for i in some if i != left_out]), (name, some)
    assert explained_ >= 200
    assert single >= 150, "one field or part is enough"


@settings(max_examples=60)
@given(st.sampled_from(names()), st.sampled_from(kinds.KINDS), st.booleans())
def test_one_fact_that_is_planted_is_the_one_that_is_named(name, kind, swap):
    answers = WELL.answers() | {kind: snapshot_of(name).get(kind)}
    sides = [seen("well", WELL), seen("other", Snapshot(answers))]
    told = differ.compare(*(sides[::-1] if swap else sides), CHECKS.values())
    for one in told.findings:
        assert {change.fact for change in one.explained_by} == {kind.__name__}, one
        assert not one.together
    assert {fact.fact for fact in told.facts} <= {kind.__name__}
    assert told.same >= len(kinds.KINDS) - 1


def seen(name: str, snapshot: Snapshot) -> differ.ComparedSide:
    diagnosis = diagnose(snapshot, CHECKS.values())
    return differ.ComparedSide(name, report_of(snapshot, diagnosis, CHECKS.values()), snapshot)


def inner(hint: Any) -> Any:
    """Return the struct that a type has inside of it."""
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return hint
    return next(filter(None, map(inner, getattr(hint, "__args__", ()))), None)


@pytest.mark.parametrize("row", table("incidental")["rows"], ids=lambda row: row["fact"])
def test_a_row_of_what_tells_nothing_names_fields_that_there_are(row):
    assert row["why"] in ("moves", "place", "name", "follows", "asked")
    for field in row["fields"]:
        kind = {"target": ReportTarget, "machine": ReportMachine}.get(row["fact"])
        kind = kind or getattr(kinds, row["fact"])
        for name in field.partition("[")[0].split("."):
            hints = {one.name: one.type for one in msgspec.structs.fields(kind)}
            kind = inner(hints[name])


def test_a_fact_is_flattened_whole_and_quickly():
    packages = WELL.find(kinds.Packages)
    held = differ.flat(packages)
    for one in packages.distributions:
        assert held[f"distributions[{one.name}]"] == one.version
        assert held.get(f"distributions[{one.name}].requires", ()) == one.requires
    assert soon(lambda: differ.flat(packages), 0.01)


def test_what_an_older_snapshot_was_not_asked_is_no_difference():
    absent = kinds.Absent(why="no driver")
    assert not [*differ.changes_of("NvidiaDriver", absent, Snapshot({}).get(kinds.NvidiaDriver))]
    assert [*differ.changes_of("NvidiaDriver", absent, kinds.Unknown(why="it hangs"))]


def plain(snapshot: Snapshot) -> str:
    """A snapshot as a file that nobody redacted has it."""
    return json.dumps(to_data(snapshot))


def test_real_environments_snapshots_reports_and_here(tmp_path):
    held = ("torch==2.9.1", "transformers==5.13.1", "peft==0.21.2")
    here = str(installed(tmp_path / "here", *held, "accelerate==1.0.0"))
    works = str(installed(tmp_path / "works", *held, "accelerate==1.14.0", "trl==1.9.2"))
    for name, path in (("bad", here), ("good", works)):
        assert doctor("snapshot", "-o", f"{name}.json", "-t", path, cwd=tmp_path).returncode == 0
        report = doctor("check", "-t", path, "--format", "json", cwd=tmp_path).stdout
        plant(tmp_path, {f"{name}-report.json": report})

    ended = doctor("diff", "bad.json", "good.json", cwd=tmp_path)
    said = " ".join(ended.stdout.split())
    assert ended.returncode == 1, ended.stderr
    assert "✗ library-version-clash only in bad" in said
    assert "because Packages.distributions[accelerate] 1.0.0 in bad, 1.14.0 in good" in said
    assert said.endswith("Next: read more about this finding doctor explain library-version-clash")

    ended = doctor("diff", "-", "good.json", "-t", here, "--format", "json", cwd=tmp_path)
    told = json.loads(ended.stdout)
    jsonschema.validate(told, schema_of("diff"))
    assert (ended.returncode, told["a"]["kind"], told["b"]["name"]) == (1, "here", "good")
    first = next(one for one in told["findings"] if one["id"] == "library-version-clash")
    change = {"fact": "Packages", "field": "distributions[accelerate]", "a": "1.0.0", "b": "1.14.0"}
    assert (first["in"], first["other"], first["explained_by"]) == ("a", "passed", [change])
    assert {**change, "explains": [first["id"]]} in told["facts"]
    assert not [one for one in told["facts"] if "path" in one["field"] or "free" in one["field"]]

    ended = doctor("diff", "-", "bad.json", "-t", here, cwd=tmp_path)
    assert (ended.returncode, "Both have the same findings" in ended.stdout) == (0, True), (
        ended.stdout
    )

    ended = doctor("diff", "bad-report.json", "good-report.json", cwd=tmp_path)
    said = " ".join(ended.stdout.split())
    assert ended.returncode == 1
    assert "packages[accelerate] 1.0.0 -> 1.14.0" in said
    assert (
        "Compare snapshots to see which facts a finding depends on. Next: write a snapshot on each machine doctor snapshot -o FILE"
        in said
    )
    assert doctor("diff", "bad-report.json", "bad.json", cwd=tmp_path).returncode == 0


@pytest.fixture
def diff(inside):
    return partial(inside, "diff")


def test_folders_go_by_the_names_of_files(tmp_path, diff):
    sick, well = (plain(snapshot_of(name)) for name in ("driver-550-with-cu130", HEALTHY))
    plant(tmp_path, {"a/1.json": sick, "b/1.json": well, "a/2.json": well, "b/2.json": well})
    plant(tmp_path, {"a/3.json": well, "a/note.txt": "no snapshot", "c/9.json": well})
    ended = diff("a", "b")
    said = " ".join(ended.stdout.split())
    assert ended.returncode == 1
    assert "driver-too-old only in a/1.json" in said
    assert "TorchBuild.cuda 13.0 in a/1.json, 12.6 in b/1.json" in said
    assert "✓ a/2.json and b/2.json: nothing differs" in said
    assert "? a/3.json: the other folder has no such file" in said
    lines = [json.loads(line) for line in diff("a", "b", "--format=json").stdout.splitlines()]
    for line in lines:
        jsonschema.validate(line, schema_of("diff"))
    assert [len(line["findings"]) for line in lines] == [1, 0, 0]
    assert lines[2]["b"] is None
    plant(tmp_path, {"a/1.json": well})
    assert diff("a", "b").returncode == 0
    assert diff("a", "c").returncode == 2


def test_a_side_that_could_not_tell_and_findings_that_hang_on_two_facts(tmp_path, diff):
    sick = snapshot_of("compat-libcuda-on-geforce")
    lame = snapshot_of("cpu-quota-2-of-32")
    blind = WELL.having(Cpu=kinds.Unknown(why="it is cut off."))
    plant(tmp_path, {"sick.json": plain(sick), "well.json": plain(WELL), "lame.json": plain(lame)})
    plant(tmp_path, {"blind.json": plain(blind)})
    said = " ".join(diff("sick.json", "well.json").stdout.split())
    assert "because Errors Unexpected error" in said
    assert " and LibraryPath libcuda " in said
    said = " ".join(diff("lame.json", "blind.json").stdout.split())
    assert "because Cpu count 32 in lame, unknown in blind (it is cut off)" in said
    assert "but in blind: undecided: it is cut off" in said


def test_a_huge_snapshot_is_explained_in_a_time_that_grows_with_its_size(tmp_path):
    """Eight thousand packages that differ, of which one matters."""
    spent: list[float] = []
    for many in (1000, 8000):
        more = [kinds.Distribution(name=f"pkg-{i}", version="1") for i in range(many)]
        newer = [msgspec.structs.replace(one, version="2") for one in more]
        own = [replaced(one) for one in WELL.find(kinds.Packages).distributions]
        sick = altered(WELL, kinds.Packages, distributions=(*own, *more))
        well = altered(WELL, kinds.Packages, distributions=lambda held, new=newer: (*held, *new))
        began = time.process_time()
        (some,) = differ.explained(sick, well, CHECKS["library-version-clash"])
        spent.append(time.process_time() - began)
        assert [item.key for item in some] == ["accelerate"]
    assert spent[1] < 30 * max(spent[0], 0.1)


def replaced(one: kinds.Distribution) -> kinds.Distribution:
    return msgspec.structs.replace(one, version="1.0.0") if one.name == "accelerate" else one


HOSTILE = "1|2`<script>x</script>![a](b)\n# h\n@everyone **b** [l](javascript:x) &lt; ~~~ \\|"


def test_markdown_is_a_table_whatever_stands_in_the_facts(tmp_path, diff):
    """As a parser that others wrote reads it."""
    held = {"HF_HOME": HOSTILE, "HF_`|<b>": "x"}
    variables = {"variables": lambda old: {**old, **held}}
    name = "a`|<i>b.json"
    plant(tmp_path, {name: plain(altered(WELL, kinds.Environment, **variables))})
    sick = altered(snapshot_of("driver-550-with-cu130"), kinds.TorchBuild, variant=HOSTILE)
    plant(tmp_path, {"sick.json": plain(sick)})
    ended = diff(name, "sick.json", "--format", "markdown")
    tokens = MarkdownIt("commonmark").enable("table").parse(ended.stdout)
    cells = [one for one in tokens if one.type == "inline"]
    kinds_ = {part.type for one in cells for part in one.children or ()}
    assert kinds_ <= {"text", "html_inline", "text_special"}
    html = {p.content for c in cells for p in c.children or () if p.type == "html_inline"}
    assert html == {"<code>", "</code>"}
    texts = ["".join(p.content for p in c.children or () if "html" not in p.type) for c in cells]
    assert " ".join(HOSTILE.split()) in texts
    assert "a`|<i>b" in texts
    wide = [one.type for one in tokens if one.type in ("tr_open", "td_open", "th_open")]
    rows = "".join("|" if one == "tr_open" else "." for one in wide).split("|")[1:]
    assert {len(row) for row in rows} == {3, 6}


def test_the_stack_comes_first_and_bookkeeping_last():
    """What else differs: torch and the driver, then packages as the stack is built, names and dates last."""
    packages = WELL.find(kinds.Packages)
    stack = ("attrs", "zipp", "peft", "transformers", "torch")
    one = tuple(kinds.Distribution(name=name, version="1", installer="pip") for name in stack)
    two = tuple(kinds.Distribution(name=name, version="2", installer="uv") for name in stack)
    driver = msgspec.structs.replace(WELL.find(kinds.NvidiaDriver), version="1.0")
    sides = [
        WELL.having(msgspec.structs.replace(packages, distributions=some)) for some in (one, two)
    ]
    seen = [
        differ.ComparedSide(name, report_of(side, diagnose(side, [])), side)
        for name, side in zip("ab", (sides[0], sides[1].having(driver)), strict=True)
    ]
    facts = differ.compare(*seen, []).facts
    fields = [one.field for one in facts]
    order = [f"distributions[{name}]" for name in ("torch", "transformers", "peft")]
    assert facts[0].fact == "NvidiaDriver"
    assert fields[1:4] == order
    assert all("installer" in field for field in fields[-len(stack) :])
