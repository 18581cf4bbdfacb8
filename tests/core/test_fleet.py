"""core.fleet and core.drain: many machines are judged, and nodes acted on, without printing anything."""

import json
from pathlib import Path

import pytest
from museum import facts_of

from tunedoctor import DoctorError, check_fleet
from tunedoctor.core.criteria import Criteria
from tunedoctor.core.drain import act_on_nodes, verdicts_of
from tunedoctor.core.fleet import Machines, engine_of, examine_fleet, pod_manifest
from tunedoctor.model.snapshot import SCHEMA

FULL_DISK = {"free": 1 << 20}


@pytest.fixture
def snapshots(tmp_path: Path) -> Path:
    """Three nodes: n0 and n1 are well, the disk of n2 is full."""
    folder = tmp_path / "snapshots"
    folder.mkdir()
    for number in range(3):
        facts = json.loads(json.dumps(facts_of("healthy-rtx4090")))
        facts["Node"] = {"value": {"host": f"h{number}", "name": f"n{number}", "cluster": "Slurm"}}
        if number == 2:
            disks = facts["Disks"]["value"]["disks"]
            facts["Disks"]["value"]["disks"] = [{**one, **FULL_DISK} for one in disks]
        text = json.dumps({"schema": SCHEMA, "taken": "2026-11-30T10:00:00+00:00", "facts": facts})
        (folder / f"{number}.json").write_text(text)
    return folder


def test_a_report_says_what_is_wrong_where(
    snapshots: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    report = check_fleet([snapshots])
    assert {one.node: one.verdict for one in report.nodes} == {
        "n0": "ready", "n1": "ready", "n2": "findings",
    }  # fmt: skip
    (cause,) = (one for one in report.causes if one.finding.id == "disk-full")
    assert cause.nodes == ("n2",)
    assert capfd.readouterr() == ("", "")


def test_what_changed_since_an_earlier_report(snapshots: Path, tmp_path: Path) -> None:
    earlier = {
        "schema": "doctor.fleet/1", "taken": "2026-11-29", "engine": "files", "counts": {"ready": 1},
        "nodes": [{"node": "n2", "verdict": "ready"}, {"node": "n9", "verdict": "ready"}],
        "odd": [], "causes": [], "common": [], "unreached": {}, "groups": [], "times": [],
    }  # fmt: skip
    (tmp_path / "last.json").write_text(json.dumps(earlier))
    since = check_fleet([snapshots], last=tmp_path / "last.json").since
    assert since is not None
    assert (since.new, since.gone) == (("n0", "n1"), ("n9",))
    assert since.changed["n2"][:2] == ("ready -> findings", "+disk-full")


@pytest.mark.parametrize(
    ("machines", "message"),
    [
        (Machines(), "no machines are named"),
        (Machines(files=("x",), ssh="h"), "--from and --ssh are named"),
        (Machines(ssh="h", smoke=True, profile="node"), "leave out --profile"),
        (Machines(ssh="h", image="x"), "add --kubernetes"),
    ],
)
def test_machines_are_named_in_one_way(machines: Machines, message: str) -> None:
    with pytest.raises(DoctorError, match=message):
        engine_of(machines)


def test_a_manifest_for_pods_needs_no_cluster() -> None:
    found = pod_manifest(Machines(kubernetes="gpu=a100", image="registry/doctor:1"))
    job = json.loads(found.manifest)
    assert job["spec"]["template"]["spec"]["containers"][0]["image"] == "registry/doctor:1"
    assert "gpu=a100" in found.commands
    with pytest.raises(DoctorError, match="not a label selector"):
        pod_manifest(Machines(kubernetes="a;b"))


def test_a_node_is_drained_for_its_own_cause_and_only_if_asked(
    snapshots: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    programs = {
        "sinfo": "printf 'n0|idle|none\\nn1|idle|none\\nn2|idle|none\\n'",
        "scontrol": f'echo "$@" >>{log}',
    }
    for name, does in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    criteria = Criteria()
    found = examine_fleet(Machines(files=(str(snapshots),)), criteria)
    assert found.causes["n2"] == ("disk-full", "node")
    nodes = verdicts_of(found, criteria)
    assert nodes.well == {"n0", "n1"}
    assert nodes.faults["n2"].reason.startswith("doctor: disk-full [node] ")

    plan = act_on_nodes("drain", nodes)
    assert [one.node for one in plan.actions] == ["n2"]
    assert (plan.done, plan.ok, log.exists()) == (False, True, False)
    done = act_on_nodes("drain", nodes, carry_out=True)
    assert (done.done, done.ok) == (True, True)
    assert log.read_text().startswith("update NodeName=n2 State=DRAIN Reason=doctor: disk-full")
