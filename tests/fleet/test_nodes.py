"""The doctor on nodes: what it is brought as, what it leaves, hosts by a real sshd, and a real Slurm of four."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import zlib
from base64 import encodebytes
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from integrations.cluster import Cluster
from planting import plant
from probes.test_nvidia import compiled
from torch_target import WHY_NOT, torch_target
from typed import until

from tunedoctor.fleet import payload
from tunedoctor.fleet.drain import plan, refusal
from tunedoctor.fleet.fanout import replies
from tunedoctor.fleet.ray import collect
from tunedoctor.fleet.reply import CollectOptions, Reply
from tunedoctor.system import child

DOCTOR = Path(sys.executable).with_name("doctor")
SSHD = shutil.which("sshd", path="/usr/sbin:/usr/bin")
AS_ROOT = pytest.mark.skipif(
    not shutil.which("apt-get") or os.name != "posix" or os.geteuid() != 0,
    reason="root on Debian makes the cluster",
)
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="nodes of clusters are Linux")


def bare(tmp: Path) -> str:
    """A PATH without a doctor, with the Python that this one's environment was made of."""
    (tmp / "python").mkdir(exist_ok=True)
    if not (python := tmp / "python" / f"python3.{sys.version_info[1]}").is_symlink():
        python.symlink_to(Path(sys.executable).resolve())
    return f"{tmp}/python:/usr/bin:/bin"


def node(tmp: Path, sent: bytes, **more: str) -> "subprocess.Popen[bytes]":
    (tmp / "t").mkdir(exist_ok=True)
    env = {"PATH": bare(tmp), "HOME": str(tmp), "TMPDIR": str(tmp / "t"), **more}
    (tmp / "sent").write_bytes(sent)
    with (tmp / "sent").open("rb") as stdin:
        argv = ["sh", "-c", payload.COMMAND]
        return subprocess.Popen(argv, env=env, stdin=stdin, stdout=subprocess.PIPE)


def said(words: str, cwd: Path, env: Mapping[str, str] = os.environ) -> Any:
    argv = [DOCTOR, *words.split(" ")]
    return subprocess.run(argv, env=env, cwd=cwd, capture_output=True, text=True, check=False)


def marked(folder: Path) -> list[str]:
    """The processes whose environment names a folder."""
    found = []
    for one in Path("/proc").glob("[0-9]*"):
        try:
            if f"={folder}".encode() in (one / "environ").read_bytes():
                found.append((one / "cmdline").read_text())
        except OSError:
            continue
    return found


def facts(snapshot: bytes) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(snapshot)
    assert told["schema"] == "doctor.snapshot/1"
    return dict(told["facts"])


@pytest.mark.parametrize("words", [("--profile", "node"), ("--profile", "project", "--smoke")])
def test_what_is_brought_tells_as_the_doctor_does_and_is_gone(tmp_path: Path, words: Any) -> None:
    if "--smoke" in words and not torch_target():
        pytest.skip(WHY_NOT)
    more = ("--target", torch_target()) if "--smoke" in words else ()
    sent = payload.payload(CollectOptions(words=("snapshot", *words, *more)))
    assert len(sent) < 1_900_000
    payload._packed.cache_clear()
    assert payload.payload(CollectOptions(words=("snapshot", *words, *more))) == sent
    (tmp_path / "nvml").mkdir()
    gpus = compiled(tmp_path / "nvml", "-DFULL")
    out = node(tmp_path, sent, LD_LIBRARY_PATH=str(gpus)).communicate()[0].decode()
    got = payload.reply("n1", f"a login's banner\n{out}", 1.0)
    assert not got.problem
    assert max(map(len, out.splitlines())) < 80, "srun cuts long lines"
    assert ("value" in facts(got.snapshot)["Smoke"]) == ("--smoke" in words)
    assert "value" in facts(got.snapshot)["NvidiaGpus"]
    assert " failed: " not in got.snapshot.decode(), "what it reads was left out"
    assert not list((tmp_path / "t").iterdir())


