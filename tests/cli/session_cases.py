"""Sessions: commands typed in a folder one after the other, and what each prints and leaves.

In files, arguments, variables and words "@root" is the folder of the test, "@env" its environment, "@index" and the
names of `serve` are URLs of indexes on loopback, "@tls" is that of "@good" with https, "@closed" refuses connections,
and "@hole" never answers.
"""

from dataclasses import dataclass, field
from typing import Any

from planting import Fifo


@dataclass(frozen=True)
class Step:
    """A command, and what it prints and leaves."""

    argv: list[str]
    stdin: str = ""
    env: dict[str, str] = field(default_factory=dict)
    cwd: str = ""
    code: int | None = 0
    """The exit code; None for any."""
    out: list[str] = field(default_factory=list)
    """Words of the output, blanks and line ends as one blank."""
    err: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    """Words that neither stream has."""
    report: Any = None
    """A part of the JSON that the command prints; {"in": text} for a text that a part contains."""
    schema: list[str] = field(default_factory=list)
    """The published schema that the output keeps to."""
    versions: dict[str, str] = field(default_factory=dict)
    """Versions of packages that the environment has afterwards."""
    as_before: bool = False
    """The environment is as it was before the session."""
    asked: dict[str, bool] = field(default_factory=dict)
    """Whether an index was asked for a package."""
    then: dict[str, Any] = field(default_factory=dict)
    """Files that are written after the command."""


@dataclass(frozen=True)
class Session:
    """A folder, the indexes and the environment around it, and the commands."""

    name: str
    steps: list[Step]
    files: dict[str, Any] = field(default_factory=dict)
    museum: dict[str, str] = field(default_factory=dict)
    """Snapshots of recorded machines by the file that they are written to."""
    make: list[str] = field(default_factory=list)
    """Packages of the environment; HELD for a set that needs a fix. Without any there is no environment."""
    bodies: dict[str, str] = field(default_factory=dict)
    """Code of releases, which is otherwise harmless."""
    pip: bool = False
    """The environment has pip."""
    inside: dict[str, Any] = field(default_factory=dict)
    """Files below the site-packages of the environment."""
    serve: dict[str, str] = field(default_factory=dict)
    """Further indexes by name and the releases that they have; all other settings are taken away."""
    wheel_folders: dict[str, str] = field(default_factory=dict)
    """Folders of wheels, and the releases that they have."""
    default: bool = False
    """The index of the environment stays the default beside those of `serve`."""
    mirror: bool = False
    """The mirror of PyTorch is not closed."""
    own_process: bool = False
    """Each command runs in a process of its own: a mirror is read once in a process."""
    env: dict[str, str] = field(default_factory=dict)


