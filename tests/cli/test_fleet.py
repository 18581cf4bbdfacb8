"""doctor fleet over files: who is otherwise and why, whatever the files hold; the engines have tests of their own."""

import json
import os
import random
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from museum import facts_of, snapshot_of
from typed import Ran, doctor

from tunedoctor.core.check import judge
from tunedoctor.core.criteria import Criteria
from tunedoctor.core.schema import schema_of
from tunedoctor.model.snapshot import SCHEMA, from_data
from tunedoctor.render.screen import as_json

WELL, SICK = "healthy-rtx4090", "driver-550-with-cu130"


def machine(number: int, base: str = WELL, name: str = "", **changed: Any) -> dict[str, Any]:
    """A snapshot of one machine among equals: Fact__field=value changes it, Fact={"absent": …} all of a fact."""
    facts = json.loads(json.dumps(facts_of(base)))
    dice = random.Random(number)  # noqa: S311  the same machine each time
    facts["Memory"]["value"]["total"] -= dice.randrange(100 << 20)
    facts["Memory"]["value"]["available"] -= dice.randrange(1 << 30)
    for gpu in facts["NvidiaGpus"]["value"]["gpus"]:
        gpu |= {"temperature": dice.randrange(30, 60), "uuid": f"GPU-{dice.getrandbits(60):x}"}
    node = {"host": f"host-{number}", "name": name, "cluster": "Slurm", "boot": f"b{number}"}
    facts["Node"] = {"value": node}
    for key, value in changed.items():
        kind, _, field = key.partition("__")
        facts[kind] = value if not field else {"value": {**facts[kind]["value"], field: value}}
    return {
        "schema": SCHEMA,
        "doctor": "0.1.0",
        "taken": "2026-11-30T10:00:00+00:00",
        "facts": facts,
    }


def write(folder: Path, *machines: dict[str, Any]) -> Path:
    folder.mkdir(exist_ok=True)
    for number, one in enumerate(machines):
        (folder / f"n{number}.json").write_text(json.dumps(one, indent=1))
    return folder


def fleet(folder: Path, *argv: str, **how: Any) -> dict[str, Any]:
    ran = doctor("fleet", "--from", str(folder), "--format", "json", *argv, **how)
    told: dict[str, Any] = json.loads(ran.stdout)
    jsonschema.validate(told, schema_of("fleet"))
    return {**told, "code": ran.returncode, "err": ran.stderr}


def test_the_odd_one_leads_with_what_explains_its_finding(tmp_path: Path) -> None:
    """A driver that is too old for what all others run with it; and a full disk, which is never the same on two."""
    good = facts_of(SICK)["NvidiaDriver"]["value"] | {
        "version": "580.95.05",
        "cuda": "13.0",
        "library": "580.95.05",
    }
    disks = facts_of(WELL)["Disks"]["value"]["disks"]
    full = [{**one, "free": 1 << 20} for one in disks]
    some = [machine(n, SICK, NvidiaDriver={"value": good}) for n in range(40)]
    some[17] = machine(17, SICK)
    some[23] = machine(23, SICK, NvidiaDriver={"value": good}, Disks__disks=full)
    told = fleet(write(tmp_path / "f", *some))
    assert told["code"] == 1
    nodes = {one["node"]: one for one in told["nodes"]}
    assert "driver-too-old" in nodes["n17"]["findings"]
    assert "disk-full" in nodes["n23"]["findings"], (
        "equal in what tells something, but not in what is free"
    )
    assert sum(one["verdict"] == "findings" for one in told["nodes"]) == 2
    first = {tuple(one["nodes"]): one for one in reversed(told["odd"])}
    assert {*first} == {("n17",), ("n23",)}, "nothing else differs but noise"
    assert first["n17",]["fact"].startswith("NvidiaDriver.")
    assert first["n17",]["explains"] == ["driver-too-old"]
    assert first["n17",]["others"]["count"] == 39
    assert first["n23",]["fact"].startswith("Disks.disks[")
    assert "disk-full" in first["n23",]["explains"]
    assert {*told["groups"][0]["nodes"]} == {f"n{n}" for n in range(40)} - {"n17", "n23"}
    screen = doctor("fleet", "--from", str(tmp_path / "f"))
    assert screen.returncode == 1
    assert (
        "n17: NvidiaDriver.version 550.144.03, 39 others 580.95.05: driver-too-old" in screen.stdout
    )
    assert screen.stdout.splitlines()[-1].startswith("  doctor explain ")


