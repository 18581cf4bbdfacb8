"""Start the deep probe: `python deep ARGUMENTS`, as look.py has them."""

import importlib
import os
import sys

if __name__ == "__main__":
    sys.dont_write_bytecode = True
    here = os.path.dirname(os.path.abspath(__file__))
    # the folder of this script is no place of the user's
    if sys.path and os.path.abspath(sys.path[0] or ".") == here:
        del sys.path[0]
    sys.path.insert(0, os.path.dirname(here))
    start = importlib.import_module("deep.look").main
    del sys.path[0]
    start()
