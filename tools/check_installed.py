"""Check that an installed doctor works: the commands that need no network, on any system.

    pip install tunedoctor-*.whl && python tools/check_installed.py

Runs the doctor of this interpreter, in an empty folder. Exits with 1 at the first command that fails.
"""

import json
import subprocess
import sys
import tempfile

REPORT = "PyTorch version: 2.9.1+cu130\nNvidia driver version: 550.144.03\n"
COMMANDS: tuple[tuple[tuple[str, ...], tuple[int, ...], str], ...] = (
    (("--version",), (0,), "tunedoctor "),
    (("check",), (0, 1, 2), ""),
    (("demo",), (0,), "Ready to fine-tune"),
    (("triage", "-"), (1,), "driver-too-old"),
    (("explain", "driver-too-old"), (0,), "driver"),
    (("fit", "Qwen/Qwen3-8B", "--gpu", "RTX 4090"), (0, 1), "peak"),
    (("wheel", "--gpu", "RTX 5090", "--driver", "580.65.06"), (0,), "torch"),
    (("list",), (0,), "shm-too-small"),
    (("envs", "--quick"), (0, 1), ""),
)
"""Words, the exit codes that are fine, and a text that standard output must contain."""


def main() -> int:
    """Run them; return the exit code."""
    with tempfile.TemporaryDirectory() as folder:
        for words, codes, text in COMMANDS:
            ended = run(words, folder)
            if ended.returncode not in codes or text not in ended.stdout or fails(ended.stderr):
                sys.stderr.write(
                    f"doctor {' '.join(words)}: exit {ended.returncode}\n{ended.stdout}{ended.stderr}"
                )
                return 1
            sys.stdout.write(f"ok: doctor {' '.join(words)} (exit {ended.returncode})\n")
        report = run(("check", "--self", "--format", "json"), folder)
        target = json.loads(report.stdout)["target"]
        if target["version"] != ".".join(map(str, sys.version_info[:3])):
            sys.stderr.write(f"doctor took itself for Python {target['version']}\n")
            return 1
    sys.stdout.write(f"ok: Python {target['version']} on {sys.platform}\n")
    return 0


def run(words: tuple[str, ...], folder: str) -> "subprocess.CompletedProcess[str]":
    """Run a command of doctor to its end."""
    return subprocess.run(  # noqa: S603
        [sys.executable, "-X", "utf8", "-m", "tunedoctor", *words],
        input=REPORT,
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )


def fails(stderr: str) -> bool:
    """Return whether doctor itself failed."""
    return "Traceback" in stderr


if __name__ == "__main__":
    sys.exit(main())