def test_of_a_card_or_port_the_one_value_is_named_that_a_finding_goes_by(tmp_path: Path) -> None:
    """Never its UUID, temperature or free memory, which differ on all machines."""
    told = {
        3: ("hgx-nvlink-errors-often", "nvlink-errors", "NvidiaGpus.gpus[5].nvlink_errors"),
        5: ("hgx-port-fell", "infiniband-down", "Rdma.ports[mlx5_5].state"),
        7: ("zombie-holds-gpu-memory", "gpu-process-left", "NvidiaGpus.gpus[0].processes[2834]"),
    }
    some = [machine(n, told[n][0] if n in told else "healthy-hgx-h100") for n in range(12)]
    odd = fleet(write(tmp_path / "f", *some))["odd"]
    found = {one["node"]: (*one["explains"], one["fact"]) for one in odd if one["explains"]}
    assert found == {f"n{n}": (id_, fact) for n, (_, id_, fact) in told.items()}
    screen = doctor("fleet", "--from", str(tmp_path / "f")).stdout
    assert screen.splitlines()[-1] == "  doctor explain infiniband-down", "the worst"


def test_another_torch_is_one_row_and_rarer_is_first(tmp_path: Path) -> None:
    some = [machine(n) for n in range(40)]
    for number in (3, 5, 7, 9, 11, 13, 15, 17, 19, 21):
        some[number]["facts"]["Host"]["value"]["kernel"] = "5.15.0-1"
    other = some[30]["facts"]
    other["TorchBuild"]["value"]["version"] = "2.8.0+cu128"
    for one in other["Packages"]["value"]["distributions"][:9]:
        one["version"] += ".post1"
    for number in range(20):  # half of them have something of their own, which is noise
        some[number]["facts"]["Environment"]["value"]["variables"]["LANG"] = f"job-{number}"
    some[35]["facts"]["Memory"]["value"]["total"] = 100 << 30
    told = fleet(write(tmp_path / "f", *some))
    assert [one["nodes"] for one in told["odd"][:2]] == [["n30"], ["n35"]]
    torch, memory, kernel, *same = told["odd"]
    assert [one["node"] for one in (kernel, *same)] == kernel["nodes"]
    assert torch["more"] >= 9
    assert torch["bits"] > 2 * kernel["bits"]
    assert (memory["fact"], memory["others"]["count"]) == ("Memory.total", 39), (
        "sizes nearly alike are one"
    )
    assert (kernel["fact"], len(kernel["nodes"])) == ("Host.kernel", 10)
    assert told["common"] == [one["finding"]["id"] for one in told["causes"] if one["count"] == 40]


def test_what_is_usual_elsewhere_is_odd_in_its_pool(tmp_path: Path) -> None:
    """Two pools on purpose, in processor, kernel and driver: one of the first has the kernel of the second."""
    pools = (("570.1", "5.15.0-1", "EPYC"), ("580.1", "6.8.0-1", "Ryzen"))
    some = [machine(n) for n in range(60)]
    for number, one in enumerate(some):
        driver, kernel, cpu = pools[number % 2]
        one["facts"]["NvidiaDriver"]["value"]["version"] = driver
        one["facts"]["Host"]["value"]["kernel"] = pools[1][1] if number == 30 else kernel
        one["facts"]["Cpu"]["value"]["model"] = cpu
    (odd,) = fleet(write(tmp_path / "f", *some))["odd"]
    assert (odd["node"], odd["fact"], odd["value"]) == ("n30", "Host.kernel", "6.8.0-1")
    assert (odd["others"]["value"], odd["others"]["count"]) == ("5.15.0-1", 29)
    assert odd["others"]["among"] in ("Cpu.model EPYC", "NvidiaDriver.version 570.1")


