"""Folders that somebody hostile made, and what doctor says when it meets them.

In files, arguments and variables "@root" is the folder of the test, "@real" the interpreter that runs the tests, "@bin"
its folder, "@own" its environment, "@python" its command, "@lib" the name of its library folder, such as python3.12,
and "@table" a recorded table of nvidia-smi.
"""

from dataclasses import dataclass, field
from typing import Any

from planting import Copy, Fifo, Link, PackedZeros, Socket, SparseFile, numbered


@dataclass(frozen=True)
class Step:
    """A command, and what it must and must not say."""

    argv: list[str]
    code: int | tuple[int, ...] = (0, 1, 2)
    out: list[str] = field(default_factory=list)
    """Words of the output, blanks and line ends as one blank."""
    err: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    """Words that neither stream has."""
    line: list[str] | None = None
    """Words of the one line with which the command is refused."""
    report: dict[str, Any] | None = None
    """A part of the JSON that the command prints; {"in": text} for a text that a part contains."""
    most: dict[str, int] = field(default_factory=dict)
    """How often a text may be printed at most."""
    env: dict[str, str] = field(default_factory=dict)
    cwd: str = ""
    starts: bool = False
    """The command says that it starts the interpreter of the folder."""


@dataclass(frozen=True)
class Hostile:
    """A folder and the commands that are run in it."""

    name: str
    steps: list[Step]
    folder: dict[str, Any] = field(default_factory=dict)
    """Files that several folders have; `files` are written over them."""
    files: dict[str, Any] = field(default_factory=dict)
    many: dict[str, int] = field(default_factory=dict)
    """Empty files by a name with "#" for the number, and how many."""
    config: dict[str, Any] | None = None
    """Fields of config.json that differ from those of a good model."""
    tools: dict[str, str] = field(default_factory=dict)
    """Programs in bin, and what they print."""
    each: list[Any] = field(default_factory=lambda: [None])
    """The case is run once for each of these, which "@each" stands for in the files."""


