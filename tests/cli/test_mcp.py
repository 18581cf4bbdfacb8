"""doctor mcp, as the SDK's own client sees it: a server that was really started, and tools on real input."""

import json
import os
import socket
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import psutil
import pytest
from jsonschema import Draft202012Validator
from libraries.running import HELD, made, state, version
from mcp import ClientSession, StdioServerParameters, stdio_client
from typed import doctor, gone, ran, started, until

from tunedoctor.cli.mcp import LARGEST, bounded
from tunedoctor.core.schema import schema_of

READING = [
    *("check", "triage", "explain", "wheel", "set", "fit"),
    *("check_project", "data", "plan_fix"),
]
ERROR = "ImportError: libcudnn.so.9: cannot open shared object file: No such file or directory"


class Agent:
    def __init__(self, session: ClientSession) -> None:
        self.session = session

    async def asks(self, tool: str, **said: Any) -> tuple[bool, Any]:
        """Whether a call went well, and its answer, or what was wrong."""
        result = await self.session.call_tool(tool, said)
        text = getattr(result.content[0], "text", "")
        assert len(text) <= LARGEST
        if result.is_error:
            assert result.structured_content is None
            assert "Traceback" not in text
            return False, text
        assert json.loads(text) == result.structured_content
        return True, result.structured_content


def served(talk: Callable[[Agent], Awaitable[None]], *options: str, cwd: Path, **env: str) -> None:
    around = {
        key: one for key, one in os.environ.items() if key not in ("VIRTUAL_ENV", "CONDA_PREFIX")
    }
    argv = ["-m", "tunedoctor", "mcp", *options]
    how = StdioServerParameters(command=sys.executable, args=argv, env={**around, **env}, cwd=cwd)

    async def whole() -> None:
        async with stdio_client(how) as streams, ClientSession(*streams) as session:
            told = await session.initialize()
            assert "target" in (told.instructions or "")
            await talk(Agent(session))

    anyio.run(whole)


@pytest.fixture
def env(index, tmp_path, monkeypatch):
    """An environment whose libraries clash, and the index that can cure it."""
    monkeypatch.setenv("PIP_INDEX_URL", index.url)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    return made(tmp_path / "work", index.url, *HELD)


def test_an_agent_reads_and_changes_nothing(env, tmp_path):
    before, target = state(env), str(env)

    async def talk(agent):
        tools = (await agent.session.list_tools()).tools
        assert [one.name for one in tools] == READING
        for one in tools:
            Draft202012Validator.check_schema(one.input_schema)
            assert all(row["description"] for row in one.input_schema["properties"].values())
            hints = one.annotations
            assert (hints.read_only_hint, hints.destructive_hint) == (True, False)
            assert hints.open_world_hint is (one.name in ("set", "check_project", "plan_fix"))
            assert hints.open_world_hint is ("over the network" in str(one.description))
            kind = {"check": "report", "triage": "report", "plan_fix": "fix"}.get(
                one.name, one.name
            )
            assert one.output_schema
            if one.name not in ("explain", "check_project"):  # its keys are those of the result
                whole = schema_of(kind)
                rows = whole["$defs"][whole["$ref"].rpartition("/")[2]]["properties"]
                assert {*one.output_schema["properties"]} <= {*rows}
        assert len(json.dumps([one.model_dump(mode="json") for one in tools])) < 15_000

        good, report = await agent.asks("check", target=target)
        whole = json.loads(
            doctor("check", "--target", target, "--format", "json", **os.environ).stdout
        )
        assert good
        assert [one["id"] for one in report["findings"]] == [one["id"] for one in whole["findings"]]
        assert "library-version-clash" in str(report["findings"])
        assert not report.keys() & {"passed", "skipped"}
        assert (await agent.asks("check", target=target, all=True))[1]["passed"] == whole["passed"]
        _, report = await agent.asks("triage", text=ERROR)
        assert [one["id"] for one in report["findings"]] == ["cuda-library-missing"]
        _, report = await agent.asks("triage", text=ERROR, here=True, target=target)
        assert report["target"]["packages"]["transformers"] == "4.57.6"
        assert "What it means" in (await agent.asks("explain", id="torch-cpu-only"))[1]["text"]
        assert "cuda-library-missing" in (await agent.asks("explain", text=ERROR))[1]["text"]
        _, answer = await agent.asks("wheel", platform="linux", gpus=["8.9"], python="3.12")
        assert answer["action"] == "install"
        _, answer = await agent.asks("set", target=target)
        (moved,) = (one for one in answer["packages"] if one["change"] != "kept")
        assert (moved["name"], moved["version"]) == ("huggingface-hub", "0.36.2")
        assert any(line.startswith("starts ") for line in answer["said"])
        _, answer = await agent.asks("fit", model="Qwen/Qwen3-8B", gpu="RTX 4090", method="full")
        assert answer["verdict"] == "doesn't fit"
        _, plan = await agent.asks("plan_fix", target=target)
        assert (plan["end"], plan["predicted"]) == ("planned", ["library-version-clash"])
        assert "sha256" not in json.dumps(plan)
        good, said = await agent.asks("apply_fix", plan=plan["plan_id"])
        assert not good
        assert "--allow-fix" in said

    served(talk, cwd=tmp_path)
    assert state(env) == before