def test_names_files_and_what_is_no_snapshot(tmp_path: Path) -> None:
    """One bad file is a row and never an end; nothing overwrites anything, and no name of a file marks anything up."""
    folder = write(tmp_path / "f", machine(0), machine(1, name="gpu-7"), machine(2, name="gpu-7"))
    (folder / "n9.json").write_text("{")
    (folder / "no.txt").write_text("not looked at")
    (folder / "deep").mkdir()
    later = {**machine(0, SICK), "taken": "2026-11-30T05:00:00-06:00"}
    (folder / "deep" / "n0.json").write_text(json.dumps(later))
    (folder / "n10.json").write_text((folder / "n1.json").read_text().replace("gpu-7", "gpu-70"))
    (folder / "deep" / "array.json").write_text("[" * 100_000)
    (folder / "deep" / "huge.json").write_bytes(b" " * (17 << 20))
    (folder / "deep" / "\x1b[31m<b>.json").write_text("{}")
    os.mkfifo(folder / "deep" / "pipe.json")
    report = judge(snapshot_of(SICK), Criteria())
    (folder / "report.json").write_text(as_json(report))
    shell = as_json(report).replace('"driver-too-old"', '"x; sh\\nNext: y"')
    (folder / "shell.json").write_text(shell)
    (folder / "two.jsonl").write_text(f"\n{json.dumps(machine(4))}\n \nno\n")
    told = fleet(folder, "--from", str(tmp_path / "gone.json"))
    names = {one["node"]: one["findings"] for one in told["nodes"] if one["reached"]}
    assert [*names] == ["gpu-7", "gpu-7#2", "gpu-70", "n0", "report", "two-2"], (
        "by number, not by letter"
    )
    assert told["older"] == {"n0": 1}
    assert "driver-too-old" in names["n0"], "the newest counts"
    assert "Older answers, ignored\n    n0: 1\n" in doctor("fleet", "--from", str(folder)).stdout
    assert {*told["unreached"]} >= {"n9", "array", "huge", "pipe", "gone", "shell", "two-4"}
    assert not {"two-1", "two-3"} & {*told["unreached"]}, "an empty line is none"
    assert all(told["unreached"].values())
    assert "not a regular file" in told["unreached"]["pipe"]
    assert told["counts"]["unreached"] == len(told["unreached"])
    assert told["code"] == 1, "a finding goes before what was not reached"
    page = doctor("fleet", "--from", str(folder), "--format", "html").stdout
    assert "<b>" not in page
    assert "\x1b" not in page + doctor("fleet", "--from", str(folder)).stdout


def test_what_a_newer_doctor_tells_besides_is_left_out_and_said(tmp_path: Path) -> None:
    """The rest of its answer counts, in experiments too; a value of another kind is no such thing."""
    good = {**facts_of(SICK)["NvidiaDriver"]["value"], "version": "580.95.05", "cuda": "13.0"}
    some = [machine(n, SICK, NvidiaDriver={"value": good}) for n in range(9)]
    some[4] = machine(4, SICK)
    for one in (some[4], some[5]):
        facts = one["facts"]
        facts |= {"Quantum": {"value": {"x": 1}}, "\x1b[2Jd`": {"odd": 1}}
        facts["Host"]["value"]["moon"] = {"a": [1]}
        facts["NvidiaGpus"]["value"]["gpus"][0]["weight"] = 9
    some[6]["facts"]["Host"]["value"]["wsl"] = 7
    told = fleet(write(tmp_path / "f", *some))
    new = {"Host.moon": 2, "NvidiaGpus.gpus[].weight": 2, "Quantum": 2, "d`": 2}
    assert (told["left_out"], {*told["unreached"]}) == (new, {"n6"})
    assert (told["odd"][0]["node"], told["odd"][0]["explains"]) == ("n4", ["driver-too-old"])
    screen = doctor("fleet", "--from", str(tmp_path / "f")).stdout
    assert "Ignored: from newer doctor versions, unknown here\n" in screen
    assert "    Host.moon: 2 answers\n" in screen


