"""What judges the whole product: figures of one commit, to hold those of the next against."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"
"""Recorded cases that lie beside the checkout."""

# benchmarks and the museum are files without a package
sys.path[:0] = [str(ROOT / "benchmarks"), str(ROOT / "tests" / "museum")]