@pytest.mark.parametrize("end", ["SIGTERM", "SIGINT", "SIGHUP", "nobody reads", "time"])
def test_stopped_half_way_nothing_stays(tmp_path: Path, end: str) -> None:
    words = ("run", "--", "sleep", "777")
    sent = payload.payload(CollectOptions(words, seconds=15.0 if end == "time" else 600.0))
    started = node(tmp_path, sent)
    (folder,) = until(lambda: list((tmp_path / "t").glob("doctor-copy-*")))
    assert folder.stat().st_mode & 0o777 == 0o700
    if end != "time":  # which can be over before a busy machine has started it
        until(lambda: any(one.startswith("sleep") for one in marked(tmp_path / "t")), 60)
    if end.startswith("SIG"):
        started.send_signal(signal.Signals[end])
    elif end == "nobody reads":
        assert started.stdout
        started.stdout.close()
    assert started.wait(300) in (0, 1)
    assert not list((tmp_path / "t").iterdir())
    until(lambda: not marked(tmp_path / "t"))
    if end == "time":
        assert started.stdout
        assert b"the doctor did not finish in time" in started.stdout.read()


def test_a_node_that_can_not_run_it_says_why(tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("sh", "cat"):
        (tools / name).symlink_to(shutil.which(name) or "")
    sent = payload.payload(CollectOptions())
    none = node(tmp_path, sent, PATH=str(tools)).communicate()[0].decode()
    assert payload.reply("n", none, 0.0).problem == "no Python is on PATH"
    other = sent.replace(f'"{payload._SUFFIX}"'.encode(), b'".cpython-399-riscv.so"')
    said = payload.reply("n", node(tmp_path, other).communicate()[0].decode(), 0.0).problem
    assert "doctor is not installed there" in said
    assert f"is {payload._SUFFIX}" in said
    old = plant(tmp_path, {"old/doctor": "#!/bin/sh\necho old; exit 2\n"}) / "old"
    (old / "doctor").chmod(0o755)
    got = node(tmp_path, sent, PATH=f"{old}:{bare(tmp_path)}").communicate()[0].decode()
    assert facts(payload.reply("n", got, 0.0).snapshot), "one that fails there is not taken"
    told = (
        node(tmp_path, payload.payload(CollectOptions(doctor=str(old / "doctor"))))
        .communicate()[0]
        .decode()
    )
    assert "the doctor ended with 2" in payload.reply("n", told, 0.0).problem


@AS_ROOT
def test_a_full_tmp_and_a_dev_shm_without_exec_are_passed_over(tmp_path: Path) -> None:
    python, name = Path(sys.executable).resolve(), f"python3.{sys.version_info[1]}"
    kept = "mount --bind /tmp /tmp; mount -o remount,bind,ro /tmp; "  # the doctor can lie there
    mounts = "mount -t tmpfs -o noexec x /dev/shm; mount -t tmpfs x /mnt; "
    mounts += f"ln -s {python} /mnt/{name}; ({payload.COMMAND}); ls -A /mnt >&2"

    def told(home: str, how: CollectOptions, tmp: str) -> tuple[str, bytes]:
        env = {"PATH": "/mnt:/usr/bin:/bin", "HOME": home, "TMPDIR": "/proc"}
        sent: Any = {"input": payload.payload(how), "capture_output": True}
        space = ("unshare", "--mount", "sh", "-c", tmp + mounts)
        ended = subprocess.run(space, env=env, check=False, **sent)
        assert ended.stderr.decode() == f"{name}\n", "it left something"
        got = payload.reply("n", ended.stdout.decode(), 0.0)
        return got.problem, got.snapshot

    full = "mount -t tmpfs -o size=64k x /tmp; trap 'ls -A /tmp >&2' EXIT; "
    assert facts(told("/mnt", CollectOptions(), full)[1])
    why, _ = told("/proc", CollectOptions(), full)
    assert re.search("set TMPDIR on the node.*/tmp: No space left on device; ", why)
    assert "/dev/shm is mounted noexec" in why
    there = told("/proc", CollectOptions(doctor=str(DOCTOR)), kept)
    assert facts(there[1]), "one that is there needs no folder"


def test_who_was_about_to_ask_when_it_is_stopped_asks_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread that packs the doctor, as Ctrl-C comes, would wait for all nodes."""
    plant(tmp_path, {"scancel": "#!/bin/sh\n"}).joinpath("scancel").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    go, did = threading.Event(), list[str]()

    def ask(put: Any) -> None:
        put(Reply("n1"))
        go.wait()
        did.append(child.run(["sleep", "3"], timeout=9).death)
        did.append(child.run(["scancel"], timeout=9).how)

    asked = replies([ask], 1)
    next(asked)
    threading.Timer(0.3, go.set).start()
    asked.close()
    assert did == ["OSError: doctor was stopped", "exit"]
    assert child.run(["true"], timeout=9).ok, "of that one alone"


BOMB = encodebytes(zlib.compress(b" " * (64 << 20))).decode()


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ("", "no answer; it printed ''"),
        ("\x1b[31mBus error\x07\n" * 9999, "no answer; it printed"),
        ("doctor-reply \n!!!!", "its answer is cut off or is not valid"),
        (
            "doctor-reply \n" + encodebytes(b"no zlib").decode(),
            "its answer is cut off or is not valid",
        ),
        ("doctor-reply \nok\ndoctor-reply it broke\x1b[2J", "it broke"),
        (f"doctor-reply \n{BOMB}", "its answer is cut off or is not valid"),
    ],
)
def test_what_a_node_prints_can_be_anything(said: str, problem: str) -> None:
    got = payload.reply("n1", said, 2.0)
    assert got.problem.startswith(problem)
    assert got.problem.isprintable()
    assert len(got.problem) < 400


SICK, USERS = "doctor: gpu-faulty [node] reset", "doctor: policy-shm [node] small"
WELL, DOWN = (False, "none", True), (False, "none", False)
HELD = {
    **{f"n{i}": WELL for i in range(20)},
    "mine": (True, SICK, False),
    "theirs": (True, "disk by Ada", False),
    "names": (True, "doctor: fan is loud [Ada]", False),
}
MANY = {f"n{i}": WELL for i in range(40)}


@pytest.mark.parametrize(
    ("verb", "causes", "well", "acts", "left"),
    [
        ("drain", {"n1": SICK}, (), {"n1"}, set()),
        ("drain", dict.fromkeys(("n1", "theirs", "gone", "mine"), SICK), (), {"n1"}, {"theirs", "gone", "mine"}),
        ("drain", {"mine": USERS}, (), {"mine"}, set()),
        ("undrain", {}, ("mine", "theirs", "names", "n1"), {"mine"}, set()),
        ("undrain", {"mine": USERS}, (), set(), {"mine"}),
    ],
)  # fmt: skip
def test_a_plan_leaves_others_alone(verb, causes, well, acts, left):
    got = plan(verb, HELD, causes, well)
    assert ({*got[0]}, {*got[1]}) == (acts, left)


@pytest.mark.parametrize(
    ("acts", "held", "asked", "most", "refused"),
    [
        (3, MANY, 40, 0, ""),
        (
            1,
            HELD,
            23,
            0,
            "4 of the cluster's 23 nodes would be out of service, more than 2; to allow it: --at-most 4",
        ),
        (1, HELD, 23, 4, ""),
        (
            2,
            MANY,
            4,
            0,
            "2 of the requested 4 nodes would be out of service, more than 1; to allow it: --at-most 2",
        ),
        (1, {"n0": WELL, "n1": WELL, "n2": DOWN}, 3, 0, "2 of the cluster's 3 nodes"),
        (1, {"n0": DOWN, "n1": DOWN}, 2, 0, ""),
        (1, {"n0": WELL}, 1, 0, ""),
    ],
)
def test_no_act_empties_a_cluster_or_what_was_asked(acts, held, asked, most, refused):
    """Of n0, n1 ... so many acts; asked were the first."""
    got = refusal([f"n{i}" for i in range(acts)], held, [*held][:asked], most)
    assert got.startswith(refused) if refused else not got


def test_kubectl_is_told_as_little_as_it_needs(tmp_path: Path) -> None:
    """No API server is here: the words that kubectl would get, by one that writes them down."""
    items: list[Any] = [
        {"metadata": {"name": name}, "spec": {}} for name in ("n1", "n2", "n5", "n6")
    ]
    for one in items:
        one["status"] = {"conditions": [{"type": "Ready", "status": "True"}]}
    items[1]["spec"] = {"unschedulable": True}
    script = '#!/bin/sh\n[ "$1" = get ] && exec cat @root/nodes\nprintf "%s|" "$@" >>@root/log\necho >>@root/log\n'
    plant(tmp_path, {"bin/kubectl": script, "p.toml": '[policy]\nram = "9 TiB"\n', "well.toml": ""})
    (tmp_path / "bin/kubectl").chmod(0o755)
    env = {**os.environ, "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}

    def told(words: str, policy: str = "p.toml") -> str:
        (tmp_path / "log").write_text("")
        (tmp_path / "nodes").write_text(json.dumps({"items": items}))
        files = "n1.json n2.json n3.json"
        return str(said(f"fleet --from {files} --config {policy} {words}", tmp_path, env).stderr)

    def patches() -> dict[str, Any]:
        rows = [line.split("|") for line in (tmp_path / "log").read_text().splitlines()]
        how = ["--type=merge", "--field-manager=tunedoctor"]
        assert all(row[:2] + row[3:5] == ["patch", "node", *how] for row in rows)
        return {row[2]: json.loads(row[5].removeprefix("--patch=")) for row in rows}

    for name in ("n1", "n2", "n3"):
        words = f"snapshot --profile node --keep-host -o {name}.json"
        said(words, tmp_path, {**env, "NODE_NAME": name})
    assert "would cordon  n1  doctor: policy-ram [node]" in told("--cordon")
    assert (
        "2 of the cluster's 4 nodes would be out of service, more than 1; to allow it: --at-most 2"
        in told("--cordon --yes")
    )
    assert not patches()
    assert "left alone  n3  unknown to the cluster" in told("--cordon --yes --at-most 2")
    ((_, cordon),) = patches().items()
    why = cordon["metadata"]["annotations"]["tunedoctor/cordon"]
    assert (cordon["spec"], why[:26]) == ({"unschedulable": True}, "doctor: policy-ram [node] ")
    told("--label --yes")
    assert {n: one["metadata"]["labels"] for n, one in patches().items()} == {
        name: {"tunedoctor/cause": "policy-ram"} for name in ("n1", "n2")
    }
    # both carry the doctor's word, and n2 is out by another since
    for one, manager in zip(items, ("tunedoctor", "kubectl-cordon"), strict=False):
        one |= {"spec": {"unschedulable": True}}
        owner = {"manager": manager, "fieldsV1": {"f:spec": {"f:unschedulable": {}}}}
        note = {"manager": "tunedoctor", "fieldsV1": {"f:metadata": {"f:annotations": {}}}}
        one["metadata"] |= {
            "annotations": {"tunedoctor/cordon": why},
            "managedFields": [owner, note],
        }
    assert "left alone  n2  by someone else" in told("--cordon")
    told("--uncordon --yes", "well.toml")
    undone = {
        "metadata": {"annotations": {"tunedoctor/cordon": None}},
        "spec": {"unschedulable": None},
    }
    assert patches() == {"n1": undone}
    old = json.loads((tmp_path / "n1.json").read_text()) | {"taken": "2026-01-02T03:04:05+00:00"}
    plant(tmp_path, {name: json.dumps(old) for name in ("n1.json", "file.json")})
    for words, policy in (("--uncordon --yes", "well.toml"), ("--label --yes", "p.toml")):
        told(words, policy)
        assert "n1" not in patches()
    shown = said("fleet --from file.json --uncordon", tmp_path, env)
    says = r"\n    n1: file.json was taken \d+ days ago, at 2026-01-02 03:04; --max-age"
    assert (shown.returncode, bool(re.search(says, shown.stdout))) == (2, True), shown.stdout
    (tmp_path / "n2.json").write_text('{"taken": "today"}')
    assert "n2.json does not say" in said("fleet --from n2.json --cordon", tmp_path, env).stdout
    told("--uncordon --yes --max-age 80000", "well.toml")
    assert patches() == {"n1": undone}
    items[:] = [{"metadata": {"name": "n4"}, "spec": {}, "status": {}}]
    told("--cordon")
    assert "n4: not ready" in said("fleet --kubernetes", tmp_path, env).stdout
    assert not (tmp_path / "log").read_text(), "kubectl creates no empty list"


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Environment of a user whose configuration of ssh knows well, slow (a port that takes no word) and dark."""
    if SSHD is None or os.geteuid() != 0:
        pytest.skip("no OpenSSH server (apt-get install openssh-server), or not root to run it")
    Path("/run/sshd").mkdir(exist_ok=True)
    for name in ("host", "key"):
        subprocess.run(["ssh-keygen", "-qN", "", "-f", tmp_path / name], check=True)
    port = 20000 + os.getpid() % 10000  # the kernel gives others to who asks for any
    with socket.create_server(("127.0.0.1", 0)) as mute:
        silent = mute.getsockname()[1]
        server = f"Port {port}\nListenAddress 127.0.0.1\nHostKey {tmp_path}/host\nStrictModes no\n"
        server += f"AuthorizedKeysFile {tmp_path}/key.pub\nPidFile none\n"
        around = f'PATH={bare(tmp_path)} TMPDIR={tmp_path}/t exec sh -c "$SSH_ORIGINAL_COMMAND"'
        server += f"ForceCommand {around}\n"  # a login's own files set what they like
        config = f"Host *\n User root\n HostName 127.0.0.1\n IdentityFile {tmp_path}/key\n"
        config += f" UserKnownHostsFile {tmp_path}/known\n StrictHostKeyChecking accept-new\n"
        ports = f"Host well*\n Port {port}\nHost slow\n Port {silent}\nHost dark\n Port 1\n"
        ssh = f'#!/bin/sh\nexec {shutil.which("ssh")} -F @root/config "$@"\n'
        files = {"server": server, "config": ports + config, "bin/ssh": ssh}
        plant(tmp_path, {**files, "list": "well # ours\n\ndark,slow\n"})
        (tmp_path / "t").mkdir()
        # while "hold" is there, what looks at a node takes ten seconds
        smi = "#!/bin/sh\n[ -e @root/hold ] && exec sleep 600\nexit 1\n"
        plant(tmp_path, {"python/nvidia-smi": smi})
        sshd = subprocess.Popen([SSHD, "-D", "-f", tmp_path / "server"])
        try:
            until(lambda: not socket.socket().connect_ex(("127.0.0.1", port)))
            yield {**os.environ, "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
        finally:
            sshd.kill()
            sshd.wait()


def test_hosts_by_ssh(tmp_path: Path, hosts: dict[str, str]) -> None:
    ended = said("fleet --ssh @list --timeout 20 --format json", tmp_path, hosts)
    told = {one["node"]: one for one in json.loads(ended.stdout)["nodes"]}
    assert told["well"]["reached"], told
    assert "refused" in told["dark"]["why"]
    assert "timed out" in told["slow"]["why"]
    assert not list((tmp_path / "t").iterdir())

    (tmp_path / "hold").touch()
    argv = [DOCTOR, "fleet", "--ssh", "well1,well2"]
    with subprocess.Popen(argv, env=hosts, stdout=subprocess.DEVNULL) as started:
        until(lambda: len(list((tmp_path / "t").iterdir())) > 1)
        started.terminate()
        assert started.wait(300) == 143
    until(lambda: not list((tmp_path / "t").iterdir()) and not marked(tmp_path / "t"))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("--ssh=-oProxyCommand=x", "is not a host name"),
        ("--ssh=a$(touch\tx)", "is not a host name"),
        ("--ssh=", "is not a host name"),
        ("--ssh=@none", "none can't be read: No such file"),
        ("--slurm=-x", "is neither a partition nor a list"),
        ("--ssh=h --drain --label", "one at a time"),
        ("--ssh=h --drain --max-age=2", "--max-age needs --from"),
    ],
)
def test_what_names_no_nodes(tmp_path: Path, words: str, says: str) -> None:
    ended = said(f"fleet {words}", tmp_path)
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert says in ended.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.platforms
@AS_ROOT
def test_four_nodes_of_slurm(tmp_path: Path) -> None:  # noqa: PLR0915  one cluster for all
    """One has a small /dev/shm, one another torch, one a sick GPU, one is well."""
    for folder, more in (("gpu", ()), ("sick", ("-DFULL",))):
        (tmp_path / folder).mkdir()
        compiled(tmp_path / folder, *more)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    (site,) = (tmp_path / "venv/lib").glob("python*/site-packages")
    for place, version in ((site, "2.9.1+cu128"), (tmp_path / "older", "2.7.1+cu128")):
        text = f"Metadata-Version: 2.1\nName: torch\nVersion: {version}\n"
        about = {f"torch-{version}.dist-info/{name}": text for name in ("METADATA", "RECORD")}
        plant(place, {**about, "torch/version.py": f"__version__ = '{version}'\ncuda = '12.8'\n"})
    (tmp_path / "doctor.toml").write_text('[policy]\nshm = "1 GiB"\ntorch = "==2.9.1"\n')
    work = tmp_path / "slurm"
    work.mkdir()
    for name in ("prolog", "health"):
        plant(work, {name: "#!/bin/sh\n"})
        (work / name).chmod(0o755)
    also = {
        "torch": f"mount --bind {tmp_path}/older {site}",
        "sick": f"mount --bind {tmp_path}/sick {tmp_path}/gpu",
    }
    shm = {"small": "64m", "torch": "2g", "sick": "2g", "well": "2g"}
    cluster = Cluster(work, shm, port=27800, also=also)
    env = {**os.environ, "SLURM_CONF": str(cluster.conf), "LD_LIBRARY_PATH": f"{tmp_path}/gpu"}
    env |= {
        "VIRTUAL_ENV": f"{tmp_path}/venv",
        "TMPDIR": str(tmp_path / "t"),
        "PATH": bare(tmp_path),
    }
    (tmp_path / "t").mkdir()

    def fleet(words: str = "") -> tuple[dict[str, Any], str]:
        ended = said(f"fleet --slurm --profile project --format json{words}", tmp_path, env)
        assert ended.stdout, ended.stderr
        assert not list((tmp_path / "t").iterdir())
        return json.loads(ended.stdout), ended.stderr

    try:
        cluster.until(["idle"] * 4)
        told, why = fleet(" --drain --yes")
        found = {one["node"]: set(one["findings"]) for one in told["nodes"]}
        assert all(one["reached"] for one in told["nodes"]), told["unreached"]
        wants = {"small": "policy-shm", "torch": "policy-torch", "sick": "gpu-faulty"}
        for name, id_ in wants.items():
            assert id_ in found[name], found
            assert not any(id_ in found[other] for other in found if other != name)
        odd = {(*one["nodes"], id_) for one in told["odd"] for id_ in one["explains"]}
        assert {*wants.items()} <= odd, told["odd"]
        assert (
            "2 of the cluster's 4 nodes would be out of service, more than 1; to allow it: --at-most 2"
            in why
        )
        cluster.until(["idle"] * 4)
        fleet(" --drain --yes --at-most 2")
        states = ["drained doctor: policy-shm .node.", "idle", "drained doctor: gpu-faulty .node."]
        cluster.until([*states, "idle"])
        cluster.asked("scontrol", "update", "NodeName=torch", "State=DRAIN", "Reason=fan | by Ada")
        # the doctor's reason outlives a resumption by hand, but no job and no drain by another, Slurm itself
        cluster.asked("scontrol", "update", "NodeName=sick", "State=RESUME")
        assert re.match(r"idle\W+doctor: gpu-faulty", cluster.told("sick"))
        plant(cluster.work, {"prolog": "#!/bin/sh\nexit 1\n"})
        cluster.asked("srun", "--nodelist=sick", "--immediate=20", "true")
        until(lambda: cluster.told("sick") == "drained Prolog error", 30)
        plant(cluster.work, {"prolog": "#!/bin/sh\n"})
        well = [f"snapshot --profile node --keep-host -o {n}.json" for n in ("sick", "small")]
        for words, name in zip(well, ("sick", "small"), strict=True):
            said(words, tmp_path, {**env, "SLURMD_NODENAME": name})
        ended = said("fleet --from sick.json small.json --undrain", tmp_path, env)
        assert "would undrain  small" in ended.stderr, ended.stderr
        assert "sick" not in ended.stderr
        told, _ = fleet()
        left = told["unreached"]
        assert left["torch"] == "not started: drained (fan | by Ada)"
        assert {*left} == {*wants}
        cluster.asked("scontrol", "update", "NodeName=small,torch,sick", "State=RESUME")
        cluster.until(["idle"] * 4)

        # one that is taken away after Slurm listed it, before the job: a row, and the others come
        srun = f"#!/bin/sh\nscontrol update NodeName=torch State=DRAIN Reason=late\nexec {shutil.which('srun')} "
        plant(tmp_path, {"late/srun": f'{srun}"$@"\n'}).joinpath("late/srun").chmod(0o755)
        env["PATH"], usual = f"{tmp_path}/late:{env['PATH']}", env["PATH"]
        told, _ = fleet()
        assert told["unreached"] == {"torch": "not started: drained (late)"}
        env["PATH"] = usual
        cluster.asked("scontrol", "update", "NodeName=torch", "State=RESUME")
        cluster.until(["idle"] * 4)

        argv = [DOCTOR, "fleet", "--slurm", "small,well"]
        with subprocess.Popen(argv, env=env, cwd=tmp_path, stdout=subprocess.DEVNULL) as started:
            until(lambda: list((tmp_path / "t").iterdir()), 30)
            started.terminate()
            assert started.wait(15) == 143
        until(lambda: not list((tmp_path / "t").iterdir()) and not marked(tmp_path / "t"), 10)
        until(lambda: not cluster.asked("squeue", "-h").strip(), 20)
    finally:
        cluster.stop()


def test_a_node_of_ray_is_told_while_others_are_still_asked(tmp_path, monkeypatch):
    answers = r"""#!/bin/sh
echo '{"name": "n1", "problem": "gone"}'
while [ ! -e go ]; do sleep 0.05; done
echo '{"name": "n2", "problem": "gone"}'
exit 1
"""
    for name in ("ray", "python"):
        plant(tmp_path, {f"bin/{name}": answers}).joinpath("bin", name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    monkeypatch.chdir(tmp_path)
    replies = collect("", CollectOptions((), "", 200))
    assert next(replies).name == "n1"
    (tmp_path / "go").touch()
    assert [one.name for one in replies] == ["n2", "Ray"]