def test_an_act_goes_by_each_nodes_own_cause(tmp_path: Path) -> None:
    """Of two that are told of under one name none counts; where nothing counts nobody is well."""
    disks = facts_of(WELL)["Disks"]["value"]["disks"]
    full, low = (
        {"Disks__disks": [{**one, "free": n} for one in disks]} for n in (1 << 20, 9 << 30)
    )
    ours, twice = machine(2, SICK, "n2", **low), [machine(n, WELL, "n3", **full) for n in (3, 4)]
    folder = write(
        tmp_path / "f", machine(1, WELL, "10.0.0.1", **full), ours, machine(9, name="n9"), *twice
    )
    write(tmp_path / "well", machine(5, name="n5"))
    out = "10.0.0.1|idle|none\nn2|idle|a line\nand one|more\nn3|idle|none\nn5|drained|doctor: gpu-faulty [node] x"
    tools = {"sinfo": f"echo '{out}'", "scontrol": f'echo "$@" >>{tmp_path}/log'}
    tools["ssh"] = "echo at https://ada:pass-3word@host >&2; exit 255"
    for name, does in tools.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / name).chmod(0o755)
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    told = fleet(folder, "--drain", "--yes", "--at-most", "9", "--max-age", "87600", **path)
    assert told["err"].splitlines()[-1].startswith("drain  10.0.0.1  doctor: disk-full [node]")
    assert (tmp_path / "log").read_text().count("NodeName") == 1
    assert (
        "10.0.0.1" in next(c for c in told["causes"] if c["finding"]["id"] == "disk-full")["nodes"]
    )
    undo = ("--undrain", "--yes", "--max-age", "87600")
    never = fleet(tmp_path / "well", *undo, "--fail-on", "never", **path)
    assert never["err"].startswith("left alone  n5  ")
    assert "undrain  n5" in fleet(tmp_path / "well", *undo, **path)["err"]
    write(tmp_path / "full", machine(5, name="n5", **full))
    for words in ("--skip=disk-full", "--fail-on=never"):
        part = doctor("check", "--from", str(tmp_path / "full/n0.json"), "--format=json", words)
        (tmp_path / "part.json").write_text(part.stdout)
        assert "not reported ready" in fleet(tmp_path / "part.json", *undo, **path)["err"], words
    asked = doctor("fleet", "--ssh", "h", "--format", "json", **path)
    assert "https://" in json.loads(asked.stdout)["unreached"]["h"]
    assert "pass-3word" not in asked.stdout
    none = doctor("fleet", "--ssh", "h", PATH=str(folder))
    assert (none.returncode, none.stdout) == (2, "")
    assert "there is no command `ssh` on PATH" in none.stderr


def test_exit_codes_and_the_policy(tmp_path: Path) -> None:
    folder = write(tmp_path / "f", *(machine(n) for n in range(3)))
    assert fleet(folder)["code"] == 0
    (tmp_path / "doctor.toml").write_text("[policy]\ngpus = 8\n")
    asked = fleet(folder, cwd=tmp_path)
    assert asked["code"] == 1
    assert "policy-gpus" in asked["common"]
    assert (
        fleet(folder, "--config", str(tmp_path / "doctor.toml"), "--profile", "node")["code"] == 1
    )
    (folder / "bad.json").write_text("")
    assert fleet(folder)["code"] == 2
    bare: dict[str, Any] = {
        kind: {"absent": "no environment was looked at"}
        for kind in ("Packages", "TorchBuild", "Interpreter")
    }
    node = machine(
        1, **bare, Target={"value": {"asked": "", "chosen_by": "none", "problem": "none."}}
    )
    assert fleet(write(tmp_path / "node", node))["code"] == 0, "no environment was to be looked at"
    assert fleet(tmp_path / "node", "--profile", "project")["code"] == 2


def test_json_lines_and_what_changed_since(tmp_path: Path) -> None:
    lines = [json.dumps(machine(n, name=f"n{n}")) for n in range(4)]
    long = lines[0] + " " * (33 << 20)
    first = doctor("fleet", "--from", "-", "--format", "json", stdin="\n".join([*lines, "oops"]))
    assert first.returncode == 2
    assert {*json.loads(first.stdout)["unreached"]} == {"line-5"}
    cut = doctor(
        "fleet", "--from", "-", "--format", "json", stdin="\n".join([*lines, long, lines[0]])
    )
    told = json.loads(cut.stdout)
    assert told["unreached"] == {
        "line-5": "skipped a line of more than 16 MiB; a snapshot has about 0.1"
    }
    assert told["older"] == {"n0": 1}
    (tmp_path / "last.json").write_text(first.stdout.replace('"line-5"', '"line-5\\u001b[2J"'))
    later = [
        *lines[1:3],
        json.dumps(machine(3, SICK, name="n3")),
        json.dumps(machine(9, name="n9")),
    ]
    later[0] = later[0].replace('"boot": "b1"', '"boot": "b77"')
    now = doctor(
        "fleet",
        "--from",
        "-",
        "--format",
        "json",
        "--diff",
        str(tmp_path / "last.json"),
        stdin="\n".join(later),
    )
    since = json.loads(now.stdout)["since"]
    assert (since["new"], since["gone"]) == (["n9"], ["line-5", "n0"])
    assert {*since["changed"]} == {"n1", "n3"}
    assert since["changed"]["n1"] == ["ready", "rebooted"]
    who = json.loads(now.stdout)["nodes"][0]
    assert [who[key] for key in ("node", "host", "boot", "doctor")] == [
        "n1",
        "host-1",
        "b77",
        "0.1.0",
    ]
    assert since["changed"]["n3"][:2] == ["ready -> findings", "+driver-too-old"]
    refused = doctor(
        "fleet", "--from", "-", "--diff", str(write(tmp_path / "g", machine(1)) / "n0.json")
    )
    assert refused.returncode == 2
    assert "not an earlier result" in refused.stderr


