"""How soon doctor train tells each wrong input of tests/cli/wrong_inputs.jsonl, as a table.

    python benchmarks/wrong_inputs.py [--runs 3]

The torch of the targets leaves a mark where it is imported; the hub is on loopback. Told are the least wall seconds and
CPU seconds of the runs, children counted.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests")]

from wrong_inputs import ROWS, hub, targets, tried  # noqa: E402  tests are no package


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=3, help="of each input")
    runs, server = parser.parse_args().runs, hub()
    print(
        "| input | exit code | wall seconds | CPU seconds | torch imported |\n| --- | --- | --- | --- | --- |"
    )
    with tempfile.TemporaryDirectory() as name:
        targets(Path(name))
        for number, row in enumerate(ROWS):
            folders = [Path(name, f"{number}-{run}") for run in range(runs)]
            told, walls = [], []
            for folder in folders:
                began = time.perf_counter()
                told.append(tried(row, folder, Path(name), server.url))
                walls.append(time.perf_counter() - began)
            wall, cpu = min(walls), min(one.cpu for one in told)
            imported = "yes" if any(one.imported for one in told) else "no"
            print(
                f"| {row['name']} | {told[0].code} | {wall:.2f} | {cpu:.2f} | {imported} |",
                flush=True,
            )
    server.close()


if __name__ == "__main__":
    main()
