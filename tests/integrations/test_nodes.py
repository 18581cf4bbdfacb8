"""What watches nodes: Slurm itself, node-problem-detector's rules, node-exporter's collector, systemd."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from integrations.cluster import Cluster
from integrations.engines import FILES, POLICIES, adapted, engine, ran
from platforms.places import AS_ROOT

DOCTOR = Path(sys.executable).with_name("doctor")
MINUTES = pytest.mark.platforms
pytestmark = pytest.mark.skipif(os.name != "posix", reason="scripts of a POSIX shell")


def detected(script: Path, rule: dict[str, str], most: int) -> tuple[str, str]:
    """Return a condition's status and message by the rules of node-problem-detector's custom plug-ins."""
    seconds = 60 * float(rule["timeout"].removesuffix("s"))  # on a machine that is slow for all
    try:
        done = subprocess.run([script], capture_output=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return "Unknown", "Timeout when running plugin"
    status = {0: "False", 1: "True"}.get(done.returncode, "Unknown")
    return status, done.stdout.strip()[:most].decode()


@pytest.mark.parametrize(
    ("policy", "status"), [("met", "False"), ("broken", "True"), ("malformed", "Unknown")]
)
def test_node_problem_detector_shows_the_cause(tmp_path, policy, status):
    monitor = json.loads((FILES / "node-problem-detector/doctor-monitor.json").read_bytes())
    rule, settings = monitor["rules"][0], monitor["pluginConfig"]
    assert rule["condition"] == monitor["conditions"][0]["type"]
    assert Path(rule["path"]).name == "check_doctor.sh"
    (tmp_path / "doctor.toml").write_text(POLICIES[policy])
    name = "node-problem-detector/check_doctor.sh"
    told = {"doctor": DOCTOR, "config": tmp_path / "doctor.toml", "seconds": Path("200")}
    script = adapted(name, tmp_path / "check", **told)
    got, message = detected(script, rule, settings["max_output_length"])
    assert got == status, message
    assert ("policy-ram" in message) == (status == "True")


def test_the_unit_writes_metrics_that_prometheus_takes(tmp_path):
    config, metrics = tmp_path / "doctor.toml", tmp_path / "doctor.prom"
    config.write_text(POLICIES["broken"])
    for name in ("doctor.service", "doctor.timer"):
        text = (FILES / "node-exporter" / name).read_text()
        for there, here in (("/opt/doctor/bin/doctor", DOCTOR), ("/etc/doctor.toml", config),
                            ("/var/lib/node_exporter/textfile/doctor.prom", metrics)):  # fmt: skip
            text = text.replace(there, str(here))
        (tmp_path / name).write_text(text)
    line = re.search(r"^ExecStart=(.+)$", (tmp_path / "doctor.service").read_text(), re.MULTILINE)
    assert line
    ended = ran(*line[1].split())
    assert ended.code == 1, ended.said
    assert "policy-ram" in ended.said
    assert "policy-ram" in metrics.read_text()
    linted = subprocess.run(
        [engine("promtool"), "check", "metrics"],
        input=metrics.read_bytes(),
        capture_output=True,
        check=False,
    )
    assert linted.returncode == 0, linted.stderr
    ended = ran(
        engine("systemd-analyze"), "verify", tmp_path / "doctor.service", tmp_path / "doctor.timer"
    )
    assert (ended.code, ended.said) == (0, "")


@pytest.mark.parametrize(
    ("check", "sinfo", "says"),
    [
        ("echo '{broken'; exit 0", "true", "line-1 doctor: not reached"),
        ("exit 1", "true", "no snapshot on standard input"),
        ("exit 2", "true", "undecided"),
        ("true", "sleep 70", "Slurm gave no answer in 25 s"),
    ],
)
def test_a_health_program_that_can_not_tell_says_so(tmp_path, check, sinfo, says):
    """Within the minute that slurmd gives it; sinfo and the log are stand-ins."""
    own = f'[ "$1" = check ] && {{ {check}; }}; exec {DOCTOR} "$@"'
    for name, does in {
        "doctor": own,
        "sinfo": sinfo,
        "logger": f'echo "$@" >>{tmp_path}/log',
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "doctor.toml").write_text("")
    told = {
        "doctor": tmp_path / "doctor",
        "config": tmp_path / "doctor.toml",
        "PATH": Path(f"{tmp_path}:/usr/bin:/bin"),
    }
    began = time.monotonic()
    assert ran("sh", adapted("slurm/health.sh", tmp_path / "health", **told)).code == 0
    assert time.monotonic() - began < 60
    assert says in (tmp_path / "log").read_text()


@pytest.fixture
def cluster(tmp_path):
    config = tmp_path / "doctor.toml"
    config.write_text('[policy]\nshm = "1 GiB"\n')
    work = tmp_path / "slurm"
    work.mkdir()
    health = work / "health"
    told = {"doctor": DOCTOR, "config": config, "slurm_conf": work / "slurm.conf"}
    adapted("slurm/health.sh", health, **told)
    adapted("slurm/prolog.sh", work / "prolog", health=str(health))
    made = Cluster(work, {"good": "2g", "broken": "64m", "theirs": "2g"})
    yield made
    made.stop()


@MINUTES
@AS_ROOT
def test_slurm_drains_what_cannot_train_and_resumes_that_alone(cluster):
    mine, theirs = "drain.* doctor: policy-shm .node.", "drained disk by Ada"
    cluster.until(["idle", mine, "idle"])
    cluster.asked("scontrol", "update", "NodeName=theirs", "State=DRAIN", f"Reason={theirs[8:]}")
    config = cluster.work.parent / "doctor.toml"

    config.write_text(POLICIES["malformed"])  # nothing can be told
    time.sleep(5)
    cluster.until(["idle", mine, theirs])
    user = "[policy.variables]\nNO_SUCH_VARIABLE = true\n"  # no fault of a node
    config.write_text(user)
    time.sleep(5)
    cluster.until(["idle", "idle", theirs])
    config.write_text(f'[policy]\nshm = "64 GiB"\n{user}')  # now all are broken
    cluster.until([mine, mine, theirs])
    config.write_text(f'[policy]\nram = "900 TiB"\n{user}')  # for another reason
    cluster.until(["drain.* doctor: policy-ram .node."] * 2 + [theirs])
    config.write_text(user)  # and now they are cured, but for what is a user's
    cluster.until(["idle", "idle", theirs])
    time.sleep(5)
    cluster.until(["idle", "idle", theirs])


@MINUTES
@AS_ROOT
def test_a_prolog_keeps_a_job_from_a_node_with_the_cause(cluster):
    cluster.until(["idle", "drained", "idle"])
    cluster.health_every(0)  # nobody looks before a job starts
    time.sleep(15)  # and who looked already has ended, on a slow machine too
    (cluster.work.parent / "doctor.toml").write_text('[policy]\nshm = "64 GiB"\n')
    ran_ = cluster.work / "ran"
    cluster.asked("sbatch", "-w", "good", "-o", "/dev/null", "--wrap", f"touch {ran_}")
    cluster.until(["drain.* doctor: policy-shm .node.", "drained", "idle"])
    end = time.monotonic() + 20  # the node is drained while the Prolog still runs
    while "PENDING" not in cluster.asked("squeue", "-h", "-o", "%T"):
        assert time.monotonic() < end
        time.sleep(0.2)
    assert not ran_.exists()
