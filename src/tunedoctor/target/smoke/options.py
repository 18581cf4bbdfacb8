"""What the doctor asks of the scripts: the part to run and its options."""

import argparse
from typing import List

PARTS = ("core", "reload", "bitsandbytes", "compile", "ranks", "load")


def parsed(argv: List[str]) -> argparse.Namespace:
    """Read the arguments; the doctor wrote them, so that mistakes are the doctor's."""
    parser = argparse.ArgumentParser()
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--seconds", type=float, default=60.0, help="limit of a silent stage")
    parser.add_argument("--device", default="", help="as torch calls it; empty: the best there is")
    parser.add_argument("--scratch", default="", help="an empty folder for what is saved")
    parser.add_argument("--model", default="", help="folder of the user's model")
    parser.add_argument("--data", default="", help="the user's text: .jsonl, .csv or plain")
    parser.add_argument("--steps", type=int, default=0, help="of the user's model")
    parser.add_argument("--length", type=int, default=512, help="longest sample of --data, tokens")
    parser.add_argument("--minutes", type=float, default=10.0, help="of load")
    parser.add_argument("--world", type=int, default=1, help="ranks")
    return parser.parse_args(argv)
