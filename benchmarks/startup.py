"""CPU of `doctor check` beside other tools that look at the same environment, in one run, as ratios.

    python benchmarks/startup.py --target ENV [--rival NAME='COMMAND …' …] [--runs N]

The doctor is the one of the interpreter that runs this. torch's collect_env is run with the target's own python where
torch is there. Children count. Quoted are medians and the ratio to the doctor; machines are noisy, ratios less so.
"""

import argparse
import resource
import shlex
import statistics
import subprocess
import sys
from pathlib import Path

DOCTOR = (sys.executable, "-m", "tunedoctor")


def cpu(argv: list[str]) -> float | None:
    """Return user and system seconds of a command and its children; None where it does not start."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    try:
        subprocess.run(
            argv, capture_output=True, stdin=subprocess.DEVNULL, check=False, timeout=300
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


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
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(options.runs):
        for name, argv in commands.items():
            if (took := cpu(argv)) is not None:
                seconds[name].append(took)
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
