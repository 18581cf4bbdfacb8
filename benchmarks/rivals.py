"""doctor, soup-cli and LLaMA-Factory on the same task, on the CPU, offline: seconds, answers, what they say.

    python benchmarks/rivals.py BASE NAME=VENV... [--target VENV] [--threads 1] [--only train|mistakes] > rivals.jsonl

BASE is a folder with config.json, tokenizer and safetensors of SmolLM2-135M-Instruct; NAME is doctor, soup or
llama-factory, as rivals.json has them; --target is what the doctor trains in. Each runs in an empty folder with an
empty home, a row of JSON for each: CPU seconds (its processes together) and seconds of the clock. The hub is a server
on loopback that knows no model.
"""

import argparse
import contextlib
import csv
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any, cast

ROWS = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
README = Path(__file__).parents[1] / "README.md"
TYPO = "HuggingFaceTB/SmolLM2-135M-Instrukt"
FAULT = re.compile(r"^(Error|Warning|unknown|train|doctor(?!: starts))\b|✗|.*: error:")
TRACE = "Traceback (most recent call last)"
LIMIT = 1500  # seconds of the clock that a command may take
PIPES: dict[str, Any] = {"stdin": -1, "stdout": -1, "stderr": subprocess.STDOUT}
Row = dict[str, Any]


class Hub(BaseHTTPRequestHandler):
    """Answers as the hub does for a name that it does not know."""

    def do_GET(self) -> None:
        """Refuse."""
        self.send_response(401)
        self.send_header("X-Error-Code", "RepoNotFound")
        self.send_header("X-Error-Message", "Repository not found")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_POST = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Stay silent."""


class Said:
    """What a command printed, each line with CPU seconds and seconds of the clock until it."""

    def __init__(self, argv: list[str], folder: Path, env: dict[str, str], talk: str = "") -> None:
        """Run it to its end."""
        began = time.monotonic()
        child = subprocess.Popen(argv, cwd=folder, env=env, start_new_session=True, **PIPES)
        inside, outside = cast("IO[bytes]", child.stdin), cast("IO[bytes]", child.stdout)
        with contextlib.suppress(BrokenPipeError):
            inside.write(talk.encode())
            inside.close()
        ends = threading.Timer(LIMIT, child.kill)
        ends.start()
        self.lines: list[tuple[str, float, float]] = []
        rest, most = "", 0.0
        while piece := os.read(outside.fileno(), 65536):
            most = max(most, cpu(child.pid))
            *ready, rest = re.split(r"[\r\n]", rest + piece.decode(errors="replace"))
            self.lines += [(one, most, time.monotonic() - began) for one in ready if one.strip()]
        _, status, used = os.wait4(child.pid, 0)
        ends.cancel()
        self.code = os.waitstatus_to_exitcode(status)
        self.cpu = max(most, used.ru_utime + used.ru_stime)
        self.wall = time.monotonic() - began
        self.lines += [(rest, self.cpu, self.wall)] if rest.strip() else []

    def first(self, pattern: str) -> Row:
        """Return the first line that has a pattern."""
        for text, spent, wall in self.lines:
            if re.search(pattern, text):
                return {"line": clean(text)[:300], "cpu_s": round(spent, 1), "s": round(wall, 1)}
        return {"line": "", "cpu_s": round(self.cpu, 1), "s": round(self.wall, 1)}

    def whole(self) -> Row:
        """Return what it took, and how it ended."""
        return {"code": self.code, "cpu_s": round(self.cpu, 1), "s": round(self.wall, 1)}

    def fault(self) -> Row:
        """Return what it says of a fault: after a traceback its last line, else the first that sounds like one."""
        texts = [(clean(text), spent, wall) for text, spent, wall in self.lines]
        where = [i for i, (text, *_) in enumerate(texts) if TRACE in text]
        ends = re.compile(r"[\w.]+(Error|Exception|Exit)\b") if where else FAULT
        found = [one for one in texts[max(where, default=0) :] if ends.match(one[0])]
        text, spent, wall = (found or texts[-1:] or [("", self.cpu, self.wall)])[0]
        until = {"until_cpu_s": round(spent, 1), "until_s": round(wall, 1)}
        return {**self.whole(), "says": text[:300], **until, "traceback": bool(where)}


def clean(text: str) -> str:
    """Return a line without colours and frames."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).strip(" │╭╮╰╯─\r\n")


