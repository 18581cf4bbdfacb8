"""CPU of `doctor check` beside other tools that look at the same environment, in one run, as ratios.

    python benchmarks/startup.py --target ENV [--rival NAME='COMMAND …' …] [--runs N]

The doctor is the one of the interpreter that runs this. torch's collect_env is run with the target's own python where
torch is there. Children count. Quoted are medians and the ratio to the doctor; machines are noisy, ratios less so.
"""

import argparse
import os
import resource
import shlex
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

DOCTOR = (sys.executable, "-m", "tunedoctor")


def cpu(argv: list[str], environment: Mapping[str, str] = os.environ) -> float | None:
    """Return user and system seconds of a command and its children; None where it does not start."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    try:
        subprocess.run(
            argv,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            check=False,
            timeout=300,
            env=environment,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def rounds(commands: Mapping[str, list[str]], runs: int) -> dict[str, list[float]]:
    """Return CPU seconds of all commands, run in turn; bytecode is on the disk, as of an installation."""
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    with tempfile.TemporaryDirectory() as folder:
        kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        kept["PYTHONPYCACHEPREFIX"] = folder
        for number in range(runs + 1):
            for name, argv in commands.items():
                took = cpu(argv, kept)
                if number and took is not None:  # the first round compiles
                    seconds[name].append(took)
    return seconds


def main() -> None:
    """Time all commands in turn, round by round, and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--target", required=True, help="folder of a virtual environment")
    parser.add_argument("--rival", action="append", default=[], metavar="NAME=COMMAND")
    parser.add_argument("--runs", type=int, default=7)
    options = parser.parse_args()
    python = str(Path(options.target) / "bin" / "python")
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "doctor check": [*DOCTOR, "check", "--target", options.target],
        "doctor check --deep": [*DOCTOR, "check", "--deep", "--target", options.target],
        "torch collect_env": [python, "-m", "torch.utils.collect_env"],
    }
    for rival in options.rival:
        name, _, command = rival.partition("=")
        commands[name] = shlex.split(command)
    seconds = rounds(commands, options.runs)
    base = statistics.median(seconds["doctor check"])
    print(f"{'command':<28} {'CPU s':>7} {'least':>7} {'ratio':>7}")
    for name, values in seconds.items():
        if values:
            median = statistics.median(values)
            print(f"{name:<28} {median:7.3f} {min(values):7.3f} {median / base:7.2f}")
        else:
            print(f"{name:<28} does not start")


if __name__ == "__main__":
    main()
