"""Trackers get the log through their own packages; the result goes to a hub, here one on loopback, only if asked."""

import base64
import json
import os
import subprocess
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from torch_target import lacks
from trainers import TRAINER, Ended, Runs
from typed import HANGS

FAKE = """
import sys, types
class Tracker:
    def __init__(self): self.calls = []
    def init(self, **how): print("INIT", how["project"], how["resume"]); return self
    def log(self, values, step):
        if step == 4: raise OSError("the network is gone")
        print("LOG", step, sorted(values))
    def finish(self): print("FINISH")
    def Settings(self, **how): return how
    url = "http://127.0.0.1/run"
sys.modules["{name}"] = Tracker()
"""


def alone(runs: Runs, python: str, *words: str, **variables: str) -> Ended:
    """Run the trainer in a process of its own, which has other variables."""
    env = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HOME": str(runs.folder / "hf"), **variables}
    ended = subprocess.run(
        [python, str(TRAINER), *runs.options, *words], cwd=runs.folder, env=env, capture_output=True,
        text=True, timeout=HANGS, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr + ended.stdout
    return Ended(0, ended.stdout, ended.stderr)


@pytest.mark.parametrize("name", ["trackio", "wandb"])
def test_a_tracker_that_fails_does_not_end_the_training(runs, name):
    code = FAKE.format(name=name)
    told = runs(f"--report-to={name}", code=code, says=(f"{name} fails and is left out",)).out
    log = (runs.folder / "out/train.log").read_text()
    assert "INIT tunedoctor allow" in log
    assert "LOG 3 ['grad_norm', 'loss', 'lr', " in log
    assert "LOG 5" not in log
    assert "Trained for 8 steps" in told
    assert len(runs.log()) == 8


def test_a_resumed_run_continues_its_curves(runs):
    code = FAKE.format(name="wandb").replace('print("INIT"', 'print("ID", how["id"]')
    runs("--report-to=wandb", "--max-steps=2", code=code)
    first = json.loads((runs.folder / "out/trackers.json").read_text())["wandb"]
    runs("--report-to=wandb", "--resume=true", "--max-steps=3", code=code)
    log = (runs.folder / "out/train.log").read_text()
    assert log.count(f"ID {first}") == 2


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("--report-to=nobody", "report_to names 'nobody'"),
        ("--report-to=wandb", "wandb does not load"),
        ("--push-to-hub=name", "write it as owner/name"),
        ("--push-to-hub=a/b", "the hub refuses to push a/b"),
    ],
)
def test_what_can_not_be_reached_is_refused_before_the_training(runs, words, says):
    code = "import sys; sys.modules['wandb'] = None"
    runs(words, status=2, says=(says,), code=code)


def test_wandb_offline(runs, torch_python):
    if lacks("wandb"):
        pytest.skip("the target lacks wandb (pip install wandb)")
    ended = alone(runs, torch_python, "--report-to=wandb", "--max-steps=3", WANDB_MODE="offline")
    assert f"wandb sync {Path('out/wandb')}/offline-run-*" in ended.out
    (data,) = (runs.folder / "out/wandb").glob("offline-run-*/*.wandb")
    assert b"grad_norm" in data.read_bytes()


def test_trackio_local(runs, torch_python):
    if lacks("trackio"):
        pytest.skip("the target lacks trackio (pip install trackio)")
    place = str(runs.folder / "trackio")
    alone(runs, torch_python, "--report-to=trackio", "--max-steps=3", TRACKIO_DIR=place)
    read = (
        "import json, trackio.sqlite_storage as s; run, = s.SQLiteStorage.get_runs('tunedoctor'); "
    )
    read += (
        "print(json.dumps([x.get('loss') for x in s.SQLiteStorage.get_logs('tunedoctor', run)]))"
    )
    env = {**os.environ, "TRACKIO_DIR": place}
    ended = subprocess.run([torch_python, "-c", read], env=env, capture_output=True, text=True, check=False)  # fmt: skip
    assert json.loads(ended.stdout.splitlines()[-1]) == [row["loss"] for row in runs.log()], ended


def test_tensorboard(runs, torch_python):
    if lacks("tensorboard"):
        pytest.skip("the target lacks tensorboard (pip install tensorboard)")
    alone(runs, torch_python, "--report-to=tensorboard", "--max-steps=3")
    (data,) = (runs.folder / "out").glob("events.out.tfevents.*")
    assert b"grad_norm" in data.read_bytes()


class Hub(BaseHTTPRequestHandler):
    """As much of the hub as an upload of small files asks for; notes what it gets."""

    server: Any

    def do_GET(self) -> None:
        self.server.asked.append(f"GET {self.path}")
        is_user = self.path == "/api/whoami-v2"
        known = {"name": "me", "type": "user"} if is_user else {"id": "me/tuned", "sha": "0" * 40}
        self.tell(known)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append(f"POST {self.path}")
        if self.path.endswith("/preupload/main"):
            files = [file["path"] for file in json.loads(body)["files"]]
            modes = [{"path": p, "uploadMode": "regular", "shouldIgnore": False} for p in files]
            self.tell({"files": modes})
        elif "/commit/" in self.path:
            lines = [json.loads(line) for line in body.splitlines()]
            for line in lines:
                if line["key"] == "file":
                    value = line["value"]
                    self.server.files[value["path"]] = base64.b64decode(value["content"])
            url = f"{self.server.url}/me/tuned/commit/{'1' * 40}"
            self.tell({"success": True, "commitOid": "1" * 40, "commitUrl": url})
        else:
            if self.path == "/api/repos/create":
                self.server.made = json.loads(body)
            self.tell({"url": f"{self.server.url}/me/tuned"})

    def tell(self, known: dict[str, Any]) -> None:
        data = json.dumps(known).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def hub():
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        server.url = f"http://127.0.0.1:{server.server_port}"  # type: ignore[attr-defined]
        server.asked, server.files, server.made = [], {}, {}  # type: ignore[attr-defined]
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_the_result_is_pushed_only_if_asked(runs, torch_python, hub):
    env = {"HF_ENDPOINT": hub.url, "HF_TOKEN": "hf_test", "HF_HUB_DISABLE_XET": "1"}
    alone(runs, torch_python, "--max-steps=2", "--out=own", **env)
    assert hub.asked == []
    words = ("--max-steps=2", "--push-to-hub=me/tuned")
    told = alone(runs, torch_python, *words, **env).out
    assert f"uploaded out/final to {hub.url}/me/tuned" in told
    assert "GET /api/whoami-v2" in hub.asked
    assert hub.made.get("private") is True or hub.made.get("visibility") == "private"
    final = runs.folder / "out/final"
    assert set(hub.files) == {path.name for path in final.iterdir()}
    weights = (final / "adapter_model.safetensors").read_bytes()
    assert hub.files["adapter_model.safetensors"] == weights