def test_an_agent_judges_a_project_and_training_data(tmp_path, monkeypatch):
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")  # exact pins need no index
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    project, rows = tmp_path / "project", tmp_path / "rows.jsonl"
    project.mkdir()
    (project / "requirements.txt").write_text("torch==2.6.0\n")
    messages = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]
    rows.write_text("".join(json.dumps({"messages": messages[:n]}) + "\n" for n in (2, 1)))

    async def talk(agent):
        good, answer = await agent.asks(
            "check_project", project=str(project), gpu=["RTX 5090", "H100"], platform="linux"
        )
        assert good, answer
        on_5090, on_h100 = answer["reports"]
        assert "gpu-too-new-for-torch" in str(on_5090["findings"])
        assert "gpu-too-new-for-torch" not in str(on_h100.get("findings"))
        good, answer = await agent.asks("check_project", project=str(project), gpu=["RTX 5090"])
        assert good
        assert len(answer["reports"]) == 1
        good, answer = await agent.asks("data", files=[str(rows)])
        assert good
        assert (answer["rows"], answer["faults"][0]["kind"]) == (2, "no-answer")
        good, said = await agent.asks("data", files=[str(tmp_path / "gone.jsonl")])
        assert not good
        assert "gone.jsonl" in said

    served(talk, cwd=tmp_path)


def test_with_allow_fix_it_applies_the_plan_that_it_showed_and_no_other(env, index, tmp_path):
    target = str(env)

    async def talk(agent):
        *_, last = (await agent.session.list_tools()).tools
        assert last.name == "apply_fix"
        assert last.annotations
        assert (last.annotations.read_only_hint, last.annotations.destructive_hint) == (False, True)
        _, plan = await agent.asks("plan_fix", target=target, ids=["library-version-clash"])
        before = state(env)
        for wrong in ("", "0" * 16, "--yes", plan["plan_id"].upper() + "x"):
            good, said = await agent.asks("apply_fix", plan=wrong)
            assert not good
            assert "call it, and show the user its plan" in said
        assert state(env) == before
        # the environment is another one now, and so is the plan
        argv = [sys.executable, "-m", "uv", "pip", "install", "-q", "--no-deps", "--python", target]
        hub = ["huggingface-hub==1.33.0", "--default-index", index.url]
        await anyio.run_process([*argv, *hub])
        before = state(env)
        _, answer = await agent.asks("apply_fix", plan=plan["plan_id"])
        assert (answer["end"], answer["why"]) == ("refused", "the plan has changed since then")
        assert state(env) == before
        _, again = await agent.asks("plan_fix", target=target)
        assert again["plan_id"] != plan["plan_id"]
        _, answer = await agent.asks("apply_fix", plan=again["plan_id"])
        assert answer["end"] == "applied"
        assert (await agent.asks("check", target=target))[1]["verdict"] != "findings"

    served(talk, "--allow-fix", cwd=tmp_path)
    assert version(env) == "0.36.2"


