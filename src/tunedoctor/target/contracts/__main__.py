"""Start the look: `python -I -S contracts < REQUEST`, REQUEST as look.py has it."""

import importlib
import os
import sys

if __name__ == "__main__":
    sys.dont_write_bytecode = True
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    start = importlib.import_module("contracts.look").main
    del sys.path[0]
    start()