def test_who_is_slow_stands_out(tmp_path: Path) -> None:
    smoke = {"stages": [], "device": "cuda:0", "kind": "cuda", "device_name": "RTX"}
    speeds = [1000.0 + n for n in range(12)]
    speeds[5] = 400.0
    speeds += [1e308, -1e308]  # no speed of anything
    some = [
        machine(n, Smoke={"value": {**smoke, "tokens_per_second": v}}) for n, v in enumerate(speeds)
    ]
    (spread,) = fleet(write(tmp_path / "f", *some))["times"]
    assert (spread["what"], spread["device"], spread["count"]) == ("tokens_per_second", "RTX", 12)
    assert spread["stragglers"] == {"n5": 400.0}
    assert 400 < spread["limit"] < spread["median"]


def test_each_card_is_held_against_all_others_of_its_name(tmp_path: Path) -> None:
    """One product of one card, one node's links, and another kind of card that is slower as a whole."""
    some = []
    for n in range(16):
        name, part = ("H100", 1.0) if n < 12 else ("L40S", 0.4)
        cards: list[dict[str, Any]] = [
            {"device": f"cuda:{c}", "name": name, "gemm": {"bfloat16": (800 + n + c) * part}, "memory": 2900 * part, "h2d": 50 - 8 * (c % 2), "d2h": 0.0}
            for c in range(4)
        ]  # fmt: skip
        if n == 7:
            cards[2]["gemm"]["bfloat16"] = 620.0
        node = {"cards": cards, "ranks": 4, "all_reduce": 210.0 if n == 3 else 430.0 * part}
        smoke = {"stages": [], "device": "cuda:0", "kind": "cuda", "device_name": name}
        some.append(machine(n, Smoke={"value": {**smoke, "node": node}}))
    folder = write(tmp_path / "f", *some)
    told = {(one["what"], one["device"]): one for one in fleet(folder)["times"]}
    some[5]["facts"]["Smoke"]["value"] |= {
        "stages": [{"name": "speed cuda:1", "outcome": "failed", "error": "cuda:1, H100: 56%"}],
        "reason": "slow-card",
    }
    some[6]["facts"]["Smoke"]["value"]["stages"] = [{"name": "train", "outcome": "crashed"}]
    fails = [
        one
        for one in fleet(write(folder, *some))["causes"]
        if one["finding"]["id"] == "smoke-fails"
    ]
    assert [(one["nodes"], one["finding"]["severity"]) for one in fails] == [
        (["n5", "n6"], "error")
    ]
    assert "cuda:1, H100: 56%" in doctor("check", "--from", str(folder / "n5.json")).stdout
    assert doctor("explain", "smoke-fails").returncode == 0
    slow = {key: one["stragglers"] for key, one in told.items() if one["stragglers"]}
    assert slow == {("bfloat16", "H100"): {"n7 cuda:2": 620.0}, ("all_reduce", "4 x H100"): {"n3": 210.0}}  # fmt: skip
    assert {(key[0], one["count"]) for key, one in told.items() if key[1] == "L40S"} >= {("h2d", 16)}  # fmt: skip
    screen = " ".join(doctor("fleet", "--from", str(folder)).stdout.split())
    assert "bfloat16 products of H100: median 807 TFLOP/s, half of 48 between" in screen
    assert "; slower: n7 cuda:2 620 " in screen
    prometheus = doctor("fleet", "--from", str(folder), "--format", "prometheus").stdout
    assert "tokens_per_second" not in prometheus, "nobody measured that"