PACKAGES = {
    "env/pyvenv.cfg": "home = @bin\nversion = 3.11.1\n",
    "env/bin/python": Link("@real"),
    "env/lib/@lib/site-packages/torch-9.9.dist-info/METADATA": "Metadata-Version: 2.1\nName: torch\nVersion: 9.9\n\nbody\n",
    "env/lib/@lib/site-packages/torch-9.9.dist-info/RECORD": "torch/__init__.py,,\ntorch-9.9.dist-info/METADATA,,\n",
    "env/lib/@lib/site-packages/torch/__init__.py": "",
    "env/lib/@lib/site-packages/transformers-9.9.dist-info/METADATA": "Metadata-Version: 2.1\nName: transformers\nVersion: 9.9\n\nbody\n",
    "env/lib/@lib/site-packages/transformers-9.9.dist-info/RECORD": "transformers/__init__.py,,\ntransformers-9.9.dist-info/METADATA,,\n",
    "env/lib/@lib/site-packages/transformers/__init__.py": "",
    "env/lib/@lib/site-packages/torch/version.py": "__version__ = '2.9.1+cpu'\n",
}
CPU_BUILD = {
    "env/pyvenv.cfg": "home = @bin\nversion = 3.11.1\n",
    "env/bin/python": Link("@real"),
    "env/lib/@lib/site-packages/torch-2.13.0+cpu.dist-info/METADATA": "Metadata-Version: 2.1\nName: torch\nVersion: 2.13.0+cpu\n\nbody\n",
    "env/lib/@lib/site-packages/torch-2.13.0+cpu.dist-info/RECORD": "torch/__init__.py,,\ntorch-2.13.0+cpu.dist-info/METADATA,,\n",
    "env/lib/@lib/site-packages/torch/__init__.py": "",
    "env/lib/@lib/site-packages/torch/version.py": (
        "__version__ = '2.13.0+cpu'\ndebug = False\ncuda = None\nhip = None\nxpu = None\n"
    ),
}
THEIRS = {
    ".venv/bin/python": '#!/bin/sh\ntouch @root/started\nexec @real "$@"\n',
    ".venv/pyvenv.cfg": "home = @bin\n",
    ".venv/lib/@lib/site-packages/x.pth": "import os; os.system('touch @root/started')\n",
    "report.txt": "RuntimeError: CUDA error: no kernel image is available\n",
    "rows.jsonl": '{"prompt": "a", "completion": "b"}\n',
    "rows.parquet": "PAR1 no rows PAR1",
    "work": None,
}
INSTALLATION = {
    "env/lib/@lib/site-packages": None,
    "env/lib/@lib/os.py": "",
    "env/include/@lib": None,
    "env/bin/@lib": Copy("@real"),
    "env/bin/python": Link("@lib"),
    "pipe": Fifo(),
}
DATA = {"d.jsonl": '{"text": "a"}\n'}
HOSTILE = [
    Hostile(
        "the control is whole",
        [
            Step(
                ["check", "--target", "@root/env", "-v", "--format", "json"],
                absent=['"id": "broken-install"', "damaged"],
                report={"target": {"packages": {"torch": "2.9.1+cpu", "transformers": "9.9"}}},
            )
        ],
        folder=PACKAGES,
    ),
    Hostile(
        "a field that no pattern reads in time",
        [
            Step(
                ["check", "--target", "@root/env", "-v", "--format", "json"],
                out=["16203 characters"],
                report={"findings": {"in": "peft: its metadata is damaged"}},
            )
        ],
        folder=PACKAGES,
        files={
            "env/lib/@lib/site-packages/peft-9.9.dist-info/METADATA": "Metadata-Version: 2.1\nName: peft\nVersion: 9.9\nRequires-Dist: b; "
            + "extra;" * 2700
            + "\n\nbody\n",
            "env/lib/@lib/site-packages/peft-9.9.dist-info/RECORD": "peft/__init__.py,,\npeft-9.9.dist-info/METADATA,,\n",
            "env/lib/@lib/site-packages/peft/__init__.py": "",
            "env/lib/@lib/site-packages/trl-9.9.dist-info/METADATA": "Metadata-Version: 2.1\nName: trl\nVersion: 9.9\nRequires-Dist: b; "
            + "extra;" * 2700
            + "\n\nbody\n",
            "env/lib/@lib/site-packages/trl-9.9.dist-info/RECORD": "trl/__init__.py,,\ntrl-9.9.dist-info/METADATA,,\n",
            "env/lib/@lib/site-packages/trl/__init__.py": "",
            "env/lib/@lib/site-packages/accelerate-9.9.dist-info/METADATA": "Metadata-Version: 2.1\nName: accelerate\nVersion: 9.9\nRequires-Dist: b; "
            + "extra;" * 2700
            + "\n\nbody\n",
            "env/lib/@lib/site-packages/accelerate-9.9.dist-info/RECORD": "accelerate/__init__.py,,\naccelerate-9.9.dist-info/METADATA,,\n",
            "env/lib/@lib/site-packages/accelerate/__init__.py": "",
        },
    ),
    Hostile(
        "a field that is none: brackets",
        [
            Step(
                ["check", "--target", "@root/env", "-v", "--format", "json"],
                report={"findings": {"in": "peft: its metadata is damaged"}},
            )
        ],
        folder=PACKAGES,
        files={
            "env/lib/@lib/site-packages/peft-9.9.dist-info/METADATA": "Metadata-Version: 2.1\nName: peft\nVersion: 9.9\nRequires-Dist: b; "
            + "(" * 4000
            + "\n\nbody\n",
            "env/lib/@lib/site-packages/peft-9.9.dist-info/RECORD": "peft/__init__.py,,\npeft-9.9.dist-info/METADATA,,\n",
            "env/lib/@lib/site-packages/peft/__init__.py": "",
        },
    ),
    Hostile(
        "a field that is none: no requirement",
        [
            Step(
                ["check", "--target", "@root/env", "-v", "--format", "json"],
                report={"findings": {"in": "peft: its metadata is damaged"}},
            )
        ],
        folder=PACKAGES,
        files={
            "env/lib/@lib/site-packages/peft-9.9.dist-info/METADATA": "Metadata-Version: 2.1\nName: peft\nVersion: 9.9\nRequires-Dist: !!"
            + "" * 0
            + "\n\nbody\n",
            "env/lib/@lib/site-packages/peft-9.9.dist-info/RECORD": "peft/__init__.py,,\npeft-9.9.dist-info/METADATA,,\n",
            "env/lib/@lib/site-packages/peft/__init__.py": "",
        },
    ),
    Hostile(
        "a field that is none: a range of many parts",
        [
            Step(
                ["check", "--target", "@root/env", "-v", "--format", "json"],
                report={"findings": {"in": "peft: its metadata is damaged"}},
            )
        ],
        folder=PACKAGES,
        files={
            "env/lib/@lib/site-packages/peft-9.9.dist-info/METADATA": "Metadata-Version: 2.1\nName: peft\nVersion: 9.9\nRequires-Python: "
            + ">=3," * 4000
            + "\n\nbody\n",
            "env/lib/@lib/site-packages/peft-9.9.dist-info/RECORD": "peft/__init__.py,,\npeft-9.9.dist-info/METADATA,,\n",
            "env/lib/@lib/site-packages/peft/__init__.py": "",
        },
    ),
    Hostile(
        "a field that is none: many requirements",
        [
            Step(
                ["check", "--target", "@root/env", "-v", "--format", "json"],
                report={"findings": {"in": "peft: its metadata is damaged"}},
            )
        ],
        folder=PACKAGES,
        files={
            "env/lib/@lib/site-packages/peft-9.9.dist-info/METADATA": "Metadata-Version: 2.1\nName: peft\nVersion: 9.9\n"
            + "Requires-Dist: b>=1\n" * 2000
            + "\n\nbody\n",
            "env/lib/@lib/site-packages/peft-9.9.dist-info/RECORD": "peft/__init__.py,,\npeft-9.9.dist-info/METADATA,,\n",
            "env/lib/@lib/site-packages/peft/__init__.py": "",
        },
    ),
    Hostile(
        "what is not a regular file is not read",
        [
            Step(
                ["check", "--target", "@root/env", "-v", "--format", "json"],
                report={
                    "findings": {"in": "peft: its metadata is missing"},
                    "target": {"packages": {"transformers": "9.9"}},
                },
            )
        ],
        folder=PACKAGES,
        files={
            "env/lib/@lib/site-packages/peft-9.9.dist-info/METADATA": "@each",
            "env/lib/@lib/site-packages/peft-9.9.dist-info/RECORD": "peft/__init__.py,,\npeft-9.9.dist-info/METADATA,,\n",
            "env/lib/@lib/site-packages/peft/__init__.py": "",
            "env/lib/@lib/site-packages/torch/version.py": "@each",
            "env/lib/@lib/site-packages/evil.pth": "@each",
            "env/pip.conf": "@each",
            "env/lib/@lib/site-packages/evil-1.dist-info": "@each",
            "env/lib/@lib/site-packages/evil.egg-link": "@each",
            "env/conda-meta": "@each",
            "env/lib/@lib/site-packages/transformers-9.9.dist-info/INSTALLER": "@each",
            "env/lib/@lib/site-packages/transformers-9.9.dist-info/direct_url.json": "@each",
            "env/lib/@lib/site-packages/transformers-9.9.dist-info/RECORD": "@each",
        },
        each=[Fifo(), Link("/dev/zero"), Link("@self"), None],
    ),
    Hostile(
        "a RECORD: one line",
        [
            Step(
                ["check", "--target", "@root/env", "-v", "--format", "json"],
                report={"target": {"packages": {"transformers": "9.9"}}},
            )
        ],
        folder=PACKAGES,
        files={"env/lib/@lib/site-packages/transformers-9.9.dist-info/RECORD": ".py," * 1048576},
    ),
    Hostile(
        "a RECORD: a size",
        [
            Step(
                ["check", "--target", "@root/env", "-v", "--format", "json"],
                report={"target": {"packages": {"transformers": "9.9"}}},
            )
        ],
        folder=PACKAGES,
        files={
            "env/lib/@lib/site-packages/transformers-9.9.dist-info/RECORD": "a/b.so,sha256=x,"
            + "9" * 4194304
        },
    ),
    Hostile(
        "a RECORD: too large",
        [
            Step(
                ["check", "--target", "@root/env", "-v", "--format", "json"],
                report={"target": {"packages": {"transformers": "9.9"}}},
            )
        ],
        folder=PACKAGES,
        files={"env/lib/@lib/site-packages/transformers-9.9.dist-info/RECORD": "x" * 9437184},
    ),
    Hostile(
        "a RECORD: all gone",
        [
            Step(
                ["check", "--target", "@root/env", "-v", "--format", "json"],
                report={"target": {"packages": {"transformers": "9.9"}}},
            )
        ],
        folder=PACKAGES,
        files={
            "env/lib/@lib/site-packages/transformers-9.9.dist-info/RECORD": numbered(
                "gone/#/#.py,,\n", 50000
            )
        },
    ),
    Hostile(
        "settings: blanks",
        [
            Step(
                ["check", "--target", "@root/env", "-v", "--format", "json"],
                report={"target": {"packages": {"transformers": "9.9"}}},
            )
        ],
        folder=PACKAGES,
        files={"env/pip.conf": "[global]\nx" + " " * 60000 + "x"},
    ),
    Hostile(
        "settings: a key of many parts",
        [
            Step(
                ["check", "--target", "@root/env", "-v", "--format", "json"],
                report={"target": {"packages": {"transformers": "9.9"}}},
            )
        ],
        folder=PACKAGES,
        files={"uv.toml": "a." * 30000 + "a = 1"},
    ),
    Hostile(
        "settings: a deep list",
        [
            Step(
                ["check", "--target", "@root/env", "-v", "--format", "json"],
                report={"target": {"packages": {"transformers": "9.9"}}},
            )
        ],
        folder=PACKAGES,
        files={"uv.toml": "a = " + "[" * 60000},
    ),
    Hostile(
        "names that act on a terminal",
        [
            Step(["check", "--target", "@root/env", "-v"], out=["ransformers"]),
            Step(["check", "--target", "@root/env", "-v", "--format", "json"], out=["ransformers"]),
        ],
        folder=PACKAGES,
        files={
            "env/lib/@lib/site-packages/peft-9.9.dist-info/METADATA": (
                "Name: peft\n"
                "Version: 1~ransformers\x1b]0;owned\x07\x1b[2J\u202egnp\n"
                "Requires-Dist: ~ransformers\x1b]0;owned\x07\x1b[2J\u202egnp\n"
                "\n"
            ),
            "env/lib/@lib/site-packages/peft-9.9.dist-info/RECORD": "peft/__init__.py,,\npeft-9.9.dist-info/METADATA,,\n",
            "env/lib/@lib/site-packages/peft/__init__.py": "",
            "env/lib/@lib/site-packages/peft-9.9.dist-info/direct_url.json": "[" * 16000,
            "env/lib/@lib/site-packages/~ransformers\x1b]0;owned\x07\x1b[2J\u202egnp-1.dist-info": None,
        },
    ),
    Hostile(
        "a folder with more than any",
        [
            Step(
                ["check", "--target", "@root/env", "-v", "--format", "json"],
                out=["more entries than any site folder"],
                absent=['"verdict": "ready"'],
            )
        ],
        folder=PACKAGES,
        many={"env/lib/@lib/site-packages/p#-1.dist-info/x": 20001},
    ),
    Hostile(
        "settings: FIFO",
        [
            Step(
                ["check", "--format", "json", "--target", "@root/env"],
                code=(1, 2),
                report={"target": {}},
            )
        ],
        folder=INSTALLATION,
        files={"env/pyvenv.cfg": Fifo()},
    ),
    Hostile(
        "settings: 1 GB",
        [
            Step(
                ["check", "--format", "json", "--target", "@root/env"],
                code=(1, 2),
                report={"target": {}},
            )
        ],
        folder=INSTALLATION,
        files={"env/pyvenv.cfg": SparseFile(1073741824)},
    ),
    Hostile(
        "settings: a loop",
        [
            Step(
                ["check", "--format", "json", "--target", "@root/env"],
                code=(1, 2),
                report={"target": {}},
            )
        ],
        folder=INSTALLATION,
        files={"env/pyvenv.cfg": Link("@self")},
    ),
    Hostile(
        "home in /proc",
        [
            Step(
                ["check", "--format", "json", "--target", "@root/env"],
                code=(1, 2),
                report={"target": {}},
            )
        ],
        folder=INSTALLATION,
        files={"env/pyvenv.cfg": "home = /proc/self/fd\n"},
    ),
    Hostile(
        "home is a FIFO",
        [
            Step(
                ["check", "--format", "json", "--target", "@root/env"],
                code=(1, 2),
                report={"target": {}},
            )
        ],
        folder=INSTALLATION,
        files={"env/pyvenv.cfg": "home = ./pipe\n"},
    ),
    Hostile(
        "home is no text",
        [
            Step(
                ["check", "--format", "json", "--target", "@root/env"],
                code=(1, 2),
                report={"target": {}},
            )
        ],
        folder=INSTALLATION,
        files={"env/pyvenv.cfg": b"home = \x00\xff/\n"},
    ),
    Hostile(
        "head: cut",
        [
            Step(
                ["check", "--format", "json", "--target", "@root/env"],
                code=(1, 2),
                report={"target": {}},
            )
        ],
        folder=INSTALLATION,
        files={"env/bin/python": b"\x7fELF\x02"},
    ),
    Hostile(
        "program: 1 GB",
        [
            Step(
                ["check", "--format", "json", "--target", "@root/env"],
                code=(1, 2),
                report={"target": {}},
            )
        ],
        folder=INSTALLATION,
        files={"env/bin/python": SparseFile(1073741824)},
    ),
    Hostile(
        "program: FIFO",
        [
            Step(
                ["check", "--format", "json", "--target", "@root/env"],
                code=(1, 2),
                report={"target": {}},
            )
        ],
        folder=INSTALLATION,
        files={"env/bin/python": Fifo()},
    ),
    Hostile(
        "build notes: code",
        [
            Step(
                ["check", "--format", "json", "--target", "@root/env"],
                code=(1, 2),
                report={"target": {}},
            )
        ],
        folder=INSTALLATION,
        files={
            "env/lib/@lib/_sysconfigdata__linux.py": "open('@root/started', 'w')\nbuild_time_vars = {'SOABI': '"
            + "x" * 3000000
            + "'}\n"
        },
    ),
    Hostile(
        "build notes: FIFO",
        [
            Step(
                ["check", "--format", "json", "--target", "@root/env"],
                code=(1, 2),
                report={"target": {}},
            )
        ],
        folder=INSTALLATION,
        files={"env/lib/@lib/_sysconfigdata__linux.py": Fifo()},
    ),
    Hostile(
        "headers: FIFO",
        [
            Step(
                ["check", "--format", "json", "--target", "@root/env"],
                code=(1, 2),
                report={"target": {}},
            )
        ],
        folder=INSTALLATION,
        files={"env/include/@lib/patchlevel.h": Fifo()},
    ),
    Hostile(
        "headers: 1 GB",
        [
            Step(
                ["check", "--format", "json", "--target", "@root/env"],
                code=(1, 2),
                report={"target": {}},
            )
        ],
        folder=INSTALLATION,
        files={"env/include/@lib/patchlevel.h": SparseFile(1073741824)},
    ),
    Hostile(
        "places: FIFO",
        [
            Step(
                ["check", "--format", "json", "--target", "@root/env"],
                code=(1, 2),
                report={"target": {}},
            )
        ],
        folder=INSTALLATION,
        files={"env/lib/@lib/site-packages/x.pth": Fifo()},
    ),
    Hostile(
        "places: 100,000",
        [
            Step(
                ["check", "--format", "json", "--target", "@root/env"],
                code=(1, 2),
                report={"target": {}},
            )
        ],
        folder=INSTALLATION,
        files={"env/lib/@lib/site-packages/x.pth": numbered("/x/#\n", 100000)},
    ),
    Hostile("starts nothing: check", [Step(["check"])], folder=THEIRS),
    Hostile(
        "starts nothing: snapshot -o out.json",
        [Step(["snapshot", "-o", "out.json"])],
        folder=THEIRS,
    ),
    Hostile("starts nothing: wheel", [Step(["wheel"])], folder=THEIRS),
    Hostile("starts nothing: fit 7B", [Step(["fit", "7B"])], folder=THEIRS),
    Hostile("starts nothing: list", [Step(["list"])], folder=THEIRS),
    Hostile(
        "starts nothing: explain torch-missing", [Step(["explain", "torch-missing"])], folder=THEIRS
    ),
    Hostile(
        "starts nothing: triage --here report.txt",
        [Step(["triage", "--here", "report.txt"])],
        folder=THEIRS,
    ),
    Hostile("starts nothing: run -- false", [Step(["run", "--", "false"])], folder=THEIRS),
    Hostile("starts nothing: data rows.jsonl", [Step(["data", "rows.jsonl"])], folder=THEIRS),
    Hostile("starts nothing: data rows.parquet", [Step(["data", "rows.parquet"])], folder=THEIRS),
    Hostile(
        "starts nothing: data rows.jsonl --model m",
        [Step(["data", "rows.jsonl", "--model", "m"])],
        folder=THEIRS,
    ),
    Hostile(
        "starts nothing: init c.toml",
        [Step(["init", "c.toml", "--model", "m", "--data", "d.jsonl"])],
        folder=THEIRS,
        files={
            "m/config.json": "{}",
            "m/model.safetensors": "",
            "m/tokenizer.json": "{}",
            "d.jsonl": "{}\n",
        },
    ),
    Hostile(
        "starts nothing, whatever names it",
        [
            Step(
                ["check", "--format", "json", "--target", "@root/.venv"],
                code=2,
                report={
                    "verdict": "unknown",
                    "unknown": {
                        "target-missing": {
                            "in": "doctor check --deep --target @root/.venv/bin/python"
                        }
                    },
                },
                cwd="work",
            ),
            Step(
                ["snapshot", "-o", "s.json"], code=0, env={"VIRTUAL_ENV": "@root/.venv"}, cwd="work"
            ),
            Step(["check"], out=["@root/.venv"], env={"CONDA_PREFIX": "@root/.venv"}, cwd="work"),
        ],
        folder=THEIRS,
    ),
    Hostile(
        "starts nothing that a folder's settings name",
        [Step(["check"], out=[".venv"], cwd="work")],
        folder=THEIRS,
        files={"work/pyproject.toml": "[tool.doctor]\ntarget = '../.venv'\n"},
    ),
    Hostile(
        "starts no script that the folder brings: check --deep, ./.venv",
        [
            Step(
                ["check", "--deep"],
                code=2,
                err=["chosen by ./.venv, is a script; --target @root/.venv/bin/python starts it"],
                starts=False,
            )
        ],
        folder=THEIRS,
    ),
    Hostile(
        "starts it and says so: check --deep, --target .venv",
        [
            Step(
                ["check", "--deep", "--target", ".venv"],
                err=["doctor: starts @root/.venv/bin/python, chosen by --target"],
                starts=True,
            )
        ],
        folder=THEIRS,
    ),
    Hostile(
        "starts no script that the folder names: check --deep, [tool.doctor] target",
        [
            Step(
                ["check", "--deep"],
                code=2,
                err=[
                    "chosen by [tool.doctor] target, is a script; --target @root/.venv/bin/python starts it"
                ],
                starts=False,
            )
        ],
        folder=THEIRS,
        files={"pyproject.toml": "[tool.doctor]\ntarget = '.venv'\n"},
    ),
    Hostile(
        "starts no script that the folder brings: snapshot --deep -o out.json, ./.venv",
        [
            Step(
                ["snapshot", "--deep", "-o", "out.json"],
                code=2,
                err=["chosen by ./.venv, is a script; --target @root/.venv/bin/python starts it"],
                starts=False,
            )
        ],
        folder=THEIRS,
    ),
    Hostile(
        "starts it and says so: snapshot --deep -o out.json, --target .venv",
        [
            Step(
                ["snapshot", "--deep", "-o", "out.json", "--target", ".venv"],
                err=["doctor: starts @root/.venv/bin/python, chosen by --target"],
                starts=True,
            )
        ],
        folder=THEIRS,
    ),
    Hostile(
        "starts no script that the folder brings: smoke, ./.venv",
        [
            Step(
                ["smoke"],
                code=2,
                err=["chosen by ./.venv, is a script; --target @root/.venv/bin/python starts it"],
                starts=False,
            )
        ],
        folder=THEIRS,
    ),
    Hostile(
        "starts it and says so: smoke, --target .venv",
        [
            Step(
                ["smoke", "--target", ".venv"],
                err=["doctor: starts @root/.venv/bin/python, chosen by --target"],
                starts=True,
            )
        ],
        folder=THEIRS,
    ),
    Hostile(
        "starts no script that the folder brings: train --model=a/b --data=rows.jsonl, ./.venv",
        [
            Step(
                ["train", "--model=a/b", "--data=rows.jsonl"],
                code=2,
                err=["chosen by ./.venv, is a script; --target @root/.venv/bin/python starts it"],
                env={"HF_HUB_CACHE": "@root/hub"},
                starts=False,
            )
        ],
        folder=THEIRS,
        files={
            "hub/models--a--b/refs/main": "0000000000000000000000000000000000000000",
            "hub/models--a--b/snapshots/0000000000000000000000000000000000000000/config.json": "{}",
        },
    ),
    Hostile(
        "starts it and says so: train --model=a/b --data=rows.jsonl, --target .venv",
        [
            Step(
                ["train", "--model=a/b", "--data=rows.jsonl", "--target", ".venv"],
                err=["doctor: starts @root/.venv/bin/python, chosen by --target"],
                env={"HF_HUB_CACHE": "@root/hub"},
                starts=True,
            )
        ],
        folder=THEIRS,
        files={
            "hub/models--a--b/refs/main": "0000000000000000000000000000000000000000",
            "hub/models--a--b/snapshots/0000000000000000000000000000000000000000/config.json": "{}",
        },
    ),
    Hostile(
        "starts no script that the folder brings: fix -y, ./.venv",
        [
            Step(
                ["fix", "-y"],
                code=2,
                err=["chosen by ./.venv, is a script; --target @root/.venv/bin/python starts it"],
                starts=False,
            )
        ],
        folder=THEIRS,
    ),
    Hostile(
        "starts it and says so: fix -y, --target .venv",
        [
            Step(
                ["fix", "-y", "--target", ".venv"],
                err=["doctor: starts @root/.venv/bin/python, chosen by --target"],
                starts=True,
            )
        ],
        folder=THEIRS,
    ),
    Hostile(
        "starts no script that the folder brings: set --offline, ./.venv",
        [
            Step(
                ["set", "--offline"],
                code=2,
                err=["chosen by ./.venv, is a script; --target @root/.venv/bin/python starts it"],
                starts=False,
            )
        ],
        folder=THEIRS,
    ),
    Hostile(
        "starts it and says so: set --offline, --target .venv",
        [
            Step(
                ["set", "--offline", "--target", ".venv"],
                err=["doctor: starts @root/.venv/bin/python, chosen by --target"],
                starts=True,
            )
        ],
        folder=THEIRS,
    ),
    Hostile(
        "without a target only the machine is examined",
        [
            Step(
                ["check"],
                code=0,
                out=[
                    "Python no environment yet",
                    "nearby ./venv Python",
                    "./env Python 3.12.3, no torch",
                    "Next: check this environment doctor check --target ./venv",
                    "Or: list all environments doctor envs",
                ],
                absent=["pip install"],
                env={"VIRTUAL_ENV": "@own"},
            ),
            Step(
                ["check", "--require-environment"],
                code=2,
                out=["Undecided: no Python environment was checked"],
                env={"VIRTUAL_ENV": "@own"},
            ),
            Step(
                ["check", "--format", "json"],
                code=0,
                report={
                    "verdict": "ready",
                    "skipped": {"torch-missing": "no environment was looked at"},
                    "target": {
                        "chosen_by": "none",
                        "python": "",
                        "packages": {},
                        "nearby": [
                            {"path": "./venv"},
                            {"path": "./env", "python": "3.12.3", "torch": ""},
                        ],
                        "own": "@own",
                    },
                },
                env={"VIRTUAL_ENV": "@own"},
            ),
            Step(
                ["check", "--format", "json"],
                code=0,
                report={
                    "verdict": "ready",
                    "skipped": {"torch-missing": "no environment was looked at"},
                    "target": {
                        "chosen_by": "none",
                        "python": "",
                        "packages": {},
                        "nearby": [
                            {"path": "./venv"},
                            {"path": "./env", "python": "3.12.3", "torch": ""},
                        ],
                        "own": "@own",
                    },
                },
                env={"CONDA_PREFIX": "@own"},
            ),
            Step(
                ["check", "--format", "json"],
                code=0,
                report={
                    "verdict": "ready",
                    "skipped": {"torch-missing": "no environment was looked at"},
                    "target": {
                        "chosen_by": "none",
                        "python": "",
                        "packages": {},
                        "nearby": [
                            {"path": "./venv"},
                            {"path": "./env", "python": "3.12.3", "torch": ""},
                        ],
                        "own": "",
                    },
                },
                env={},
            ),
        ],
        files={
            "venv/pyvenv.cfg": "home = @bin\n",
            "venv/bin/python": Link("@real"),
            "venv/lib/@lib/site-packages": None,
            "env/pyvenv.cfg": "version = 3.12.3\n",
        },
    ),
    Hostile(
        "a link to the doctor's own environment is no target, but for --self",
        [
            Step(["check", "--format", "json"], report={"target": {"chosen_by": "none"}}),
            Step(
                ["check", "--format", "json", "--self"],
                report={"target": {"python": {"in": "@own/bin/"}}},
            ),
        ],
        files={".venv": Link("@own")},
    ),
    Hostile(
        "names nearby neither act nor flood",
        [
            Step(
                ["check"],
                out=["Next: check this environment doctor check --target './.venv-"],
                most={".venv": 11},
            ),
            Step(["fix", "-y"], err=["'./.venv-"], most={".venv": 11}),
        ],
        files={".venv-\x1b[31m$(touch x)\u202e/pyvenv.cfg": ""},
        many={".venv#/pyvenv.cfg": 3000},
    ),
    Hostile(
        "wants a name: fix -y",
        [
            Step(["fix", "-y"], line=["@own", "--self"], env={"VIRTUAL_ENV": "@own"}),
            Step(["fix", "-y", "--self", "--target", "x"], line=[]),
        ],
    ),
    Hostile(
        "wants a name: set",
        [
            Step(["set"], line=["@own", "--self"], env={"VIRTUAL_ENV": "@own"}),
            Step(["set", "--self", "--target", "x"], line=[]),
        ],
    ),
    Hostile(
        "wants a name: smoke",
        [
            Step(["smoke"], line=["@own", "--self"], env={"VIRTUAL_ENV": "@own"}),
            Step(["smoke", "--self", "--target", "x"], line=[]),
        ],
    ),
    Hostile(
        "wants a name: train x.toml",
        [
            Step(["train", "x.toml"], line=["@own", "--self"], env={"VIRTUAL_ENV": "@own"}),
            Step(["train", "x.toml", "--self", "--target", "x"], line=[]),
        ],
    ),
    Hostile(
        "wants a name: undo",
        [
            Step(["undo"], line=["@own", "--self"], env={"VIRTUAL_ENV": "@own"}),
            Step(["undo", "--self", "--target", "x"], line=[]),
        ],
    ),
    Hostile(
        "wants a name: undo --list",
        [
            Step(["undo", "--list"], line=["@own", "--self"], env={"VIRTUAL_ENV": "@own"}),
            Step(["undo", "--list", "--self", "--target", "x"], line=[]),
        ],
    ),
    Hostile(
        "a config: num_attention_heads is 3; expected head_dim, or a divisor of hidden_size 100",
        [
            Step(
                ["fit", ".", "--vram", "24"],
                line=[
                    "num_attention_heads is 3; expected head_dim, or a divisor of hidden_size 100"
                ],
            )
        ],
        config={"hidden_size": 100, "num_attention_heads": 3},
    ),
    Hostile(
        "a config: num_key_value_heads is 3; expected a divisor of num_attention_heads 4",
        [
            Step(
                ["fit", ".", "--vram", "24"],
                line=["num_key_value_heads is 3; expected a divisor of num_attention_heads 4"],
            )
        ],
        config={"num_key_value_heads": 3},
    ),
    Hostile(
        "a config: num_experts_per_tok is 5; expected at most num_experts 4",
        [
            Step(
                ["fit", ".", "--vram", "24"],
                line=["num_experts_per_tok is 5; expected at most num_experts 4"],
            )
        ],
        config={"num_experts": 4, "num_experts_per_tok": 5},
    ),
    Hostile(
        "a config: num_hidden_layers is 100000",
        [Step(["fit", ".", "--vram", "24"], line=["num_hidden_layers is 100000"])],
        config={"num_hidden_layers": 100000},
    ),
    Hostile(
        "a config: model_type is ['llama']; expected a word",
        [Step(["fit", ".", "--vram", "24"], line=["model_type is ['llama']; expected a word"])],
        config={"model_type": ["llama"]},
    ),
    Hostile(
        "a config: layer_types is [1, 2]; expected a list of words",
        [
            Step(
                ["fit", ".", "--vram", "24"],
                line=["layer_types is [1, 2]; expected a list of words"],
            )
        ],
        config={"layer_types": [1, 2]},
    ),
    Hostile(
        "a config: tie_word_embeddings is 'yes'; expected true or false",
        [
            Step(
                ["fit", ".", "--vram", "24"],
                line=["tie_word_embeddings is 'yes'; expected true or false"],
            )
        ],
        config={"tie_word_embeddings": "yes"},
    ),
    Hostile(
        "a config: num_attention_heads is [2, 4, 8]",
        [Step(["fit", ".", "--vram", "24"], line=["num_attention_heads is [2, 4, 8]"])],
        config={"num_attention_heads": [2, 4, 8]},
    ),
    Hostile(
        "a config: resid_pdrop is 'x'; expected a number",
        [Step(["fit", ".", "--vram", "24"], line=["resid_pdrop is 'x'; expected a number"])],
        config={"attention_dropout": 0, "resid_pdrop": "x"},
    ),
    Hostile(
        "no config: it is empty",
        [Step(["fit", ".", "--vram", "24"], line=["it is empty"])],
        files={"config.json": ""},
    ),
    Hostile(
        "no config: it is not JSON",
        [Step(["fit", ".", "--vram", "24"], line=["it is not JSON"])],
        files={"config.json": '{"model_type": "llama",'},
    ),
    Hostile(
        "no config: not the config.json of a language model",
        [Step(["fit", ".", "--vram", "24"], line=["not the config.json of a language model"])],
        files={"config.json": '{"foo": 1}'},
    ),
    Hostile(
        "no config: must contain an object",
        [Step(["fit", ".", "--vram", "24"], line=["must contain an object"])],
        files={"config.json": '"x"'},
    ),
    Hostile(
        "no config: not UTF-8",
        [Step(["fit", ".", "--vram", "24"], line=["not UTF-8"])],
        files={"config.json": b"\xff\xfe{\x00}\x00"},
    ),
    Hostile(
        "no config: hidden_size occurs twice",
        [Step(["fit", ".", "--vram", "24"], line=["hidden_size occurs twice"])],
        files={"config.json": '{"hidden_size": 64, "hidden_size": 128}'},
    ),
    Hostile(
        "no config: nested too deep",
        [Step(["fit", ".", "--vram", "24"], line=["nested too deep"])],
        files={"config.json": '{"a":' * 100000},
    ),
    Hostile(
        "no config: nested too deep",
        [Step(["fit", ".", "--vram", "24"], line=["nested too deep"])],
        files={"config.json": "[" * 2000000},
    ),
    Hostile(
        "no config: it is not JSON",
        [Step(["fit", ".", "--vram", "24"], line=["it is not JSON"])],
        files={"config.json": '{"hidden_size": ' + "9" * 2000000 + "}"},
    ),
    Hostile(
        "no config: more than 2 MiB",
        [Step(["fit", ".", "--vram", "24"], line=["more than 2 MiB"])],
        files={"config.json": " " * 100000000},
    ),
    Hostile(
        "no config: these are weights",
        [Step(["fit", ".", "--vram", "24"], line=["these are weights"])],
        files={"config.json": b'\x00\x00\x00\x00\x00\x00\x00\x80{"a":1}'},
    ),
    Hostile(
        "no config: these are weights",
        [Step(["fit", ".", "--vram", "24"], line=["these are weights"])],
        files={
            "config.json": b"GGUF\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x10\x00\x00\x00\x00\x00\x00\x00\x10"
        },
    ),
    Hostile(
        "no config: 5000 keys",
        [Step(["fit", ".", "--vram", "24"], line=["keys; no model has"])],
        files={
            "config.json": '{"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 128, "vocab_size": 99, '
            + numbered('"k#": #, ', 5000)
            + '"x": 1}'
        },
    ),
    Hostile(
        "a config with a mark of UTF-8, of a depth that parses",
        [Step(["fit", ".", "--vram", "24"], code=0)],
        files={
            "config.json": '\ufeff{"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 128, "vocab_size": 99, "x": [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[['
            + "[]" * 1
            + "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}"
        },
    ),
    Hostile(
        "texts of a config that act on a terminal",
        [
            Step(["fit", ".", "--vram", "24"], code=0, out=["size"], absent=["owned"]),
            Step(
                ["fit", ".", "--vram", "24", "--format", "json"],
                code=0,
                out=["size"],
                absent=["owned"],
            ),
        ],
        config={
            "model_type": "x\x1b]0;owned\x07\x1b[2J\u202e\u200b\x9b31m\x7fy",
            "_name_or_path": "\x1b]0;owned\x07\x1b[2J\u202e\u200b\x9b31m\x7f",
            "k\x1b]0;owned\x07\x1b[2J\u202e\u200b\x9b31m\x7fsize": 77,
            "quantization_config": {
                "quant_method": "\x1b]0;owned\x07\x1b[2J\u202e\u200b\x9b31m\x7f"
            },
        },
    ),
    Hostile(
        "a config: hidden_size is ",
        [Step(["fit", ".", "--vram", "24"], line=["hidden_size is "])],
        config={"hidden_size": "\x1b]0;owned\x07\x1b[2J\u202e\u200b\x9b31m\x7f"},
    ),
    Hostile(
        "no command waits for what is no file",
        [
            Step(["fit", "@root", "--vram", "24"], code=2, err=["doctor"]),
            Step(["fit", "@root/config.json", "--vram", "24"], code=2, err=["doctor"]),
            Step(["check", "--from", "@root/config.json"], code=2, err=["doctor"]),
            Step(["triage", "@root/config.json"], code=2, err=["doctor"]),
            Step(["train", "@root/config.json"], code=2, err=["doctor"]),
            Step(["train", "--model=@root", "--data=d.jsonl"], code=2, err=["doctor"]),
            Step(["train", "--model=m", "--data=@root/config.json"], code=2, err=["doctor"]),
            Step(["data", "@root/config.json"], code=2, err=["doctor"]),
            Step(["smoke", "--model", "@root", "--data", "d.jsonl"], code=2, err=["doctor"]),
            Step(["wheel", "--from", "@root/config.json"], code=2, err=["doctor"]),
        ],
        folder=DATA,
        files={"config.json": "@each"},
        each=[Fifo(), Link("/dev/zero"), Link("@self"), Socket(), None],
    ),
    Hostile(
        "a model whose config is no file",
        [Step(["data", "d.jsonl", "--model", "@root"], code=2, err=["doctor"])],
        folder=DATA,
        files={"config.json": "@each"},
        each=[Fifo(), Link("/dev/zero"), Socket()],
    ),
    Hostile(
        "a folder of data that loops and waits",
        [Step(["data", "@root"], code=0, out=["1 row;"]), Step(["triage", "@root"], code=2)],
        folder=DATA,
        files={"loop": Link("@root"), "f.jsonl": Fifo(), "z.jsonl": Link("/dev/zero")},
    ),
    Hostile(
        "data that unpack to ever more are not read on",
        [Step(["data", "b.jsonl.gz"], code=1, out=["unpacks to more than 100 times its size"])],
        files={"b.jsonl.gz": PackedZeros(1000)},
    ),
    Hostile(
        "a CPU build beside Radeon RX 7900 XTX, says rocm-smi: rocminfo, rocm-smi",
        [
            Step(
                ["check", "--target", "@root/env"],
                out=["✗ torch-cpu-only", "Radeon RX 7900 XTX, according to rocm-smi"],
                env={"PATH": "@root/bin:/usr/bin:/bin", "COLUMNS": "200"},
            )
        ],
        folder=CPU_BUILD,
        tools={
            "rocminfo": "ROCk module is NOT loaded, possibly no GPU devices\n",
            "rocm-smi": (
                "======================================= Product Info ========================================\n"
                "GPU[0]\t\t: Card Series: \t\tRadeon RX 7900 XTX\n"
                "GPU[0]\t\t: Card Model: \t\t0x744c\n"
                "GPU[0]\t\t: GFX Version: \t\tgfx1100\n"
            ),
        },
    ),
    Hostile(
        "a CPU build beside Flex 170: xpu-smi",
        [
            Step(
                ["check", "--target", "@root/env"],
                out=["✗ torch-cpu-only", "Flex 170"],
                env={"PATH": "@root/bin:/usr/bin:/bin", "COLUMNS": "200"},
            )
        ],
        folder=CPU_BUILD,
        tools={
            "xpu-smi": (
                "+-----------+"
                + "-" * 66
                + (
                    "+\n"
                    "| Device ID | Device Information                                               |\n"
                    "+-----------+"
                )
                + "-" * 66
                + (
                    "+\n"
                    "| 0         | Device Name: Intel(R) Graphics [0x56c0]                          |\n"
                    "|           | Vendor Name: Intel(R) Corporation                                |\n"
                    "+-----------+"
                )
                + "-" * 66
                + "+\n"
            )
        },
    ),
    Hostile(
        "a CPU build beside Arc(TM) B580: sycl-ls",
        [
            Step(
                ["check", "--target", "@root/env"],
                out=["✗ torch-cpu-only", "Arc(TM) B580"],
                env={"PATH": "@root/bin:/usr/bin:/bin", "COLUMNS": "200"},
            )
        ],
        folder=CPU_BUILD,
        tools={
            "sycl-ls": "[level_zero:gpu][level_zero:0] Intel(R) oneAPI Unified Runtime over Level-Zero, Intel(R) Arc(TM) B580 Graphics 20.1.0 [1.6.32224]\n"
        },
    ),
    Hostile(
        "a CPU build beside no GPU: ",
        [
            Step(
                ["check", "--target", "@root/env"],
                absent=["torch-cpu-only"],
                env={"PATH": "@root/bin:/usr/bin:/bin", "COLUMNS": "200"},
            )
        ],
        folder=CPU_BUILD,
        tools={},
    ),
    Hostile(
        "a CPU build beside no GPU: rocminfo, amd-smi, rocm-smi",
        [
            Step(
                ["check", "--target", "@root/env"],
                absent=["torch-cpu-only"],
                env={"PATH": "@root/bin:/usr/bin:/bin", "COLUMNS": "200"},
            )
        ],
        folder=CPU_BUILD,
        tools={
            "rocminfo": "ROCk module is NOT loaded, possibly no GPU devices\n",
            "amd-smi": "",
            "rocm-smi": "WARNING: No JSON data to report\n",
        },
    ),
    Hostile(
        "a CPU build beside no GPU: sycl-ls",
        [
            Step(
                ["check", "--target", "@root/env"],
                absent=["torch-cpu-only"],
                env={"PATH": "@root/bin:/usr/bin:/bin", "COLUMNS": "200"},
            )
        ],
        folder=CPU_BUILD,
        tools={
            "sycl-ls": "[level_zero:gpu][level_zero:0] Intel(R) Level-Zero, Intel(R) UHD Graphics 770 1.3 [1.3.27642]\n"
        },
    ),
    Hostile(
        "a CPU build beside no GPU: xpu-smi",
        [
            Step(
                ["check", "--target", "@root/env"],
                absent=["torch-cpu-only"],
                env={"PATH": "@root/bin:/usr/bin:/bin", "COLUMNS": "200"},
            )
        ],
        folder=CPU_BUILD,
        tools={"xpu-smi": "No device discovered\n"},
    ),
    Hostile(
        "a CPU build beside RX: rocm-smi",
        [
            Step(
                ["check", "--target", "@root/env"],
                out=["✗ torch-cpu-only", "RX"],
                env={"PATH": "@root/bin:/usr/bin:/bin", "COLUMNS": "200"},
            )
        ],
        folder=CPU_BUILD,
        tools={
            "rocm-smi": {
                "text": (
                    (
                        "======================================= Product Info ========================================\n"
                        "GPU[0]\t\t: Card Series: \t\tRadeon \x1b[31mRX\x07 \u202e7900 XTX"
                    )
                    + "x" * 99
                    + "\nGPU[0]\t\t: Card Model: \t\t0x744c\nGPU[0]\t\t: GFX Version: \t\tgfx1100\n"
                ),
                "times": 3000,
            }
        },
    ),
    Hostile(
        "a model or a configuration that is a pipe",
        [
            Step(
                ["fit", "p.gguf", "--vram", "24"], line=["p.gguf can't be read: not a regular file"]
            ),
            Step(["fit", "p.toml"], line=["p.toml: not a regular file"]),
            Step(
                ["init", "-", "--model", "p.gguf", "--data", "p.toml"],
                line=["p.gguf: not a regular file"],
            ),
        ],
        files={"p.gguf": Fifo(), "p.toml": Fifo()},
    ),
    Hostile(
        "a cache of the hub that leads out of itself",
        [
            Step(
                ["fit", "a/b", "--vram", "24"],
                line=["the catalogue has no model 'a/b'"],
                env={"HF_HUB_CACHE": "@root/hub"},
            ),
            Step(
                ["fit", "a/c", "--vram", "24"],
                line=["the catalogue has no model 'a/c'"],
                env={"HF_HUB_CACHE": "@root/hub"},
            ),
        ],
        files={
            "hub/models--a--b/refs/main": "../../../out",
            "out/config.json": "{}",
            "hub/models--a--c/refs/main": Fifo(),
        },
    ),
    Hostile(
        "diff: list.json",
        [
            Step(["diff", "list.json", "well.json"], line=["list.json", "Expected `object`"]),
            Step(["diff", "well.json", "list.json"], line=["list.json", "Expected `object`"]),
        ],
        files={"list.json": "[1]", "well.json": '{"schema": "doctor.snapshot/1", "facts": {}}'},
    ),
    Hostile(
        "diff: odd.json",
        [
            Step(["diff", "odd.json", "well.json"], line=["odd.json", "unknown field `a`"]),
            Step(["diff", "well.json", "odd.json"], line=["odd.json", "unknown field `a`"]),
        ],
        files={"odd.json": '{"a": 1}', "well.json": '{"schema": "doctor.snapshot/1", "facts": {}}'},
    ),
    Hostile(
        "diff: deep.json",
        [
            Step(["diff", "deep.json", "well.json"], line=["deep.json", "nested too deeply"]),
            Step(["diff", "well.json", "deep.json"], line=["deep.json", "nested too deeply"]),
        ],
        files={
            "deep.json": "[" * 100000,
            "well.json": '{"schema": "doctor.snapshot/1", "facts": {}}',
        },
    ),
    Hostile(
        "diff: report.json",
        [
            Step(
                ["diff", "report.json", "well.json"], line=["report.json", "missing required field"]
            ),
            Step(
                ["diff", "well.json", "report.json"], line=["report.json", "missing required field"]
            ),
        ],
        files={
            "report.json": '{"schema": "doctor.report/1"}',
            "well.json": '{"schema": "doctor.snapshot/1", "facts": {}}',
        },
    ),
    Hostile(
        "diff: newer.json",
        [
            Step(["diff", "newer.json", "well.json"], line=["newer.json", "doctor.report/2"]),
            Step(["diff", "well.json", "newer.json"], line=["newer.json", "doctor.report/2"]),
        ],
        files={
            "newer.json": '{"schema": "doctor.report/2"}',
            "well.json": '{"schema": "doctor.snapshot/1", "facts": {}}',
        },
    ),
    Hostile(
        "diff: kind.json",
        [
            Step(
                ["diff", "kind.json", "well.json"],
                line=["kind.json", "'Quantum' is not a kind of fact that this doctor knows"],
            ),
            Step(
                ["diff", "well.json", "kind.json"],
                line=["kind.json", "'Quantum' is not a kind of fact that this doctor knows"],
            ),
        ],
        files={
            "kind.json": '{"schema": "doctor.snapshot/1", "facts": {"Quantum": {"absent": "?"}}}',
            "well.json": '{"schema": "doctor.snapshot/1", "facts": {}}',
        },
    ),
    Hostile(
        "diff: text.json",
        [
            Step(["diff", "text.json", "well.json"], line=["text.json", "not JSON"]),
            Step(["diff", "well.json", "text.json"], line=["text.json", "not JSON"]),
        ],
        files={
            "text.json": "my cat is ill",
            "well.json": '{"schema": "doctor.snapshot/1", "facts": {}}',
        },
    ),
    Hostile(
        "diff: bytes.json",
        [
            Step(["diff", "bytes.json", "well.json"], line=["bytes.json", "not JSON"]),
            Step(["diff", "well.json", "bytes.json"], line=["bytes.json", "not JSON"]),
        ],
        files={
            "bytes.json": b"\xff\xfe\x00",
            "well.json": '{"schema": "doctor.snapshot/1", "facts": {}}',
        },
    ),
    Hostile(
        "diff: huge.json",
        [
            Step(["diff", "huge.json", "well.json"], line=["huge.json", "more than 16 MiB"]),
            Step(["diff", "well.json", "huge.json"], line=["huge.json", "more than 16 MiB"]),
        ],
        files={
            "huge.json": SparseFile(17825792),
            "well.json": '{"schema": "doctor.snapshot/1", "facts": {}}',
        },
    ),
    Hostile(
        "diff: pipe.json",
        [
            Step(["diff", "pipe.json", "well.json"], line=["pipe.json", "not a regular file"]),
            Step(["diff", "well.json", "pipe.json"], line=["pipe.json", "not a regular file"]),
        ],
        files={"pipe.json": Fifo(), "well.json": '{"schema": "doctor.snapshot/1", "facts": {}}'},
    ),
    Hostile(
        "diff: device.json",
        [
            Step(["diff", "device.json", "well.json"], line=["device.json", "not a regular file"]),
            Step(["diff", "well.json", "device.json"], line=["device.json", "not a regular file"]),
        ],
        files={
            "device.json": Link("/dev/zero"),
            "well.json": '{"schema": "doctor.snapshot/1", "facts": {}}',
        },
    ),
    Hostile(
        "diff: gone.json",
        [
            Step(["diff", "gone.json", "well.json"], line=["gone.json", "No such file"]),
            Step(["diff", "well.json", "gone.json"], line=["gone.json", "No such file"]),
        ],
        files={
            "gone.json": Link("nowhere"),
            "well.json": '{"schema": "doctor.snapshot/1", "facts": {}}',
        },
    ),
    Hostile(
        "diff: folder.json",
        [
            Step(
                ["diff", "folder.json", "well.json"],
                line=["folder.json", "is a folder, but the other is not"],
            ),
            Step(
                ["diff", "well.json", "folder.json"],
                line=["folder.json", "is a folder, but the other is not"],
            ),
        ],
        files={"folder.json": None, "well.json": '{"schema": "doctor.snapshot/1", "facts": {}}'},
    ),
    Hostile(
        "nvidia-smi: one GPU",
        [
            Step(
                ["check", "--target", "@python", "--fail-on", "never", "--format", "json"],
                code=0,
                report={
                    "verdict": "ready",
                    "machine": {"gpus_known": True, "gpus": {"in": "H100"}},
                },
                env={"PATH": "@root/bin:/usr/bin:/bin"},
            )
        ],
        files={
            "rows": numbered(
                "0, NVIDIA H100, GPU-#, 00000000:0#:09.0, 590.48.01, 81559, 61263, 9.0, Disabled, 0\n",
                60000,
            ),
            "bin/nvidia-smi": "#!/bin/sh\ncd @root\nhead -1 rows\n",
        },
    ),
    Hostile(
        "nvidia-smi: a table",
        [
            Step(
                ["check", "--target", "@python", "--fail-on", "never", "--format", "json"],
                code=0,
                report={
                    "verdict": "ready",
                    "machine": {"gpus_known": True, "gpus": {"in": "H100"}},
                },
                env={"PATH": "@root/bin:/usr/bin:/bin"},
            )
        ],
        files={
            "rows": numbered(
                "0, NVIDIA H100, GPU-#, 00000000:0#:09.0, 590.48.01, 81559, 61263, 9.0, Disabled, 0\n",
                60000,
            ),
            "bin/nvidia-smi": "#!/bin/sh\ncd @root\ncat @table\n",
        },
    ),
    Hostile(
        "nvidia-smi: none",
        [
            Step(
                ["check", "--target", "@python", "--fail-on", "never", "--format", "json"],
                code=0,
                report={"verdict": "ready", "machine": {"gpus_known": True, "gpus": []}},
                env={"PATH": "@root/bin:/usr/bin:/bin"},
            )
        ],
        files={
            "rows": numbered(
                "0, NVIDIA H100, GPU-#, 00000000:0#:09.0, 590.48.01, 81559, 61263, 9.0, Disabled, 0\n",
                60000,
            ),
            "bin/nvidia-smi": "#!/bin/sh\ncd @root\necho No devices were found; exit 6\n",
        },
    ),
    Hostile(
        "nvidia-smi: no tool",
        [
            Step(
                ["check", "--target", "@python", "--fail-on", "never", "--format", "json"],
                code=0,
                report={"verdict": "ready", "machine": {"gpus_known": True, "gpus": []}},
                env={"PATH": "@root/bin:/usr/bin:/bin"},
            )
        ],
        files={
            "rows": numbered(
                "0, NVIDIA H100, GPU-#, 00000000:0#:09.0, 590.48.01, 81559, 61263, 9.0, Disabled, 0\n",
                60000,
            )
        },
    ),
    Hostile(
        "nvidia-smi: garbage",
        [
            Step(
                ["check", "--target", "@python", "--fail-on", "never"],
                code=2,
                out=["GPU unknown", "nvidia-smi"],
                absent=["on the CPU"],
                env={"PATH": "@root/bin:/usr/bin:/bin"},
            )
        ],
        files={
            "rows": numbered(
                "0, NVIDIA H100, GPU-#, 00000000:0#:09.0, 590.48.01, 81559, 61263, 9.0, Disabled, 0\n",
                60000,
            ),
            "bin/nvidia-smi": "#!/bin/sh\ncd @root\necho qwerty uiop\n",
        },
    ),
    Hostile(
        "nvidia-smi: nothing",
        [
            Step(
                ["check", "--target", "@python", "--fail-on", "never"],
                code=2,
                out=["GPU unknown", "nvidia-smi"],
                absent=["on the CPU"],
                env={"PATH": "@root/bin:/usr/bin:/bin"},
            )
        ],
        files={
            "rows": numbered(
                "0, NVIDIA H100, GPU-#, 00000000:0#:09.0, 590.48.01, 81559, 61263, 9.0, Disabled, 0\n",
                60000,
            ),
            "bin/nvidia-smi": "#!/bin/sh\ncd @root\n\n",
        },
    ),
    Hostile(
        "nvidia-smi: garbage with the status of no devices",
        [
            Step(
                ["check", "--target", "@python", "--fail-on", "never"],
                code=2,
                out=["GPU unknown", "nvidia-smi"],
                absent=["on the CPU"],
                env={"PATH": "@root/bin:/usr/bin:/bin"},
            )
        ],
        files={
            "rows": numbered(
                "0, NVIDIA H100, GPU-#, 00000000:0#:09.0, 590.48.01, 81559, 61263, 9.0, Disabled, 0\n",
                60000,
            ),
            "bin/nvidia-smi": "#!/bin/sh\ncd @root\necho qwerty; exit 6\n",
        },
    ),
    Hostile(
        "nvidia-smi: garbage with the status of no driver",
        [
            Step(
                ["check", "--target", "@python", "--fail-on", "never"],
                code=2,
                out=["GPU unknown", "nvidia-smi"],
                absent=["on the CPU"],
                env={"PATH": "@root/bin:/usr/bin:/bin"},
            )
        ],
        files={
            "rows": numbered(
                "0, NVIDIA H100, GPU-#, 00000000:0#:09.0, 590.48.01, 81559, 61263, 9.0, Disabled, 0\n",
                60000,
            ),
            "bin/nvidia-smi": "#!/bin/sh\ncd @root\necho qwerty; exit 9\n",
        },
    ),
    Hostile(
        "nvidia-smi: 60,000 rows",
        [
            Step(
                ["check", "--target", "@python", "--fail-on", "never"],
                code=2,
                out=["GPU unknown", "nvidia-smi"],
                absent=["on the CPU"],
                env={"PATH": "@root/bin:/usr/bin:/bin"},
            )
        ],
        files={
            "rows": numbered(
                "0, NVIDIA H100, GPU-#, 00000000:0#:09.0, 590.48.01, 81559, 61263, 9.0, Disabled, 0\n",
                60000,
            ),
            "bin/nvidia-smi": "#!/bin/sh\ncd @root\ncat rows\n",
        },
    ),
    Hostile(
        "nvidia-smi: one GPU twice",
        [
            Step(
                ["check", "--target", "@python", "--fail-on", "never"],
                code=2,
                out=["GPU unknown", "nvidia-smi"],
                absent=["on the CPU"],
                env={"PATH": "@root/bin:/usr/bin:/bin"},
            )
        ],
        files={
            "rows": numbered(
                "0, NVIDIA H100, GPU-#, 00000000:0#:09.0, 590.48.01, 81559, 61263, 9.0, Disabled, 0\n",
                60000,
            ),
            "bin/nvidia-smi": "#!/bin/sh\ncd @root\nhead -2 rows\n",
        },
    ),
    Hostile(
        "nvidia-smi: escape sequences",
        [
            Step(
                ["check", "--target", "@python", "--fail-on", "never"],
                code=2,
                out=["GPU unknown", "nvidia-smi"],
                absent=["on the CPU"],
                env={"PATH": "@root/bin:/usr/bin:/bin"},
            )
        ],
        files={
            "rows": numbered(
                "0, NVIDIA H100, GPU-#, 00000000:0#:09.0, 590.48.01, 81559, 61263, 9.0, Disabled, 0\n",
                60000,
            ),
            "bin/nvidia-smi": (
                "#!/bin/sh\n"
                "cd @root\n"
                "printf '\\033]0;owned\\007\\033[2J\\033[31m\\342\\200\\256garbage'\n"
            ),
        },
    ),
    Hostile(
        "nvidia-smi: bytes that are no text",
        [
            Step(
                ["check", "--target", "@python", "--fail-on", "never"],
                code=2,
                out=["GPU unknown", "nvidia-smi"],
                absent=["on the CPU"],
                env={"PATH": "@root/bin:/usr/bin:/bin"},
            )
        ],
        files={
            "rows": numbered(
                "0, NVIDIA H100, GPU-#, 00000000:0#:09.0, 590.48.01, 81559, 61263, 9.0, Disabled, 0\n",
                60000,
            ),
            "bin/nvidia-smi": "#!/bin/sh\ncd @root\nhead -c 30000 @real\n",
        },
    ),
    Hostile(
        "nvidia-smi: a table that is cut",
        [
            Step(
                ["check", "--target", "@python", "--fail-on", "never"],
                code=2,
                out=["GPU unknown", "nvidia-smi"],
                absent=["on the CPU"],
                env={"PATH": "@root/bin:/usr/bin:/bin"},
            )
        ],
        files={
            "rows": numbered(
                "0, NVIDIA H100, GPU-#, 00000000:0#:09.0, 590.48.01, 81559, 61263, 9.0, Disabled, 0\n",
                60000,
            ),
            "bin/nvidia-smi": "#!/bin/sh\ncd @root\nhead -c 600 @table\n",
        },
    ),
    Hostile(
        "nvidia-smi: a gigabyte",
        [
            Step(
                ["check", "--target", "@python", "--fail-on", "never"],
                code=2,
                out=["GPU unknown", "nvidia-smi"],
                absent=["on the CPU"],
                env={"PATH": "@root/bin:/usr/bin:/bin"},
            )
        ],
        files={
            "rows": numbered(
                "0, NVIDIA H100, GPU-#, 00000000:0#:09.0, 590.48.01, 81559, 61263, 9.0, Disabled, 0\n",
                60000,
            ),
            "bin/nvidia-smi": "#!/bin/sh\ncd @root\nhead -c 1073741824 /dev/zero\n",
        },
    ),
    Hostile(
        "nvidia-smi: a row of ten megabytes",
        [
            Step(
                ["check", "--target", "@python", "--fail-on", "never"],
                code=2,
                out=["GPU unknown", "nvidia-smi"],
                absent=["on the CPU"],
                env={"PATH": "@root/bin:/usr/bin:/bin"},
            )
        ],
        files={
            "rows": numbered(
                "0, NVIDIA H100, GPU-#, 00000000:0#:09.0, 590.48.01, 81559, 61263, 9.0, Disabled, 0\n",
                60000,
            ),
            "bin/nvidia-smi": "#!/bin/sh\ncd @root\nhead -c 10485760 /dev/zero | tr '\\0' 0\n",
        },
    ),
    Hostile(
        "nvidia-smi: a pipe that never closes",
        [
            Step(
                ["check", "--target", "@python", "--fail-on", "never"],
                code=2,
                out=["GPU unknown", "nvidia-smi"],
                absent=["on the CPU"],
                env={"PATH": "@root/bin:/usr/bin:/bin"},
            )
        ],
        files={
            "rows": numbered(
                "0, NVIDIA H100, GPU-#, 00000000:0#:09.0, 590.48.01, 81559, 61263, 9.0, Disabled, 0\n",
                60000,
            ),
            "bin/nvidia-smi": "#!/bin/sh\ncd @root\nsetsid sleep 300 &\n",
        },
    ),
    Hostile(
        "names of files that act on a terminal",
        [
            Step(["data", "d"], out=["a"]),
            Step(["triage", "d"], out=["a"]),
            Step(["fit", "a\x1b[2Jb.json", "--vram", "24"], err=["a"]),
            Step(["fit", "a\x1b]0;t\x07b.json", "--vram", "24"], err=["a"]),
            Step(["fit", "a\u202eb.json", "--vram", "24"], err=["a"]),
            Step(["fit", "a\x9b1mb.json", "--vram", "24"], err=["a"]),
            Step(["fit", "a\rb.json", "--vram", "24"], err=["a"]),
        ],
        files={
            "d/a\x1b[2Jb.jsonl": "{}\n",
            "d/a\x1b]0;t\x07b.jsonl": "{}\n",
            "d/a\u202eb.jsonl": "{}\n",
            "d/a\x9b1mb.jsonl": "{}\n",
            "d/a\rb.jsonl": "{}\n",
            "d/a\x1b[2Jb.txt": "Driver Version: 550.54\n",
            "d/a\x1b]0;t\x07b.txt": "Driver Version: 550.54\n",
            "d/a\u202eb.txt": "Driver Version: 550.54\n",
            "d/a\x9b1mb.txt": "Driver Version: 550.54\n",
            "d/a\rb.txt": "Driver Version: 550.54\n",
        },
    ),
]
