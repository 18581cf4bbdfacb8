"""Judges of the whole product: figures of one commit, for comparison with the next."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"
"""Recorded cases next to the checkout."""

# benchmarks and the museum are files without a package
sys.path[:0] = [str(ROOT / "benchmarks"), str(ROOT / "tests" / "museum")]