class Page(HTMLParser):
    """Reads a page, and what it would load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.cells: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.loads += [value for name, value in attrs if name in ("src", "href")]
        self.cells += [dict(attrs).get("class", "")] if tag == "td" else []


def test_formats(tmp_path: Path) -> None:
    folder = write(tmp_path / "f", *(machine(n) for n in range(5)), machine(5, SICK))
    (folder / "n6.json").write_text("no")
    alike = write(
        tmp_path / "z", *(machine(n, base, "z" * 100) for n, base in ((7, WELL), (8, SICK)))
    )
    lines = doctor("fleet", "--from", str(folder), "--format", "line").stdout.splitlines()
    assert lines[5].startswith("n5 doctor: driver-too-old [")
    assert lines[0] == "n0 doctor: ready"
    assert lines[6].startswith("n6 doctor: not reached: ")
    assert max(map(len, lines)) <= 80 + len("n0 ")
    out, metrics = tmp_path / "out.html", tmp_path / "fleet.prom"
    ran = doctor(
        "fleet",
        "--from",
        str(folder),
        "--output",
        f"html={out}",
        "--output",
        f"prometheus={metrics}",
    )
    assert ran.returncode == doctor(*ran.args[3:]).returncode == 1, "its own are written over"
    page = Page(out.read_text())
    assert not page.loads
    assert {"error", "unreached"} <= {*page.cells}
    text = metrics.read_text()
    assert 'doctor_fleet_node_ready{node="n5"} 0' in text
    assert 'doctor_fleet_nodes{verdict="unreached"} 1' in text
    series = doctor("fleet", "--from", str(alike), "--format", "prometheus").stdout.splitlines()
    assert len({one.rpartition(" ")[0] for one in series[2:]}) == len(series[2:]), "none twice"
    if promtool := shutil.which("promtool"):
        subprocess.run([promtool, "check", "metrics"], input=text, text=True, check=True)


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        ([], "--from"),
        (["--from", "x", "--slurm"], "--from and --slurm"),
        (["--from", "x", "--smoke"], "leave out"),
        (["--from", "."], "no snapshot found in .: names end in .json or .jsonl"),
        (["--ssh", "h", "--smoke", "--profile", "node"], "leave out --profile"),
        (["--from", "x", "--undrain", "--only", "disk-full"], "leave out --only"),
        (["--from", "x", "--yes"], "add --drain"),
        (["--from", "x", "--drain", "--at-most=0"], "--at-most: 0 is not in the range 1<=x"),
        (["--from", "x", "--manifest"], "add --kubernetes"),
        (["--from", "x", "--output", "sarif=x"], "formats: json, html, prometheus"),
        (["--from", "x", "--diff", "/no/such"], "/no/such"),
        (["--from", "x", "--only", "driver-to-old"], "driver-too-old"),
    ],
)
def test_misuse(argv: list[str], says: str, tmp_path: Path) -> None:
    ran: Ran = doctor("fleet", *argv, cwd=tmp_path)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert says in ran.stderr


def test_thousands_are_judged_by_two_processes_as_by_one(tmp_path: Path) -> None:
    """Each as `doctor check --from` judges it alone, whatever was remembered of others; 800 in a few seconds."""
    bases = [WELL, SICK, "torch-cpu-only-on-gpu-machine", "healthy-a100-with-cuda-compat"]
    bases = [one for one in bases if _there(one)]
    some = [machine(n, bases[n % len(bases)]) for n in range(800)]
    for n in (100, 501):
        some[n]["facts"]["Disks"]["value"]["disks"][0]["free"] = 1 << 20
    some[700]["facts"]["Environment"]["value"]["variables"] |= {f"V{n}": "" for n in range(50_000)}
    folder, began = write(tmp_path / "f", *some), os.times()
    told = fleet(folder)
    assert sum(os.times()[2:4]) - sum(began[2:4]) < 20, "CPU of the doctor"
    nodes = {one["node"]: one for one in told["nodes"]}
    for n in (0, 1, 2, 3, 100, 501, 799):
        report = judge(from_data(some[n]), Criteria())
        assert nodes[f"n{n}"]["findings"] == [one.id for one in report.findings], n
        assert nodes[f"n{n}"]["verdict"] == report.verdict


def _there(name: str) -> bool:
    try:
        return bool(facts_of(name))
    except KeyError:
        return False