SESSIONS = [
    Session(
        "exit codes",
        [
            Step(["check", "--from", "healthy.json"]),
            Step(
                ["check", "--from", "sick.json"], code=1, out=["driver-too-old"], absent=["\x1b["]
            ),
            Step(["check", "--from", "sick.json", "--fail-on", "never"]),
            Step(["check", "--from", "sick.json", "--skip", "driver-too-old"], absent=["Ready"]),
            Step(["check", "--from", "sick.json"], env={"FORCE_COLOR": "1"}, code=1, out=["\x1b["]),
            Step(
                ["check", "--from", "sick.json"],
                env={"FORCE_COLOR": "1", "NO_COLOR": "1"},
                code=1,
                absent=["\x1b["],
            ),
        ],
        museum={"healthy.json": "healthy-rtx4090", "sick.json": "driver-550-with-cu130"},
    ),
    Session(
        "the live report keeps to its schema",
        [
            Step(
                ["check", "--format", "json"],
                report={
                    "schema": "doctor.report/1",
                    "verdict": "ready",
                    "target": {"chosen_by": "none"},
                },
                schema=["report"],
            ),
            Step(["snapshot", "-o", "s.json"]),
            Step(
                ["check", "--from", "s.json", "--format", "json"],
                report={"verdict": "ready"},
                schema=["report"],
            ),
            Step(["wheel", "--from", "s.json", "--format", "json"], schema=["wheel"]),
        ],
    ),
    Session(
        'settings of the folder: skip = ["driver-too-old"]',
        [Step(["check", "--from", "sick.json"])],
        files={"pyproject.toml": '[tool.doctor]\nskip = ["driver-too-old"]\n'},
        museum={"healthy.json": "healthy-rtx4090", "sick.json": "driver-550-with-cu130"},
    ),
    Session(
        "settings of the folder: fail-on = 'never'",
        [Step(["check", "--from", "sick.json"])],
        files={"pyproject.toml": "[tool.doctor]\nfail-on = 'never'\n"},
        museum={"healthy.json": "healthy-rtx4090", "sick.json": "driver-550-with-cu130"},
    ),
    Session(
        "settings of the folder: skip = 3",
        [Step(["check", "--from", "sick.json"], code=2, err=["pyproject.toml"])],
        files={"pyproject.toml": "[tool.doctor]\nskip = 3\n"},
        museum={"healthy.json": "healthy-rtx4090", "sick.json": "driver-550-with-cu130"},
    ),
    Session(
        "settings of the folder: skpi = []",
        [Step(["check", "--from", "sick.json"], code=2, err=["pyproject.toml"])],
        files={"pyproject.toml": "[tool.doctor]\nskpi = []\n"},
        museum={"healthy.json": "healthy-rtx4090", "sick.json": "driver-550-with-cu130"},
    ),
    Session(
        "settings of the folder: skip = [",
        [Step(["check", "--from", "sick.json"], code=2, err=["pyproject.toml"])],
        files={"pyproject.toml": "[tool.doctor]\nskip = [\n"},
        museum={"healthy.json": "healthy-rtx4090", "sick.json": "driver-550-with-cu130"},
    ),
    Session(
        "pages and lists",
        [
            Step(
                ["explain", "driver-too-old"],
                out=[
                    "What it means",
                    "How it is found",
                    "How to fix it",
                    "When to ignore it",
                    "Seen as",
                    "checks/driver.py",
                ],
            ),
            Step(["explain", "--list"], out=["driver-too-old"]),
            Step(["list"], out=["plug-ins"]),
            Step([], out=["Exit codes"]),
            Step(["-h"], out=["Exit codes"]),
            Step(["--version"], out=["tunedoctor 0"]),
            Step(["version"], out=["tunedoctor 0"]),
        ],
    ),
    Session(
        "a text finds its page",
        [
            Step(
                [
                    "explain",
                    "OSError: libcublas.so.12: cannot open shared object file: No such file or directory",
                ],
                out=["cuda-library-missing", "How it is found"],
            ),
            Step(
                ["explain", "-"],
                stdin=(
                    "noise\n"
                    "OSError: libcublas.so.12: cannot open shared object file: No such file or directory\n"
                ),
                out=["cuda-library-missing"],
            ),
            Step(
                ["explain", "RuntimeError: No CUDA GPUs are available"],
                out=["This text can mean", "visible-devices-wrong", "confirm env"],
            ),
            Step(["explain", "my cat is ill"], code=2, err=["doctor triage -"]),
        ],
    ),
    Session(
        "wheel --gpu 8.9 --driver 550.54.14",
        [
            Step(
                [
                    "wheel",
                    "--platform",
                    "linux",
                    "--python",
                    "3.12",
                    "--format",
                    "json",
                    "--gpu",
                    "8.9",
                    "--driver",
                    "550.54.14",
                ],
                report={"action": "install", "torch_version": "2.14.1", "variant": "cu126"},
                schema=["wheel"],
            )
        ],
    ),
    Session(
        "wheel --gpu RTX 4090 --driver none",
        [
            Step(
                [
                    "wheel",
                    "--platform",
                    "linux",
                    "--python",
                    "3.12",
                    "--format",
                    "json",
                    "--gpu",
                    "RTX 4090",
                    "--driver",
                    "none",
                ],
                report={"action": "install_driver", "torch_version": None, "variant": None},
                schema=["wheel"],
            )
        ],
    ),
    Session(
        "wheel --gpu 1080 Ti --gpu 4090",
        [
            Step(
                [
                    "wheel",
                    "--platform",
                    "linux",
                    "--python",
                    "3.12",
                    "--format",
                    "json",
                    "--gpu",
                    "1080 Ti",
                    "--gpu",
                    "4090",
                ],
                report={"action": "install", "torch_version": "2.14.1", "variant": "cu126"},
                schema=["wheel"],
            )
        ],
    ),
    Session(
        "wheel --gpu gfx1100",
        [
            Step(
                [
                    "wheel",
                    "--platform",
                    "linux",
                    "--python",
                    "3.12",
                    "--format",
                    "json",
                    "--gpu",
                    "gfx1100",
                ],
                report={"action": "install", "torch_version": "2.14.1", "variant": "rocm7.2"},
                schema=["wheel"],
            )
        ],
    ),
    Session(
        "wheel --gpu none",
        [
            Step(
                [
                    "wheel",
                    "--platform",
                    "linux",
                    "--python",
                    "3.12",
                    "--format",
                    "json",
                    "--gpu",
                    "none",
                ],
                report={"action": "install", "torch_version": "2.15.0", "variant": "cpu"},
                schema=["wheel"],
            )
        ],
    ),
    Session(
        "wheel --gpu 8.9 --driver 440.33",
        [
            Step(
                [
                    "wheel",
                    "--platform",
                    "linux",
                    "--python",
                    "3.12",
                    "--format",
                    "json",
                    "--gpu",
                    "8.9",
                    "--driver",
                    "440.33",
                ],
                report={"action": "upgrade_driver", "torch_version": None, "variant": None},
                schema=["wheel"],
            )
        ],
    ),
    Session(
        "wheel --gpu 8.9 --torch 2.6",
        [
            Step(
                [
                    "wheel",
                    "--platform",
                    "linux",
                    "--python",
                    "3.12",
                    "--format",
                    "json",
                    "--gpu",
                    "8.9",
                    "--torch",
                    "2.6",
                ],
                report={"action": "install", "torch_version": "2.6.0", "variant": "cu124"},
                schema=["wheel"],
            )
        ],
    ),
    Session(
        "wheel --musl --gpu 8.9",
        [
            Step(
                [
                    "wheel",
                    "--platform",
                    "linux",
                    "--python",
                    "3.12",
                    "--format",
                    "json",
                    "--musl",
                    "--gpu",
                    "8.9",
                ],
                report={"action": "unsupported_platform", "torch_version": None, "variant": None},
                schema=["wheel"],
            )
        ],
    ),
    Session(
        "wheel --driver 580.95.05 --gpu 6.1 --gpu 8.9 --without 6.1",
        [
            Step(
                [
                    "wheel",
                    "--platform",
                    "linux",
                    "--python",
                    "3.12",
                    "--format",
                    "json",
                    "--driver",
                    "580.95.05",
                    "--gpu",
                    "6.1",
                    "--gpu",
                    "8.9",
                    "--without",
                    "6.1",
                ],
                report={"action": "install", "torch_version": "2.15.0", "variant": "cu132"},
                schema=["wheel"],
            )
        ],
    ),
    Session(
        "wheel of several machines",
        [
            Step(
                ["wheel", "--from", "-", "--format", "json"],
                stdin=(
                    '{"platform": "linux", "python": "3.12", "glibc": "2.35"}\n'
                    '{"platform": "macos", "python": "3.12", "macos": "15.1"}'
                ),
                out=['"variant":"cpu"', '"variant":"mps"'],
            ),
            Step(
                ["wheel", "--from", "-"],
                stdin=(
                    '{"platform": "linux", "python": "3.12", "glibc": "2.35"}\n'
                    '{"platform": "macos", "python": "3.12", "macos": "15.1"}'
                ),
                out=["machine "],
            ),
        ],
    ),
    Session(
        "triage of several reports",
        [
            Step(
                ["triage", "r/00.txt", "r/01.txt", "no-such-file"],
                code=1,
                out=[
                    "findings driver-too-old",
                    "can't be read",
                    "3 reports: 1 with findings, 1 ready, 0 undecided, 1 not read",
                ],
            ),
            Step(["triage", "r/00.txt"]),
            Step(["triage", "r/00.txt", "no-such-file"], code=2),
            Step(
                ["triage", "r/01.txt", "--format", "json"],
                code=1,
                report={"findings": {"in": "driver-too-old"}},
                schema=["report"],
            ),
            Step(
                ["triage", "r"],
                code=1,
                out=["4 reports: 1 with findings, 1 ready, 2 undecided"],
            ),
        ],
        files={
            "r/00.txt": (
                "PyTorch version: 2.9.1+cu130\n"
                "CUDA used to build PyTorch: 13.0\n"
                "OS: Ubuntu 24.04 LTS (x86_64)\n"
                "Is CUDA available: True\n"
                "GPU models and configuration: GPU 0: NVIDIA GeForce RTX 4090\n"
                "Nvidia driver version: 580.95.05\n"
            ),
            "r/01.txt": (
                "PyTorch version: 2.9.1+cu130\n"
                "CUDA used to build PyTorch: 13.0\n"
                "OS: Ubuntu 24.04 LTS (x86_64)\n"
                "Is CUDA available: False\n"
                "GPU models and configuration: GPU 0: NVIDIA GeForce RTX 4090\n"
                "Nvidia driver version: 550.144.03\n"
            ),
            "r/deeper/prose.txt": "my cat is ill\n",
            "r/empty.txt": "",
            "r/.hidden": (
                "PyTorch version: 2.9.1+cu130\n"
                "CUDA used to build PyTorch: 13.0\n"
                "OS: Ubuntu 24.04 LTS (x86_64)\n"
                "Is CUDA available: False\n"
                "GPU models and configuration: GPU 0: NVIDIA GeForce RTX 4090\n"
                "Nvidia driver version: 550.144.03\n"
            ),
        },
    ),
    Session(
        "triage with this machine",
        [
            Step(
                ["triage", "-", "--here", "--self", "--format", "json"],
                stdin="RuntimeError: CUDA error: no kernel image is available for execution on the device\n",
                code=1,
                report={"target": {"chosen_by": "--self"}},
            ),
            Step(
                ["triage", "-", "--here", "--format", "json"],
                stdin=(
                    "PyTorch version: 2.9.1+cu130\n"
                    "CUDA used to build PyTorch: 13.0\n"
                    "OS: Ubuntu 24.04 LTS (x86_64)\n"
                    "Is CUDA available: False\n"
                    "GPU models and configuration: GPU 0: NVIDIA GeForce RTX 4090\n"
                    "Nvidia driver version: 123.45.67\n"
                ),
                code=1,
                err=["the text is from a machine with"],
                report={"machine": {"driver": "123.45.67", "ram": None}},
            ),
        ],
    ),
    Session(
        "fit of a name, a folder, a file and stdin",
        [
            Step(
                ["fit", "Llama-3.1-8B", "--gpu", "4090", "--format", "json"],
                report={"verdict": "fits"},
                schema=["fit"],
            ),
            Step(
                ["fit", "m", "--vram", "24", "--format", "json"],
                report={"verdict": "fits"},
                schema=["fit"],
            ),
            Step(
                ["fit", "m/config.json", "--vram", "24", "--format", "json"],
                report={"verdict": "fits"},
            ),
            Step(
                ["fit", "-", "--vram", "24", "--format", "json"],
                stdin='{"model_type": "llama", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256, "tie_word_embeddings": false}',
                report={"verdict": "fits"},
            ),
            Step(
                ["fit", "Llama-3.1-8B", "--vram", "12"],
                code=1,
                out=["doesn't fit", "--method qlora"],
            ),
            Step(
                [
                    "fit",
                    "Llama-3.1-8B",
                    "--method",
                    "full",
                    "--gpu",
                    "H100",
                    "--gpus",
                    "8",
                    "--sharding",
                    "fsdp",
                ]
            ),
            Step(["fit", "Llama-3.1-8B", "--method", "full", "--gpu", "H100"], out=["tight"]),
            Step(
                [
                    "fit",
                    "Llama-3.1-8B",
                    "--method",
                    "full",
                    "--precision",
                    "mixed",
                    "--gpu",
                    "H100",
                ],
                code=1,
            ),
            Step(
                [
                    "fit",
                    "Llama-3.1-8B",
                    "--method",
                    "qlora",
                    "--stack",
                    "trl",
                    "--with",
                    "trl=0.13,transformers=4.48.1",
                    "--gpu",
                    "A10G",
                    "--format",
                    "json",
                ],
                report={"settings": {"stack": "trl"}},
            ),
            Step(["fit", "Llama-3.1-8B", "--with", "bar=1"], code=2, err=["bar=1", "transformers"]),
        ],
        files={
            "m/config.json": '{"model_type": "llama", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256, "tie_word_embeddings": false}'
        },
    ),
    Session(
        "fit tells tables and costs",
        [
            Step(["fit", "--cards"], out=["RTX 4090"]),
            Step(["fit", "--vram", "24"], out=["Llama-3.1-8B"]),
            Step(["fit", "--cards", "--format", "json"], out=["doctor.fit."]),
            Step(
                ["fit", "Qwen3-14B", "--method", "qlora", "--cards"],
                out=["smallest card that fits"],
            ),
            Step(
                [
                    "fit",
                    "Llama-3.1-8B",
                    "--gpu",
                    "RTX 4090",
                    "--tokens",
                    "50M",
                    "--price-per-hour",
                    "2.5",
                    "--rented",
                    "H100",
                    "--card-price",
                    "1800",
                    "--power-price",
                    "0.3",
                    "--format",
                    "json",
                ],
                report={"costs": {"own": {"verdict": "fits"}}},
            ),
        ],
    ),
    Session(
        "data of a clean file and a faulty one",
        [
            Step(["data", "clean.jsonl"], out=["40 rows; no faults", "ua 40"]),
            Step(
                ["data", "train.jsonl", "--seq", "20", "--format", "json"],
                code=1,
                report={
                    "schema": "doctor.data/1",
                    "rows": 42,
                    "duplicates": 1,
                    "lengths": {"by": "estimate"},
                },
                schema=["data"],
            ),
            Step(
                ["data", "clean.jsonl", "--test", "other.jsonl", "--format", "json"],
                code=1,
                report={"leaks": [{"splits": ["train", "test"]}]},
            ),
        ],
        files={
            "clean.jsonl": (
                '{"messages": [{"role": "user", "content": "What is 0 and 0?"}, {"role": "assistant", "content": "It is 0."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 1 and 1?"}, {"role": "assistant", "content": "It is 2."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 2 and 2?"}, {"role": "assistant", "content": "It is 4."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 3 and 3?"}, {"role": "assistant", "content": "It is 6."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 4 and 4?"}, {"role": "assistant", "content": "It is 8."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 5 and 5?"}, {"role": "assistant", "content": "It is 10."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 6 and 6?"}, {"role": "assistant", "content": "It is 12."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 7 and 7?"}, {"role": "assistant", "content": "It is 14."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 8 and 8?"}, {"role": "assistant", "content": "It is 16."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 9 and 9?"}, {"role": "assistant", "content": "It is 18."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 10 and 10?"}, {"role": "assistant", "content": "It is 20."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 11 and 11?"}, {"role": "assistant", "content": "It is 22."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 12 and 12?"}, {"role": "assistant", "content": "It is 24."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 13 and 13?"}, {"role": "assistant", "content": "It is 26."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 14 and 14?"}, {"role": "assistant", "content": "It is 28."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 15 and 15?"}, {"role": "assistant", "content": "It is 30."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 16 and 16?"}, {"role": "assistant", "content": "It is 32."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 17 and 17?"}, {"role": "assistant", "content": "It is 34."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 18 and 18?"}, {"role": "assistant", "content": "It is 36."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 19 and 19?"}, {"role": "assistant", "content": "It is 38."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 20 and 20?"}, {"role": "assistant", "content": "It is 40."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 21 and 21?"}, {"role": "assistant", "content": "It is 42."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 22 and 22?"}, {"role": "assistant", "content": "It is 44."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 23 and 23?"}, {"role": "assistant", "content": "It is 46."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 24 and 24?"}, {"role": "assistant", "content": "It is 48."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 25 and 25?"}, {"role": "assistant", "content": "It is 50."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 26 and 26?"}, {"role": "assistant", "content": "It is 52."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 27 and 27?"}, {"role": "assistant", "content": "It is 54."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 28 and 28?"}, {"role": "assistant", "content": "It is 56."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 29 and 29?"}, {"role": "assistant", "content": "It is 58."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 30 and 30?"}, {"role": "assistant", "content": "It is 60."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 31 and 31?"}, {"role": "assistant", "content": "It is 62."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 32 and 32?"}, {"role": "assistant", "content": "It is 64."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 33 and 33?"}, {"role": "assistant", "content": "It is 66."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 34 and 34?"}, {"role": "assistant", "content": "It is 68."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 35 and 35?"}, {"role": "assistant", "content": "It is 70."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 36 and 36?"}, {"role": "assistant", "content": "It is 72."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 37 and 37?"}, {"role": "assistant", "content": "It is 74."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 38 and 38?"}, {"role": "assistant", "content": "It is 76."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 39 and 39?"}, {"role": "assistant", "content": "It is 78."}]}\n'
            ),
            "train.jsonl": (
                '{"messages": [{"role": "user", "content": "What is 0 and 0?"}, {"role": "assistant", "content": "It is 0."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 1 and 1?"}, {"role": "assistant", "content": "It is 2."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 2 and 2?"}, {"role": "assistant", "content": "It is 4."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 3 and 3?"}, {"role": "assistant", "content": "It is 6."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 4 and 4?"}, {"role": "assistant", "content": "It is 8."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 5 and 5?"}, {"role": "assistant", "content": "It is 10."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 6 and 6?"}, {"role": "assistant", "content": "It is 12."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 7 and 7?"}, {"role": "assistant", "content": "It is 14."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 8 and 8?"}, {"role": "assistant", "content": "It is 16."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 9 and 9?"}, {"role": "assistant", "content": "It is 18."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 10 and 10?"}, {"role": "assistant", "content": "It is 20."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 11 and 11?"}, {"role": "assistant", "content": "It is 22."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 12 and 12?"}, {"role": "assistant", "content": "It is 24."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 13 and 13?"}, {"role": "assistant", "content": "It is 26."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 14 and 14?"}, {"role": "assistant", "content": "It is 28."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 15 and 15?"}, {"role": "assistant", "content": "It is 30."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 16 and 16?"}, {"role": "assistant", "content": "It is 32."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 17 and 17?"}, {"role": "assistant", "content": "It is 34."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 18 and 18?"}, {"role": "assistant", "content": "It is 36."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 19 and 19?"}, {"role": "assistant", "content": "It is 38."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 20 and 20?"}, {"role": "assistant", "content": "It is 40."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 21 and 21?"}, {"role": "assistant", "content": "It is 42."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 22 and 22?"}, {"role": "assistant", "content": "It is 44."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 23 and 23?"}, {"role": "assistant", "content": "It is 46."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 24 and 24?"}, {"role": "assistant", "content": "It is 48."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 25 and 25?"}, {"role": "assistant", "content": "It is 50."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 26 and 26?"}, {"role": "assistant", "content": "It is 52."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 27 and 27?"}, {"role": "assistant", "content": "It is 54."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 28 and 28?"}, {"role": "assistant", "content": "It is 56."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 29 and 29?"}, {"role": "assistant", "content": "It is 58."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 30 and 30?"}, {"role": "assistant", "content": "It is 60."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 31 and 31?"}, {"role": "assistant", "content": "It is 62."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 32 and 32?"}, {"role": "assistant", "content": "It is 64."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 33 and 33?"}, {"role": "assistant", "content": "It is 66."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 34 and 34?"}, {"role": "assistant", "content": "It is 68."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 35 and 35?"}, {"role": "assistant", "content": "It is 70."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 36 and 36?"}, {"role": "assistant", "content": "It is 72."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 37 and 37?"}, {"role": "assistant", "content": "It is 74."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 38 and 38?"}, {"role": "assistant", "content": "It is 76."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 39 and 39?"}, {"role": "assistant", "content": "It is 78."}]}\n'
                '{"text": "x"}\n'
                "[1]\n"
                '{"messages": [{"role": "user", "content": "What is 0 and 0?"}, {"role": "assistant", "content": "It is 0."}]}\n'
            ),
            "other.jsonl": (
                '{"messages": [{"role": "user", "content": "What is 0 and 0?"}, {"role": "assistant", "content": "It is 0."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 1 and 1?"}, {"role": "assistant", "content": "It is 2."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 2 and 2?"}, {"role": "assistant", "content": "It is 4."}]}\n'
            ),
        },
    ),
    Session(
        "data of a folder with splits",
        [
            Step(
                ["data", "d", "--format", "json"],
                code=1,
                report={"leaks": [{"kind": "same row", "splits": ["train", "valid"], "rows": 2}]},
            )
        ],
        files={
            "d/train.jsonl": (
                '{"messages": [{"role": "user", "content": "What is 0 and 0?"}, {"role": "assistant", "content": "It is 0."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 1 and 1?"}, {"role": "assistant", "content": "It is 2."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 2 and 2?"}, {"role": "assistant", "content": "It is 4."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 3 and 3?"}, {"role": "assistant", "content": "It is 6."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 4 and 4?"}, {"role": "assistant", "content": "It is 8."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 5 and 5?"}, {"role": "assistant", "content": "It is 10."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 6 and 6?"}, {"role": "assistant", "content": "It is 12."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 7 and 7?"}, {"role": "assistant", "content": "It is 14."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 8 and 8?"}, {"role": "assistant", "content": "It is 16."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 9 and 9?"}, {"role": "assistant", "content": "It is 18."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 10 and 10?"}, {"role": "assistant", "content": "It is 20."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 11 and 11?"}, {"role": "assistant", "content": "It is 22."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 12 and 12?"}, {"role": "assistant", "content": "It is 24."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 13 and 13?"}, {"role": "assistant", "content": "It is 26."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 14 and 14?"}, {"role": "assistant", "content": "It is 28."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 15 and 15?"}, {"role": "assistant", "content": "It is 30."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 16 and 16?"}, {"role": "assistant", "content": "It is 32."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 17 and 17?"}, {"role": "assistant", "content": "It is 34."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 18 and 18?"}, {"role": "assistant", "content": "It is 36."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 19 and 19?"}, {"role": "assistant", "content": "It is 38."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 20 and 20?"}, {"role": "assistant", "content": "It is 40."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 21 and 21?"}, {"role": "assistant", "content": "It is 42."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 22 and 22?"}, {"role": "assistant", "content": "It is 44."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 23 and 23?"}, {"role": "assistant", "content": "It is 46."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 24 and 24?"}, {"role": "assistant", "content": "It is 48."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 25 and 25?"}, {"role": "assistant", "content": "It is 50."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 26 and 26?"}, {"role": "assistant", "content": "It is 52."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 27 and 27?"}, {"role": "assistant", "content": "It is 54."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 28 and 28?"}, {"role": "assistant", "content": "It is 56."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 29 and 29?"}, {"role": "assistant", "content": "It is 58."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 30 and 30?"}, {"role": "assistant", "content": "It is 60."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 31 and 31?"}, {"role": "assistant", "content": "It is 62."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 32 and 32?"}, {"role": "assistant", "content": "It is 64."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 33 and 33?"}, {"role": "assistant", "content": "It is 66."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 34 and 34?"}, {"role": "assistant", "content": "It is 68."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 35 and 35?"}, {"role": "assistant", "content": "It is 70."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 36 and 36?"}, {"role": "assistant", "content": "It is 72."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 37 and 37?"}, {"role": "assistant", "content": "It is 74."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 38 and 38?"}, {"role": "assistant", "content": "It is 76."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 39 and 39?"}, {"role": "assistant", "content": "It is 78."}]}\n'
            ),
            "d/valid.jsonl": (
                '{"messages": [{"role": "user", "content": "What is 0 and 0?"}, {"role": "assistant", "content": "It is 0."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 1 and 1?"}, {"role": "assistant", "content": "It is 2."}]}\n'
            ),
        },
    ),
    Session(
        "data shows no secret",
        [
            Step(
                ["data", "a.jsonl", "--format", "terminal"],
                code=1,
                out=["hub token", "card number"],
                absent=[
                    "jane.roe@firm.co.uk",
                    "4539148803436467",
                    "hf_aB3dE5gH7jK9mN1pQ3sT5vW7yZ2cF4iL6o",
                ],
            ),
            Step(
                ["data", "a.jsonl", "--format", "json"],
                code=1,
                out=["hub token", "card number"],
                absent=[
                    "jane.roe@firm.co.uk",
                    "4539148803436467",
                    "hf_aB3dE5gH7jK9mN1pQ3sT5vW7yZ2cF4iL6o",
                ],
            ),
            Step(
                ["data", "a.jsonl", "--format", "html"],
                code=1,
                out=["hub token", "card number"],
                absent=[
                    "jane.roe@firm.co.uk",
                    "4539148803436467",
                    "hf_aB3dE5gH7jK9mN1pQ3sT5vW7yZ2cF4iL6o",
                ],
            ),
        ],
        files={
            "a.jsonl": (
                '{"text": "Write to jane.roe@firm.co.uk now."}\n'
                '{"text": "Write to 4539148803436467 now."}\n'
                '{"text": "Write to hf_aB3dE5gH7jK9mN1pQ3sT5vW7yZ2cF4iL6o now."}\n'
            )
        },
    ),
    Session(
        "train writes what is not there",
        [
            Step(
                ["init", "pipe", "--model=m", "--data=d.jsonl"],
                code=2,
                err=["pipe can't be read: not a regular file"],
            ),
            Step(
                ["train", "--init", "c.toml", "--model=m", "--data=d.jsonl"],
                err=[
                    "wrote c.toml",
                    "Next: see how much memory it needs doctor fit c.toml",
                    "Or: train doctor train c.toml",
                ],
            ),
            Step(["init", "c.toml", "--model=m", "--data=d.jsonl"]),
            Step(["train", "--eject", "train.py"]),
            Step(
                ["init", "own.toml", "--model=m", "--data=d.jsonl"],
                code=2,
                err=["own.toml already exists with other contents", "--force"],
            ),
            Step(["init", "own.toml", "--model=m", "--data=d.jsonl", "--force"]),
            Step(
                ["init", "no/folder/c.toml", "--model=m", "--data=d.jsonl"],
                code=2,
                err=["in a folder that does not exist"],
            ),
            Step(
                ["init", "x.toml", "--model=m", "--data=none"],
                code=2,
                err=["none does not exist; name a file or a folder of data"],
            ),
            Step(["train", "--eject", "own.py"], code=2, err=["--force"]),
        ],
        files={
            "own.toml": "mine = 1\n",
            "own.py": "# mine\n",
            "m/config.json": '{"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128, "vocab_size": 512}',
            "m/model.safetensors": "",
            "m/tokenizer.json": "{}",
            "d.jsonl": '{"text": "a"}\n',
            "pipe": Fifo(),
        },
    ),
    Session(
        "chat and export say what can't be done before torch, and name the commands of others",
        [
            Step(["chat", "bare", "--prompt", "x"], code=2, err=["bare contains no weights"]),
            Step(["chat", "bad.gguf", "--prompt", "x"], code=2, err=["bad.gguf: it is incomplete"]),
            Step(
                ["chat", "stopped", "--prompt", "x"],
                code=2,
                err=["stopped contains an unfinished run", "--resume=true", "step-0000004"],
            ),
            Step(
                ["chat", "lost", "--prompt", "x"],
                code=2,
                err=["the base /gone/base of", "base_model_name_or_path"],
            ),
            Step(
                ["chat", "cut", "--prompt", "x"], code=2, err=["adapter_config.json can't be read"]
            ),
            Step(
                ["chat", "whole"],
                code=2,
                err=["there is no terminal to talk on; ask one question with --prompt TEXT"],
            ),
            Step(
                ["chat", "whole", "--compare", "--prompt", "x"],
                code=2,
                err=["no adapter to compare"],
            ),
            Step(
                ["chat", "moved", "--prompt", "x"], code=2, err=["no Python environment was found"]
            ),
            Step(["export", "whole", "--merged", "m"], code=2, err=["whole is a complete model"]),
            Step(["export", "moved", "--merged", "whole"], code=2, err=["whole already exists"]),
            Step(["export", "moved", "--gguf", "m.bin"], code=2, err=["does not end in .gguf"]),
            Step(["export", "moved", "--gguf", "mine.gguf"], code=2, err=["--force"]),
            Step(
                ["export", "moved", "--modelfile", "Modelfile"],
                code=2,
                err=["doctor did not write it"],
            ),
            Step(["export", "moved", "--merged", "no/m"], code=2, err=["mkdir -p"]),
            Step(
                ["export", "moved"],
                out=[
                    "vllm serve @root/moved/base --enable-lora --max-lora-rank 32 --lora-modules tuned=@root/moved/final",
                    "doctor export moved --merged merged",
                ],
            ),
            Step(
                ["export", "whole"],
                out=[
                    "vllm serve @root/whole",
                    "convert_hf_to_gguf.py @root/whole",
                    "doctor export whole --gguf model.gguf --modelfile Modelfile",
                ],
            ),
            Step(["export", "mine.gguf"], code=2, err=["mine.gguf: it is incomplete"]),
        ],
        files={
            "whole/config.json": "{}",
            "whole/model.safetensors": "x",
            "bare/config.json": "{}",
            "bad.gguf": "no",
            "stopped/step-0000004/x": "",
            "moved/base/config.json": "{}",
            "moved/base/model.safetensors": "x",
            "moved/final/adapter_config.json": '{"base_model_name_or_path": "/gone/base", "r": 32}',
            "moved/final/adapter_model.safetensors": "x",
            "lost/adapter_config.json": '{"base_model_name_or_path": "/gone/base"}',
            "lost/adapter_model.safetensors": "x",
            "cut/adapter_config.json": "{",
            "mine.gguf": "GGUF",
            "Modelfile": "FROM mine\n",
        },
    ),
    Session(
        "a clash is cured and undone",
        [
            Step(["check", "--target", "@env"], code=1),
            Step(
                ["fix", "--target", "@env", "--dry-run"],
                out=["1.5.0 → 0.36.2", "Nothing was changed: this is a dry run."],
                versions={"huggingface_hub": "1.5.0"},
                as_before=True,
            ),
            Step(
                ["fix", "--target", "@env", "--yes"],
                out=[
                    "fixes library-version-clash, broken-install in",
                    "~ huggingface-hub",
                    "all hashes match",
                    "✓ 2 fixed, proved by import in",
                    "Undo with doctor undo --target",
                ],
                versions={"huggingface_hub": "0.36.2"},
            ),
            Step(["check", "--target", "@env"]),
            Step(["fix", "--target", "@env", "--yes"], out=["✓ Nothing is broken in"]),
            Step(["undo", "--list", "--target", "@env"], out=["huggingface-hub 1.5.0 -> 0.36.2"]),
            Step(
                ["undo", "--target", "@env"], versions={"huggingface_hub": "1.5.0"}, as_before=True
            ),
            Step(
                ["undo", "--target", "@env"],
                code=1,
                out=["no fix of this environment is left to undo"],
            ),
        ],
        make=["HELD"],
        inside={"~afetensors": None},
    ),
    Session(
        "pip comes to the same end",
        [
            Step(
                ["fix", "--target", "@env", "--yes", "--installer", "pip", "--format", "json"],
                report={"end": "applied", "installer": "pip", "why": ""},
                schema=["fix"],
                versions={"huggingface_hub": "0.36.2"},
            )
        ],
        make=["HELD"],
        pip=True,
    ),
    Session(
        "pip that is not there",
        [
            Step(
                ["fix", "--target", "@env", "--yes", "--installer", "pip"],
                code=1,
                out=[
                    "pip is not installed in",
                    "by hand doctor fix --target @env/bin/python --installer uv",
                ],
                as_before=True,
            )
        ],
        make=["HELD"],
    ),
    Session(
        "what does not prove itself is put back",
        [
            Step(
                ["fix", "--target", "@env", "--yes", "--smoke"],
                code=1,
                out=["Failed: doctor smoke", "The old state is back.", "by hand"],
                versions={"huggingface_hub": "1.5.0"},
                as_before=True,
            )
        ],
        make=["HELD"],
    ),
    Session(
        "undo of nothing",
        [
            Step(
                ["undo", "--target", "@env"], code=1, out=["✗ no fix of this environment is kept"]
            ),
            Step(
                ["undo", "--list", "--target", "@env", "--format", "json"],
                report={"schema": "doctor.undo/1", "states": []},
            ),
        ],
        make=["numpy==2.2.6"],
    ),
    Session(
        "UV_OFFLINE is told before anything is touched",
        [
            Step(
                ["fix", "--target", "@env", "--yes", "--installer", "uv"],
                env={"UV_OFFLINE": "1", "UV_CACHE_DIR": "@root/empty"},
                code=1,
                out=["unset UV_OFFLINE", "Nothing was changed"],
                versions={"huggingface_hub": "1.5.0"},
                as_before=True,
            )
        ],
        make=["HELD"],
        pip=False,
    ),
    Session(
        "PIP_NO_INDEX is told before anything is touched",
        [
            Step(
                ["fix", "--target", "@env", "--yes", "--installer", "uv"],
                env={"PIP_NO_INDEX": "1", "UV_CACHE_DIR": "@root/empty"},
                code=1,
                out=["unset PIP_NO_INDEX", "Nothing was changed"],
                versions={"huggingface_hub": "1.5.0"},
                as_before=True,
            )
        ],
        make=["HELD"],
        pip=False,
    ),
    Session(
        "UV_NO_INDEX is told before anything is touched",
        [
            Step(
                ["fix", "--target", "@env", "--yes", "--installer", "pip"],
                env={"UV_NO_INDEX": "1", "UV_CACHE_DIR": "@root/empty"},
                code=1,
                out=["unset UV_NO_INDEX", "Nothing was changed"],
                versions={"huggingface_hub": "1.5.0"},
                as_before=True,
            )
        ],
        make=["HELD"],
        pip=True,
    ),
    Session(
        "an import that dies",
        [
            Step(
                ["fix", "--target", "@env", "--yes"],
                env={"TUNEDOCTOR_STAGE_SECONDS": "6"},
                code=1,
                out=[
                    "import huggingface_hub fails, but worked before: ImportError: cannot",
                    "The old state is back.",
                ],
                versions={"huggingface_hub": "1.5.0"},
            )
        ],
        make=["HELD"],
        bodies={"huggingface-hub==0.36.2": "raise ImportError('cannot import name HfFolder')"},
    ),
    Session(
        "an import that dies still",
        [
            Step(
                ["fix", "--target", "@env", "--yes"],
                env={"TUNEDOCTOR_STAGE_SECONDS": "6"},
                code=1,
                out=[
                    "import huggingface_hub still fails: ImportError: cannot",
                    "The old state is back.",
                ],
                versions={"huggingface_hub": "1.5.0"},
            )
        ],
        make=["HELD"],
        bodies={
            "huggingface-hub==0.36.2": "raise ImportError('cannot import name HfFolder')",
            "huggingface-hub==1.5.0": "raise ImportError('cannot import name HfFolder')",
        },
    ),
    Session(
        "an import that is healed",
        [
            Step(
                ["fix", "--target", "@env", "--yes"],
                env={"TUNEDOCTOR_STAGE_SECONDS": "6"},
                out=["1 fixed, proved by import in"],
                versions={"huggingface_hub": "0.36.2"},
            )
        ],
        make=["HELD"],
        bodies={"huggingface-hub==1.5.0": "raise ImportError('cannot import name HfFolder')"},
    ),
    Session(
        "an import of another that dies",
        [
            Step(
                ["fix", "--target", "@env", "--yes"],
                env={"TUNEDOCTOR_STAGE_SECONDS": "6"},
                code=1,
                out=["import accelerate: ImportError: cannot"],
                versions={"huggingface_hub": "0.36.2"},
            )
        ],
        make=["HELD"],
        bodies={"accelerate==1.13.0": "raise ImportError('cannot import name HfFolder')"},
    ),
    Session(
        "an import that crashes",
        [
            Step(
                ["fix", "--target", "@env", "--yes"],
                env={"TUNEDOCTOR_STAGE_SECONDS": "6"},
                code=1,
                out=["but worked before: signal SIGSEGV", "The old state is back."],
                versions={"huggingface_hub": "1.5.0"},
            )
        ],
        make=["HELD"],
        bodies={"huggingface-hub==0.36.2": "import os; os.kill(os.getpid(), 11)"},
    ),
    Session(
        "an import that hangs",
        [
            Step(
                ["fix", "--target", "@env", "--yes"],
                env={"TUNEDOCTOR_STAGE_SECONDS": "6"},
                code=1,
                out=["but worked before: no answer in 6 s", "The old state is back."],
                versions={"huggingface_hub": "1.5.0"},
            )
        ],
        make=["HELD"],
        bodies={"huggingface-hub==0.36.2": "import time; time.sleep(600)"},
    ),
    Session(
        "an import that floods",
        [
            Step(
                ["fix", "--target", "@env", "--yes"],
                env={"TUNEDOCTOR_STAGE_SECONDS": "6"},
                code=1,
                out=["import huggingface_hub fails, but worked before", "The old state is back."],
                versions={"huggingface_hub": "1.5.0"},
            )
        ],
        make=["HELD"],
        bodies={
            "huggingface-hub==0.36.2": "import os\nfor _ in range(200): os.write(2, b'flood ' * 100_000)"
        },
    ),
    Session(
        "an import that leaves a child",
        [
            Step(
                ["fix", "--target", "@env", "--yes"],
                env={"TUNEDOCTOR_STAGE_SECONDS": "6"},
                out=["1 fixed, proved by import in"],
                versions={"huggingface_hub": "0.36.2"},
            )
        ],
        make=["HELD"],
        bodies={
            "huggingface-hub==0.36.2": (
                "\nimport os, time\nif not os.fork():\n    while True:\n        time.sleep(1)\n"
            )
        },
    ),
    Session(
        "without an import it says what was not proved",
        [
            Step(
                ["fix", "--target", "@env", "--yes", "--no-import"],
                env={"TUNEDOCTOR_STAGE_SECONDS": "6"},
                out=[
                    "nothing was imported (--no-import), so it is not proved that the packages can be imported, including huggingface-hub and what depends on it",
                    "1 fixed, not proved by import.",
                ],
                versions={"huggingface_hub": "0.36.2"},
            )
        ],
        make=["HELD"],
        bodies={"huggingface-hub==0.36.2": "raise ImportError('cannot import name HfFolder')"},
    ),
    Session(
        "a torch that dies is something to cure, and remembered",
        [
            Step(["check", "--target", "@env"], code=None, absent=["torch-import-crash"]),
            Step(
                ["fix", "--target", "@env", "--dry-run"],
                out=["torch-import-crash"],
                err=["importing the packages"],
                absent=["Nothing to cure"],
            ),
            Step(
                ["check", "--target", "@env"],
                code=1,
                out=["torch-import-crash", "imports tested a moment ago"],
            ),
            Step(
                ["fix", "--target", "@env", "--dry-run"],
                out=["torch-import-crash"],
                absent=["importing"],
            ),
        ],
        make=["torch==2.14.1", "numpy==2.2.6", "nvidia-nccl-cu13==2.30.7", "filelock==3.20.0"],
        bodies={"torch==2.14.1": "raise OSError('libtorch_cpu.so: undefined symbol: _ZN3c10')"},
    ),
    Session(
        "a healthy environment is imported once",
        [
            Step(
                ["fix", "--target", "@env", "--yes"],
                out=["Noth", "imported a moment ago"],
                err=["importing the packages"],
            ),
            Step(
                ["fix", "--target", "@env", "--yes"],
                out=["Noth", "imported a moment ago"],
                absent=["importing"],
            ),
        ],
        make=[
            "torch==2.14.1",
            "nvidia-nccl-cu13==2.30.7",
            "filelock==3.20.0",
            "numpy==2.2.6",
            "safetensors==0.8.0",
            "accelerate==1.13.0",
            "tokenizers==0.22.2",
            "transformers==4.57.6",
            "huggingface-hub==0.36.2",
        ],
        bodies={"none": ""},
    ),
    Session(
        "a set for a described machine",
        [
            Step(
                [
                    "set",
                    "--platform",
                    "linux",
                    "--gpu",
                    "8.9",
                    "--driver",
                    "580.65.06",
                    "--python",
                    "3.12",
                ],
                out=[
                    "torch==2.15.0+cu132 torchvision==0.29.2 --index-url",
                    "0 to change, 15 to add",
                ],
            ),
            Step(
                [
                    "set",
                    "--platform",
                    "linux",
                    "--gpu",
                    "8.9",
                    "--driver",
                    "580.65.06",
                    "--python",
                    "3.12",
                    "--format",
                    "json",
                ],
                report={
                    "schema": "doctor.set/1",
                    "torch": {
                        "version": "2.15.0",
                        "variant": "cu132",
                        "index": "https://download.pytorch.org/whl/cu132",
                        "kept": False,
                    },
                },
                schema=["set"],
            ),
            Step(
                [
                    "set",
                    "--platform",
                    "linux",
                    "--gpu",
                    "8.9",
                    "--driver",
                    "580.65.06",
                    "--python",
                    "3.12",
                    "unsloth",
                    "torchao<0.12.5",
                ],
                code=1,
                out=["No set exists", "every available unsloth-zoo needs torchao 0.13.0 or newer"],
            ),
            Step(
                [
                    "set",
                    "--platform",
                    "linux",
                    "--gpu",
                    "8.9",
                    "--driver",
                    "580.65.06",
                    "--python",
                    "3.12",
                    "--format",
                    "json",
                    "unsloth",
                    "torchao<0.12.5",
                ],
                code=1,
                report={"verdict": "none"},
                schema=["set"],
            ),
            Step(
                [
                    "set",
                    "--platform",
                    "linux",
                    "--gpu",
                    "8.9",
                    "--driver",
                    "580.65.06",
                    "--python",
                    "3.12",
                    "--pyproject",
                    "-",
                ],
                out=["# written by doctor set", '"transformers==5.24.0"'],
            ),
        ],
        make=["numpy==2.2.6"],
    ),
    Session(
        "an environment is read and repaired by set",
        [
            Step(
                ["set", "--target", "@env", "--gpu", "none", "--driver", "none"],
                out=[
                    "! huggingface-hub 1.5.0 → 0.36.2",
                    "huggingface-hub==0.36.2 torch==2.14.1",
                    "1 to change, 0 to add",
                ],
                as_before=True,
            )
        ],
        make=[
            "torch==2.14.1",
            "filelock==3.20.0",
            "numpy==2.2.6",
            "safetensors==0.8.0",
            "accelerate==1.13.0",
            "tokenizers==0.22.2",
            "transformers==4.57.6",
            "huggingface-hub==1.5.0",
        ],
    ),
    Session(
        "a consistent environment stays",
        [
            Step(
                ["set", "--target", "@env", "--gpu", "none", "--driver", "none"],
                out=["The set is consistent: nothing to change"],
                absent=["pip install"],
            )
        ],
        make=[
            "torch==2.14.1",
            "filelock==3.20.0",
            "numpy==2.2.6",
            "safetensors==0.8.0",
            "accelerate==1.13.0",
            "tokenizers==0.22.2",
            "transformers==4.57.6",
            "huggingface-hub==0.36.2",
        ],
    ),
    Session(
        "files of a set are written whole and only over their own",
        [
            Step(
                [
                    "set",
                    "--platform",
                    "linux",
                    "--gpu",
                    "8.9",
                    "--driver",
                    "580.65.06",
                    "--python",
                    "3.12",
                    "--freeze",
                    "pins.txt",
                    "--pyproject",
                    "pyproject.toml",
                ],
                out=["wrote pins.txt"],
            ),
            Step(
                [
                    "set",
                    "--platform",
                    "linux",
                    "--gpu",
                    "8.9",
                    "--driver",
                    "580.65.06",
                    "--python",
                    "3.12",
                    "--freeze",
                    "pins.txt",
                    "--pyproject",
                    "pyproject.toml",
                ],
                then={"pyproject.toml": "[project]\nname = 'mine'\n"},
            ),
            Step(
                [
                    "set",
                    "--platform",
                    "linux",
                    "--gpu",
                    "8.9",
                    "--driver",
                    "580.65.06",
                    "--python",
                    "3.12",
                    "--freeze",
                    "pins.txt",
                    "--pyproject",
                    "pyproject.toml",
                ],
                code=2,
                err=["pyproject.toml already exists, and doctor did not write it"],
            ),
            Step(
                [
                    "set",
                    "--platform",
                    "linux",
                    "--gpu",
                    "8.9",
                    "--driver",
                    "580.65.06",
                    "--python",
                    "3.12",
                    "--freeze",
                    "pins.txt",
                    "--pyproject",
                    "pyproject.toml",
                    "--force",
                ]
            ),
        ],
        make=["numpy==2.2.6"],
    ),
    Session(
        "envs finds what stands here and where tools keep theirs",
        [
            Step(
                ["envs", "--format", "json", "--quick"],
                env={
                    "HOME": "@root/home",
                    "VIRTUAL_ENV": "",
                    "CONDA_PREFIX": "",
                    "PYENV_ROOT": "@root/none",
                },
                report={
                    "environments": [
                        {"kind": "venv", "python": "3.12.3", "torch": "2.9.1+cu130"},
                        {"kind": "pixi", "python": "3.11.9"},
                        {"kind": "Poetry", "python": "3.12.1"},
                        {"kind": "Jupyter kernel", "python": "3.10.1"},
                    ]
                },
                schema=["envs"],
            ),
            Step(
                ["envs"],
                env={
                    "HOME": "@root/home",
                    "VIRTUAL_ENV": "",
                    "CONDA_PREFIX": "",
                    "PYENV_ROOT": "@root/none",
                },
                out=["torch 2.9.1+cu130", "Next: check one doctor check"],
                absent=["gone"],
            ),
        ],
        files={
            ".venv/pyvenv.cfg": "home = /usr/bin\nversion = 3.12.3\n",
            ".venv/lib/python3.12/site-packages/torch-2.9.1+cu130.dist-info/METADATA": "Name: torch\n",
            ".pixi/envs/gpu/conda-meta/python-3.11.9-h1.json": "{}",
            "home/.cache/pypoetry/virtualenvs/tune-x-py3.12/pyvenv.cfg": "version_info = 3.12.1.final.0\n",
            "home/.local/share/jupyter/kernels/llm/kernel.json": '{"argv": ["@root/kernel/bin/python"]}',
            "home/.local/share/jupyter/kernels/bad/kernel.json": "[1]",
            "home/.conda/environments.txt": "@root/gone\n",
            "kernel/pyvenv.cfg": "version = 3.10.1\n",
        },
    ),
    Session(
        "the matrix names what a machine lacks",
        [
            Step(
                [
                    "wheel",
                    "--matrix",
                    "--format",
                    "json",
                    "--platform=linux",
                    "--arch=x86_64",
                    "--glibc=2.20",
                    "--python=3.9",
                    "--driver=520",
                    "--gpu=6.1",
                ],
                out=[
                    '"12.0+PTX" ], "verified": true, "lacks": [ "no wheel for Python 3.9", "glibc 2.28", "driver 580", "code for 6.1" ], "chosen": false }, { "torch": "2.9.1", "variant": "rocm6.3"',
                    '"gfx1201" ], "verified": true, "lacks": [ "glibc 2.28", "no AMD GPU" ]',
                    '"torch": "2.5.1", "variant": "cu118", "pythons": [ "3.9", "3.10", "3.11", "3.12", "3.13" ], "system": "2.17", "driver": "450.80.02", "code": [ "3.7", "5.0", "6.0", "7.0", "7.5", "8.0", "8.6", "9.0" ], "verified": true, "lacks": []',
                ],
            )
        ],
    ),
    Session(
        "the matrix marks the choice, and what the choice never takes does not run",
        [
            Step(
                [
                    "wheel",
                    "--matrix",
                    "--torch",
                    ">=2.9",
                    "--platform",
                    "linux",
                    "--arch",
                    "x86_64",
                    "--gpu",
                    "gfx1100",
                ],
                out=["✓ rocm7.2 3.10 - 3.14 gfx900 - gfx1201 this one"],
            ),
            Step(
                [
                    "wheel",
                    "--matrix",
                    "--platform=wsl",
                    "--arch=x86_64",
                    "--python=3.12",
                    "--gpu=gfx1100",
                ],
                out=["rocm7.2 3.10 - 3.14 gfx900 - gfx1201 only AMD's own builds"],
                absent=["gfx1201  runs", "gfx1100  runs", "gfx1030  runs"],
            ),
        ],
    ),
    Session(
        "the build that has code for an AMD GPU: a newer one of the index goes before a stopgap",
        [
            Step(
                ["triage", "-"],
                stdin=(
                    "Collecting environment information...\n"
                    "PyTorch version: 2.9.1+rocm6.4\n"
                    "ROCM used to build PyTorch: 6.4.43482\n"
                    "OS: Ubuntu 24.04 LTS (x86_64)\n"
                    "Python version: 3.12.3 (64-bit runtime)\n"
                    "Is CUDA available: True\n"
                    "GPU models and configuration: AMD Radeon Graphics (gfx1150)\n"
                ),
                code=1,
                out=["✗ gpu-arch-not-in-rocm-build", "whl/rocm7.", " for ROCm 7."],
            ),
            Step(
                ["triage", "-"],
                stdin=(
                    "Collecting environment information...\n"
                    "PyTorch version: 2.9.1+rocm6.4\n"
                    "ROCM used to build PyTorch: 6.4.43482\n"
                    "OS: Ubuntu 24.04 LTS (x86_64)\n"
                    "Python version: 3.12.3 (64-bit runtime)\n"
                    "Is CUDA available: True\n"
                    "GPU models and configuration: AMD Radeon Graphics (gfx1151)\n"
                ),
                code=1,
                out=["✗ gpu-arch-not-in-rocm-build", "whl/rocm7.", " for ROCm 7."],
            ),
            Step(
                ["triage", "-"],
                stdin=(
                    "Collecting environment information...\n"
                    "PyTorch version: 2.9.1+rocm6.4\n"
                    "ROCM used to build PyTorch: 6.4.43482\n"
                    "OS: Ubuntu 24.04 LTS (x86_64)\n"
                    "Python version: 3.12.3 (64-bit runtime)\n"
                    "Is CUDA available: True\n"
                    "GPU models and configuration: AMD Radeon Graphics (gfx950)\n"
                ),
                code=1,
                out=["✗ gpu-arch-not-in-rocm-build", "whl/rocm7.", " for ROCm 7."],
            ),
            Step(
                ["triage", "-"],
                stdin=(
                    "Collecting environment information...\n"
                    "PyTorch version: 2.9.1+rocm6.4\n"
                    "ROCM used to build PyTorch: 6.4.43482\n"
                    "OS: Ubuntu 24.04 LTS (x86_64)\n"
                    "Python version: 3.12.3 (64-bit runtime)\n"
                    "Is CUDA available: True\n"
                    "GPU models and configuration: AMD Radeon Graphics (gfx1032)\n"
                ),
                code=1,
                out=["✗ gpu-arch-not-in-rocm-build", "fix export HSA_OVERRIDE_GFX_VERSION=10.3.0"],
            ),
            Step(
                ["triage", "-"],
                stdin=(
                    "Collecting environment information...\n"
                    "PyTorch version: 2.9.1+rocm6.4\n"
                    "ROCM used to build PyTorch: 6.4.43482\n"
                    "OS: Ubuntu 24.04 LTS (x86_64)\n"
                    "Python version: 3.12.3 (64-bit runtime)\n"
                    "Is CUDA available: True\n"
                    "GPU models and configuration: AMD Radeon Graphics (gfx1036)\n"
                ),
                code=1,
                out=["✗ gpu-arch-not-in-rocm-build", "fix export HSA_OVERRIDE_GFX_VERSION=10.3.0"],
            ),
            Step(
                ["triage", "-"],
                stdin=(
                    "Collecting environment information...\n"
                    "PyTorch version: 2.9.1+rocm6.4\n"
                    "ROCM used to build PyTorch: 6.4.43482\n"
                    "OS: Ubuntu 24.04 LTS (x86_64)\n"
                    "Python version: 3.12.3 (64-bit runtime)\n"
                    "Is CUDA available: True\n"
                    "GPU models and configuration: AMD Radeon Graphics (gfx1010)\n"
                ),
                code=1,
                out=[
                    "✗ gpu-arch-not-in-rocm-build",
                    "torch[device-gfx1010]==2.12.0+rocm7.14.1",
                    "https://repo.amd.com/rocm/whl-multi-arch/",
                    "known to fail",
                ],
            ),
            Step(
                ["triage", "-"],
                stdin=(
                    "Collecting environment information...\n"
                    "PyTorch version: 2.9.1+rocm6.4\n"
                    "ROCM used to build PyTorch: 6.4.43482\n"
                    "OS: Ubuntu 24.04 LTS (x86_64)\n"
                    "Python version: 3.12.3 (64-bit runtime)\n"
                    "Is CUDA available: True\n"
                    "GPU models and configuration: AMD Radeon Graphics (gfx803)\n"
                ),
                code=1,
                out=[
                    "✗ gpu-arch-not-in-rocm-build",
                    "advice Train on another GPU, or on the CPU",
                    "neither",
                ],
            ),
        ],
    ),
    Session(
        "an update that is offline asks nobody",
        [
            Step(
                ["update", "--index", "http://127.0.0.1:9/", "--offline"],
                code=2,
                err=["--offline forbids", "the wheel table is unchanged"],
            ),
            Step(
                ["update", "--index", "http://127.0.0.1:9/"],
                env={"DOCTOR_OFFLINE": "1"},
                code=2,
                err=["DOCTOR_OFFLINE forbids", "the wheel table is unchanged"],
            ),
            Step(
                ["update", "--index", "http://127.0.0.1:9/"],
                env={"UV_OFFLINE": "1"},
                code=2,
                err=["UV_OFFLINE forbids", "the wheel table is unchanged"],
            ),
            Step(
                ["update", "--index", "http://127.0.0.1:9/"],
                env={"PIP_NO_INDEX": "on"},
                code=2,
                err=["PIP_NO_INDEX forbids", "the wheel table is unchanged"],
            ),
        ],
    ),
    Session(
        "an error that names what a library lacks is answered with the releases that have it",
        [
            Step(
                ["triage", "-"],
                stdin=(
                    "Traceback (most recent call last):\n"
                    '  File "/home/me/train.py", line 7, in <module>\n'
                    "    from peft import MissConfig\n"
                    "ImportError: cannot import name 'get_token_permission' from 'huggingface_hub' (/opt/venv/lib/python3.11/site-packages/huggingface_hub/__init__.py)\n"
                ),
                code=None,
                out=["✗ library-version-clash", 'fix python -m pip install "huggingface-hub>=0.15'],
            ),
            Step(
                ["triage", "-"],
                stdin=(
                    "Traceback (most recent call last):\n"
                    '  File "/opt/venv/lib/python3.11/site-packages/somelib/core.py", line 7, in <module>\n'
                    "    from peft import MissConfig\n"
                    "ImportError: cannot import name 'get_token_permission' from 'huggingface_hub' (/opt/venv/lib/python3.11/site-packages/huggingface_hub/__init__.py)\n"
                ),
                code=None,
                out=["✗ library-version-clash", "fix python -m pip install --upgrade somelib"],
            ),
            Step(
                ["triage", "-"],
                stdin=(
                    "Traceback (most recent call last):\n"
                    '  File "/home/me/train.py", line 7, in <module>\n'
                    "    from peft import MissConfig\n"
                    "ImportError: cannot import name 'MissConfig' from 'peft' (/opt/venv/lib/python3.11/site-packages/peft/__init__.py)\n"
                ),
                code=None,
                out=["✗ library-version-clash", 'fix python -m pip install "peft>='],
            ),
            Step(
                ["triage", "-"],
                stdin=(
                    "Traceback (most recent call last):\n"
                    '  File "/home/me/train.py", line 7, in <module>\n'
                    "    from peft import MissConfig\n"
                    "ModuleNotFoundError: No module named 'peft.tuners.bone'\n"
                ),
                code=None,
                out=["✗ library-version-clash", 'fix python -m pip install "peft>='],
            ),
            Step(
                ["triage", "-"],
                stdin=(
                    "Traceback (most recent call last):\n"
                    '  File "/home/me/train.py", line 7, in <module>\n'
                    "    from peft import MissConfig\n"
                    "ImportError: cannot import name 'Nonsense' from 'peft' (/opt/venv/lib/python3.11/site-packages/peft/__init__.py)\n"
                ),
                code=None,
                absent=["✗ library-version-clash"],
            ),
            Step(
                ["triage", "-"],
                stdin=(
                    "Traceback (most recent call last):\n"
                    '  File "/home/me/train.py", line 7, in <module>\n'
                    "    from peft import MissConfig\n"
                    "ImportError: cannot import name 'MissConfig' from partially initialized module 'peft' (circular import)\n"
                ),
                code=None,
                absent=["✗ library-version-clash"],
            ),
            Step(
                ["triage", "-"],
                stdin=(
                    "Traceback (most recent call last):\n"
                    '  File "/home/me/train.py", line 7, in <module>\n'
                    "    from peft import MissConfig\n"
                    "ImportError: cannot import name 'MissConfig' from 'peft' (/home/me/peft.py)\n"
                ),
                code=None,
                absent=["✗ library-version-clash"],
            ),
        ],
    ),
    Session(
        "the page of data stands alone and escapes",
        [
            Step(
                ["data", "a&b<i>.jsonl", "--format", "html"],
                code=1,
                out=["&lt;script&gt;", "</html>"],
                absent=["<script", "src=", "href="],
            )
        ],
        files={
            "a&b<i>.jsonl": (
                '{"messages": [{"role": "user", "content": "What is 0 and 0?"}, {"role": "assistant", "content": "It is 0."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 1 and 1?"}, {"role": "assistant", "content": "It is 2."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 2 and 2?"}, {"role": "assistant", "content": "It is 4."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 3 and 3?"}, {"role": "assistant", "content": "It is 6."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 4 and 4?"}, {"role": "assistant", "content": "It is 8."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 5 and 5?"}, {"role": "assistant", "content": "It is 10."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 6 and 6?"}, {"role": "assistant", "content": "It is 12."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 7 and 7?"}, {"role": "assistant", "content": "It is 14."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 8 and 8?"}, {"role": "assistant", "content": "It is 16."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 9 and 9?"}, {"role": "assistant", "content": "It is 18."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 10 and 10?"}, {"role": "assistant", "content": "It is 20."}]}\n'
                '{"messages": [{"role": "user", "content": "What is 11 and 11?"}, {"role": "assistant", "content": "It is 22."}]}\n'
                '{"<script>alert(1)</script>": "x"}\n'
            )
        },
    ),
    Session(
        "what takes torch of a target without it says so",
        [
            Step(
                ["fit", "Llama-3.2-1B", "--vram", "24", "--exact", "--target", "@env"],
                code=2,
                err=["torch"],
            ),
            Step(
                ["train", "c.toml", "--target", "@env"],
                code=2,
                err=["lacks torch, transformers, peft; doctor set"],
            ),
        ],
        files={
            "d.jsonl": '{"text": "a"}\n',
            "c.toml": "model = 'm'\ndata = 'd.jsonl'\n",
            "m/config.json": "{}",
            "m/model.safetensors": "",
            "m/tokenizer.json": "{}",
        },
        make=["filelock==3.20.0"],
    ),
]
"""What people type day by day."""