def cpu(session: int) -> float:
    """Return CPU seconds of all processes of a session that live, and of the children they waited for."""
    total = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parts = stat.read_text().rpartition(")")[2].split()
            if int(parts[3]) == session:
                total += sum(map(int, parts[11:15]))
    return total / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def place(threads: int) -> Iterator[tuple[Path, dict[str, str]]]:
    """Give an empty folder with the data in each form, and an environment with an empty home and that hub."""
    block = next(
        b for b in README.read_text(encoding="utf-8").split("```")[1::2] if "Who runs" in b
    )
    rows = [json.loads(line) for line in block.splitlines() if line.startswith("{")]
    hub = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=hub.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as home, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines(folder / "facts.jsonl", rows)
        alpaca = [{"instruction": q, "input": "", "output": a} for q, a in map(dict.values, rows)]
        lines(folder / "alpaca.jsonl", alpaca)
        lines(folder / "asked.jsonl", [{"prompt": one} for one, _ in ROWS["questions"]])
        with (folder / "facts.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([["question", "answer"], *(row.values() for row in rows)])
        env = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "SSL_CERT_FILE")}
        env |= {"HOME": home, "OMP_NUM_THREADS": str(threads), "COLUMNS": "240"}
        env |= {"HF_HUB_DISABLE_TELEMETRY": "1", "SOUP_NO_AUDIT_LOG": "1"}
        yield folder, env | {"HF_ENDPOINT": f"http://127.0.0.1:{hub.server_address[1]}"}
    hub.shutdown()


def lines(path: Path, rows: list[Row]) -> None:
    """Write JSON Lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def filled(tool: Row, folder: Path, words: Row) -> list[str]:
    """Write the tool's files; return its command."""
    for name, text in tool["files"].items():
        (folder / name).write_text(text.format(**words), encoding="utf-8")
    return [word.format(**words) for word in tool["train"]]


def trained(name: str, tool: Row, words: Row, threads: int) -> None:
    """Train and ask; print a row."""
    with place(threads) as (folder, env):
        argv = filled(tool, folder, {**words, "data": tool["data"]})
        run = Said(argv, folder, env)
        row = {
            "tool": name,
            "config_lines": sum(text.count("\n") for text in tool["files"].values()),
        }
        row |= {
            "first_line": run.first(r"\w"),
            "first_step": run.first(tool["step"]),
            "train": run.whole(),
        }
        for i, (question, wanted) in enumerate(ROWS["questions"]):
            if i and "answers" in tool:
                break  # all are asked at once
            talk = f"{question}\nexit\n" if tool.get("talk") else ""
            asked = Said(
                [one.format(**words, question=question) for one in tool["ask"]], folder, env, talk
            )
            text = "\n".join(one for one, *_ in asked.lines)
            if "answers" in tool and (folder / tool["answers"]).is_file():
                text = (folder / tool["answers"]).read_text(encoding="utf-8")
            right = (
                [want in text for _, want in ROWS["questions"]]
                if "answers" in tool
                else [wanted in text]
            )
            row.setdefault("asked", []).append(
                {**asked.whole(), "right": right, "tail": clean(text[-300:])}
            )
        print(json.dumps(row, ensure_ascii=False), flush=True)


def mistakes(name: str, tool: Row, words: Row, threads: int) -> None:
    """Make each mistake; print a row for each."""
    for what in (
        "cut line",
        "wrong key",
        "no tokenizer",
        "name with a typo",
        "question/answer CSV",
    ):
        with place(threads) as (folder, env), tempfile.TemporaryDirectory() as less:
            mine, told = dict(tool), {**words, "data": tool["data"]}
            if what == "cut line":
                rows = (folder / tool["data"]).read_text(encoding="utf-8").splitlines()
                (folder / tool["data"]).write_text("\n".join([rows[0], rows[1][:40], rows[2], ""]))
            elif what == "wrong key":
                mine |= {k: v for k, v in tool["with_key"].items() if k in tool}
                if old_new := tool["with_key"].get("replace"):
                    mine["files"] = {k: v.replace(*old_new) for k, v in tool["files"].items()}
            elif what == "no tokenizer":
                for one in Path(words["base"]).iterdir():
                    if "token" not in one.name and one.suffix != ".jinja":
                        (Path(less) / one.name).symlink_to(one)
                told["base"] = less
            elif what == "name with a typo":
                told["base"] = TYPO
            else:
                told["data"] = "facts.csv"
            run = Said(filled(mine, folder, told), folder, env)
            print(
                json.dumps({"tool": name, "mistake": what, **run.fault()}, ensure_ascii=False),
                flush=True,
            )
            told_all = "\n".join(clean(one) for one, *_ in run.lines)
            Path(re.sub(r"\W+", "-", f"{name} {what}") + ".log").write_text(told_all)


def main() -> None:
    """Run what is named."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("base", type=Path)
    options.add_argument("venvs", nargs="+", metavar="NAME=VENV")
    options.add_argument("--target", default="")
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--only", choices=("train", "mistakes"))
    given = options.parse_args()
    for name, _, venv in (one.partition("=") for one in given.venvs):
        if name not in ROWS["tools"]:
            sys.exit(f"{name} is none of {', '.join(ROWS['tools'])}")
        words = {
            "bin": str(Path(venv).resolve() / "bin"),
            "base": str(given.base.resolve()),
            "target": given.target,
        }
        for part in (trained, mistakes):
            if given.only in (None, {trained: "train", mistakes: "mistakes"}[part]):
                part(name, ROWS["tools"][name], words, given.threads)


if __name__ == "__main__":
    main()
