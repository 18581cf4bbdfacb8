"""Wall time of a cold `doctor smoke` beside `import torch, transformers, peft` in the same target, in paired runs.

    python benchmarks/smoke.py --target ENV [--runs N]

The doctor is the one of the interpreter that runs this. Both run in turn, so that neighbours slow both; quoted are the
medians and the median of the ratios, which the README promises to be at most 1.5.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

PROMISED = 1.5


def wall(argv: list[str]) -> float:
    """Return the seconds of a command by the clock.

    Raises:
        SystemExit: it failed.
    """
    began = time.perf_counter()
    ended = subprocess.run(
        argv,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
        timeout=600,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"},
    )
    took = time.perf_counter() - began
    if ended.returncode:
        sys.exit(f"{' '.join(argv)} ended with {ended.returncode}\n{ended.stdout}{ended.stderr}")
    return took


def main() -> None:
    """Time both in turn and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--target", required=True, help="folder of a virtual environment")
    parser.add_argument("--runs", type=int, default=7)
    options = parser.parse_args()
    python = str(Path(options.target) / "bin" / "python")
    bare = [python, "-c", "import torch, transformers, peft"]
    smoke = [sys.executable, "-m", "tunedoctor", "smoke", "-q", "--target", options.target]
    wall(bare)  # files come from the cache for both
    pairs = [(wall(bare), wall(smoke)) for _ in range(options.runs)]
    print(f"{'bare imports s':>15} {'doctor smoke s':>15} {'ratio':>6}")
    for one, other in pairs:
        print(f"{one:15.2f} {other:15.2f} {other / one:6.2f}")
    imports, smokes = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(other / one for one, other in pairs)
    print(f"{imports:15.2f} {smokes:15.2f} {ratio:6.2f}  medians")
    least, fastest = (min(column) for column in zip(*pairs, strict=True))
    print(f"{least:15.2f} {fastest:15.2f} {fastest / least:6.2f}  least of each")
    sys.exit(0 if ratio <= PROMISED else f"the ratio is above {PROMISED}")


if __name__ == "__main__":
    main()