SOURCES = [
    Session(
        "an extra index alone has it, by variables of uv",
        [
            Step(
                ["fix", "--target", "@env", "-y"],
                env={"UV_DEFAULT_INDEX": "@bad", "UV_INDEX": "@extra"},
                versions={"huggingface_hub": "0.36.2"},
                asked={"@extra": True},
            )
        ],
        make=["HELD"],
        serve={"@bad": "-huggingface-hub", "@extra": "huggingface-hub"},
    ),
    Session(
        "an extra index alone has it, by pip.conf",
        [Step(["fix", "--target", "@env", "-y"], versions={"huggingface_hub": "0.36.2"})],
        files={
            "home/.config/pip/pip.conf": "[global]\nindex-url = @bad\n[install]\nextra-index-url =\n    @extra\n"
        },
        make=["HELD"],
        serve={"@bad": "-huggingface-hub", "@extra": "huggingface-hub"},
    ),
    Session(
        "an extra index alone has it, by uv.toml",
        [Step(["fix", "--target", "@env", "-y"], versions={"huggingface_hub": "0.36.2"})],
        files={
            "home/.config/uv/uv.toml": (
                "[[index]]\n"
                'url = "@bad"\n'
                "default = true\n"
                "[[index]]\n"
                'name = "mine"\n'
                'url = "@extra"\n'
            )
        },
        make=["HELD"],
        serve={"@bad": "-huggingface-hub", "@extra": "huggingface-hub"},
    ),
    Session(
        "a wheelhouse beside an index",
        [
            Step(
                ["fix", "--target", "@env", "-y"],
                env={"PIP_INDEX_URL": "@bad"},
                versions={"huggingface_hub": "0.36.2"},
            )
        ],
        files={"home/.config/uv/uv.toml": 'find-links = ["@root/my, wheels"]\n'},
        make=["HELD"],
        serve={"@bad": "-huggingface-hub", "@extra": "huggingface-hub"},
        wheel_folders={"my, wheels": "huggingface-hub==0.36.2"},
    ),
    Session(
        "a wheelhouse alone",
        [
            Step(
                ["fix", "--target", "@env", "-y"],
                env={"PIP_INDEX_URL": "@closed", "PIP_NO_INDEX": "1"},
                versions={"huggingface_hub": "0.36.2"},
            )
        ],
        files={"home/.config/uv/uv.toml": 'find-links = ["@root/my, wheels"]\n'},
        make=["HELD"],
        serve={"@bad": "-huggingface-hub", "@extra": "huggingface-hub"},
        wheel_folders={"my, wheels": "huggingface-hub==0.36.2"},
    ),
    Session(
        "a wheelhouse, and the index is silent",
        [
            Step(
                ["fix", "--target", "@env", "-y"],
                env={"PIP_INDEX_URL": "@closed"},
                versions={"huggingface_hub": "0.36.2"},
            )
        ],
        files={"home/.config/uv/uv.toml": 'find-links = ["@root/my, wheels"]\n'},
        make=["HELD"],
        serve={"@bad": "-huggingface-hub", "@extra": "huggingface-hub"},
        wheel_folders={"my, wheels": "huggingface-hub==0.36.2"},
    ),
    Session(
        "variables win over files, and pip's sections in their order",
        [
            Step(
                ["fix", "--target", "@env", "-y"],
                code=1,
                out=["@bad (~/.config/pip/pip.conf) has no huggingface-hub"],
                then={"work/env/pip.conf": "[install]\nindex-url = @good\n"},
            ),
            Step(["fix", "--target", "@env", "--dry-run"]),
            Step(["fix", "--target", "@env", "-y"], env={"PIP_INDEX_URL": "@bad"}, code=1),
            Step(
                ["fix", "--target", "@env", "-y"],
                env={"PIP_INDEX_URL": "@bad", "UV_DEFAULT_INDEX": "@good"},
                versions={"huggingface_hub": "0.36.2"},
            ),
        ],
        files={"home/.config/pip/pip.conf": "[global]\nindex-url = @bad\n"},
        make=["HELD"],
        serve={"@good": "*", "@bad": "-huggingface-hub"},
    ),
    Session(
        "constraints hold",
        [
            Step(
                ["fix", "--target", "@env", "--dry-run"],
                env={"PIP_INDEX_URL": "@good", "UV_CONSTRAINT": "file://@root/my%20limits.txt"},
                code=1,
                absent=["→ 0.36"],
            ),
            Step(
                ["fix", "--target", "@env", "--dry-run"],
                env={"PIP_INDEX_URL": "@good"},
                out=["→ 0.36"],
            ),
        ],
        files={"my limits.txt": "huggingface-hub<0.36\n"},
        make=["HELD"],
        serve={"@good": "*"},
    ),
    Session(
        "a mirror of PyTorch and of the default index",
        own_process=True,
        steps=[
            Step(["check", "--target", "@env"], code=1, out=["@mirror/cpu"]),
            Step(["wheel", "--target", "@env"], out=["@mirror/"]),
            Step(
                ["fix", "--target", "@env", "-y"],
                versions={"torchvision": "0.29.1+cpu"},
                then={"home/.config/tunedoctor/config.toml": "[mirrors]\npytorch = 'ftp://x'\n"},
            ),
            Step(["check", "--target", "@env"], code=2, err=["ftp://x"]),
        ],
        files={
            "home/.config/tunedoctor/config.toml": '[mirrors]\npytorch = "@mirror"\ndefault = "@good"\n'
        },
        make=["torch==2.14.1+cpu", "torchvision==0.20.1", "filelock", "numpy==2.2.6"],
        serve={"@mirror": "variants torch torchvision filelock numpy", "@good": "*"},
        mirror=True,
    ),
    Session(
        "a source that is closed is named at once",
        [
            Step(
                ["fix", "--target", "@env", "-y"],
                env={"PIP_INDEX_URL": "@closed"},
                code=1,
                out=[
                    "no answer from the package source @closed (PIP_INDEX_URL)",
                    "Nothing was changed",
                ],
                versions={"huggingface_hub": "1.5.0"},
            )
        ],
        make=["HELD"],
        serve={"@good": "*"},
    ),
    Session(
        "a source that takes no connection is named at once",
        [
            Step(
                ["fix", "--target", "@env", "-y"],
                env={"PIP_INDEX_URL": "@hole"},
                code=1,
                out=[
                    "no answer from the package source @hole (PIP_INDEX_URL)",
                    "Nothing was changed",
                ],
                versions={"huggingface_hub": "1.5.0"},
            )
        ],
        make=["HELD"],
        serve={"@good": "*"},
    ),
    Session(
        "a source that has no certificate is named at once",
        [
            Step(
                ["fix", "--target", "@env", "-y"],
                env={"PIP_INDEX_URL": "@tls"},
                code=1,
                out=[
                    "no answer from the package source @tls (PIP_INDEX_URL)",
                    "Nothing was changed",
                ],
                versions={"huggingface_hub": "1.5.0"},
            )
        ],
        make=["HELD"],
        serve={"@good": "*"},
    ),
    Session(
        "a source that is one of two is named at once",
        [
            Step(
                ["fix", "--target", "@env", "-y"],
                env={"PIP_INDEX_URL": "@good", "PIP_EXTRA_INDEX_URL": "@closed"},
                code=1,
                out=[
                    "no answer from the package source @closed (PIP_EXTRA_INDEX_URL)",
                    "Nothing was changed",
                ],
                versions={"huggingface_hub": "1.5.0"},
            )
        ],
        make=["HELD"],
        serve={"@good": "*"},
    ),
    Session(
        "pyproject.toml does not choose where wheels come from",
        [
            Step(
                ["fix", "--target", "@env", "--dry-run"],
                cwd="cloned/project",
                err=[
                    "package sources",
                    "pyproject.toml",
                    "not used; --allow-project-sources uses them",
                ],
                absent=["0.36.3"],
            ),
            Step(
                ["set", "--target", "@env", "--gpu", "none", "--driver", "none"],
                cwd="cloned/project",
                err=[
                    "package sources",
                    "pyproject.toml",
                    "not used; --allow-project-sources uses them",
                ],
                absent=["0.36.3"],
            ),
            Step(
                ["fix", "--target", "@env", "-y"],
                cwd="cloned/project",
                err=[
                    "package sources",
                    "pyproject.toml",
                    "not used; --allow-project-sources uses them",
                ],
                versions={"huggingface_hub": "0.36.2"},
                asked={"@evil": False},
            ),
            Step(["undo", "--target", "@env"], cwd="cloned/project"),
            Step(
                ["fix", "--target", "@env", "-y", "--allow-project-sources"],
                cwd="cloned/project",
                err=["they are used"],
                versions={"huggingface_hub": "0.36.3"},
            ),
        ],
        files={"cloned/project/pyproject.toml": '[tool.uv]\n[[tool.uv.index]]\nurl = "@evil"\n'},
        make=["HELD"],
        serve={"@evil": "evil"},
        wheel_folders={"cloned/project/evil": "evil"},
        default=True,
    ),
    Session(
        "uv.toml of a ban does not choose where wheels come from",
        [
            Step(
                ["fix", "--target", "@env", "--dry-run"],
                cwd="cloned/project",
                err=["package sources", "uv.toml", "not used; --allow-project-sources uses them"],
                absent=["0.36.3"],
            ),
            Step(
                ["set", "--target", "@env", "--gpu", "none", "--driver", "none"],
                cwd="cloned/project",
                err=["package sources", "uv.toml", "not used; --allow-project-sources uses them"],
                absent=["0.36.3"],
                asked={"@evil": False},
            ),
            Step(
                ["fix", "--target", "@env", "--dry-run", "--allow-project-sources"],
                cwd="cloned/project",
                out=["0.36.3"],
                err=["they are used"],
            ),
        ],
        files={
            "cloned/project/uv.toml": 'no-index = true\nfind-links = ["@root/cloned/project/evil"]\n'
        },
        make=["HELD"],
        serve={"@evil": "evil"},
        wheel_folders={"cloned/project/evil": "evil"},
        default=True,
    ),
    Session(
        "uv.toml above does not choose where wheels come from",
        [
            Step(
                ["fix", "--target", "@env", "--dry-run"],
                cwd="cloned/project",
                err=["package sources", "uv.toml", "not used; --allow-project-sources uses them"],
                absent=["0.36.3"],
            ),
            Step(
                ["set", "--target", "@env", "--gpu", "none", "--driver", "none"],
                cwd="cloned/project",
                err=["package sources", "uv.toml", "not used; --allow-project-sources uses them"],
                absent=["0.36.3"],
                asked={"@evil": False},
            ),
            Step(
                ["fix", "--target", "@env", "--dry-run", "--allow-project-sources"],
                cwd="cloned/project",
                out=["0.36.3"],
                err=["they are used"],
            ),
        ],
        files={"cloned/uv.toml": 'extra-index-url = ["@evil"]\n'},
        make=["HELD"],
        serve={"@evil": "evil"},
        wheel_folders={"cloned/project/evil": "evil"},
        default=True,
    ),
    Session(
        "requirements.txt does not choose where wheels come from",
        [
            Step(
                ["fix", "--target", "@env", "--dry-run"],
                cwd="cloned/project",
                err=[
                    "package sources",
                    "requirements.txt",
                    "not used; --allow-project-sources uses them",
                ],
                absent=["0.36.3"],
            ),
            Step(
                ["set", "--target", "@env", "--gpu", "none", "--driver", "none"],
                cwd="cloned/project",
                err=[
                    "package sources",
                    "requirements.txt",
                    "not used; --allow-project-sources uses them",
                ],
                absent=["0.36.3"],
                asked={"@evil": False},
            ),
            Step(
                ["fix", "--target", "@env", "--dry-run", "--allow-project-sources"],
                cwd="cloned/project",
                out=["0.36.3"],
                err=["they are used"],
            ),
        ],
        files={
            "cloned/project/requirements.txt": "torch\n--extra-index-url @evil\n-f evil  # the wheels\n"
        },
        make=["HELD"],
        serve={"@evil": "evil"},
        wheel_folders={"cloned/project/evil": "evil"},
        default=True,
    ),
    Session(
        "the folder names no mirror",
        own_process=True,
        steps=[
            Step(["check", "--target", "@env"], cwd="p", code=1, absent=["@evil"]),
            Step(["wheel", "--target", "@env"], cwd="p", absent=["@evil"]),
            Step(
                ["fix", "--target", "@env", "-y", "--smallest"],
                cwd="p",
                code=1,
                versions={"torchvision": "0.20.1"},
                asked={"@evil": False},
            ),
            Step(
                ["fix", "--target", "@env", "-y", "--smallest", "--allow-project-sources"],
                cwd="p",
                versions={"torchvision": "0.29.1+cpu"},
            ),
        ],
        files={"p/pyproject.toml": '[tool.doctor.mirrors]\npytorch = "@evil"\n'},
        make=["torch==2.14.1", "torchvision==0.20.1", "filelock", "numpy==2.2.6"],
        inside={
            "torch/version.py": "__version__ = '2.14.1+cpu'\ncuda = None\nhip = None\nxpu = None\n"
        },
        serve={"@evil": "variants torch torchvision filelock numpy"},
        default=True,
        mirror=True,
        env={"HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1"},
    ),
]
"""Packages come from the sources that the user configured, and from no other."""