WRONG_CALLS = [
    ("check", {"target": "--format=terminal"}, "verdict"),
    ("check", {"target": "\x00"}, "verdict"),
    ("check", {"target": "a" * 5000}, "of length <= 4096"),
    ("check", {"target": ["/"]}, "target: expected `str`, got `array`"),
    ("check", {"only": ["--self"]}, "no check is called '--self'"),
    ("check", {"source": "/etc/passwd"}, "unknown field `source`"),
    ("check", {"plugin": ["ours"]}, "unknown field `plugin`"),
    ("triage", {}, "missing required field `text`"),
    ("triage", {"text": "x", "target": "/nowhere"}, "add --here"),
    ("explain", {"id": "--list"}, "no check is called"),
    ("explain", {}, "no finding is named"),
    ("explain", {"id": "../../../etc/passwd"}, "no check is called"),
    ("set", {"packages": ["--freeze=here"], "platform": "linux"}, "begins with a dash"),
    (
        "set",
        {"packages": ["x\n--freeze=here"], "platform": "linux", "python": "3.12"},
        "is not a package",
    ),
    ("fit", {"model": "-"}, "begins with a dash"),
    ("fit", {"model": "/dev/zero"}, "/dev/zero"),
    ("fit", {"model": "7B", "method": "; rm"}, "method: invalid enum value '; rm'"),
    (
        "fit",
        {"model": "7B", "batch": 1000000000000000000000000000000},
        "batch: expected `int` <= 65536",
    ),
    ("fit", {"model": "/home/somebody-else/model.gguf"}, "can't be read"),
    ("plan_fix", {"ids": ["--yes"]}, "begins with a dash"),
    ("plan_fix", {"yes": True}, "unknown field `yes`"),
    ("nothing", {}, "there is no tool 'nothing' here"),
]


def test_no_input_becomes_an_option_or_ends_the_server(tmp_path):
    async def talk(agent):
        for name, arguments, words in WRONG_CALLS:
            good, answer = await agent.asks(name, **arguments)
            assert words in str(answer), (name, arguments, answer)
            assert not good or answer["verdict"] == "unknown", (name, arguments, answer)

    served(talk, cwd=tmp_path)
    assert not [*tmp_path.iterdir()]


def test_a_call_that_hangs_ends_alone(tmp_path, uv_cache):
    mute = socket.create_server(("127.0.0.1", 0))  # who calls is never answered
    index = f"http://127.0.0.1:{mute.getsockname()[1]}/simple"

    async def talk(agent):
        asks = partial(agent.asks, "set", packages=["peft"], platform="linux", python="3.12")
        done = list[str]()

        async def hang():
            assert await asks() == (
                False,
                "doctor set gave no answer in 15 s; ask for less, or run it in a shell",
            )
            done.append("set")

        async with anyio.create_task_group() as group:
            group.start_soon(hang)
            assert (await agent.asks("explain", id="no-gpu"))[0]
            done.append("explain")
        assert done == ["explain", "set"]
        assert (await agent.asks("explain", id="no-gpu"))[0]

    served(talk, "--timeout=15", cwd=tmp_path, PIP_INDEX_URL=index)
    # an agent that goes away in the middle takes all along
    params: dict[str, Any] = {"protocolVersion": "2025-06-18", "capabilities": {}}
    params["clientInfo"] = {"name": "a", "version": "1"}
    call = {"name": "set", "arguments": {"packages": ["peft"], "platform": "linux"}}
    with started("mcp", PIP_INDEX_URL=index) as server:
        for said in (
            {"id": 1, "method": "initialize", "params": params},
            {"method": "notifications/initialized"},
            {"id": 2, "method": "tools/call", "params": call},
        ):
            print(json.dumps({"jsonrpc": "2.0", **said}), file=server.stdin, flush=True)
        assert server.stdout.readline()
        pids = until(lambda: psutil.Process(server.pid).children())
        server.stdin.close()
        assert server.wait(100) == 0, "a call may take 300 s"
        assert all(gone(one.pid) for one in pids)


def test_a_long_answer_is_cut_and_says_so():
    small = {"verdict": "ready", "none": [], "hashes": [1], "deep": {"empty": ""}}
    assert bounded(small, ("hashes",)) == {"verdict": "ready"}
    one = {
        "found": "x" * 9000,
        "evidence": ["y" * 500] * 300,
        "more": {str(i): "z" * 90 for i in range(400)},
    }
    cut = bounded({"verdict": "findings", "findings": [one] * 300}, ())
    assert len(json.dumps(cut)) <= LARGEST
    assert cut["verdict"] == "findings"
    assert cut["cut"]
    assert cut["findings"][0]["found"].startswith("xxx")
    assert cut["findings"][-1].endswith(" more")


def test_without_the_extra_it_says_what_brings_it():
    code = (
        "import sys; sys.modules['mcp'] = None; sys.argv = ['doctor', 'mcp']\n"
        "from tunedoctor.__main__ import main; main()"
    )
    ended = ran(sys.executable, "-c", code)
    assert (ended.returncode, ended.stdout) == (2, "")
    (line,) = ended.stderr.splitlines()
    assert "pip install 'tunedoctor[mcp]'" in line
    assert "pip install '.[mcp]'" in line
