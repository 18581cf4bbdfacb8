"""Import libraries, each in a fork, and tell how that ended; contracts.py runs it by another interpreter.

On standard input: folders for the beginning of the path, and {module: entries} as tables/contract_libraries.json has
them. On standard output: {module: [type, text] of the first error, or []}.
"""

import importlib
import json
import os
import signal
import sys

SECONDS = 600


def ended(path: list[str], library: str, entries: list[str]) -> list[str]:
    """Import a library and its entries."""
    sys.path[:0] = path
    importlib.invalidate_caches()
    try:
        held = importlib.import_module(library)
        for one in entries:
            if "." in one:
                importlib.import_module(one)
            elif one in dir(held):
                getattr(held, one)
    except BaseException as error:  # noqa: BLE001  whatever it dies of
        first: BaseException = error
        while first.__cause__:
            first = first.__cause__
        return [type(first).__name__, str(first)[:600]]
    return []


if __name__ == "__main__":
    os.environ["HF_HUB_OFFLINE"] = "1"
    folders, libraries = json.load(sys.stdin)
    for module in ("torch", "numpy", "pandas", "pyarrow"):  # once for all
        importlib.import_module(module)
    told = {}
    for name, some in libraries.items():
        out, into = os.pipe()
        if not os.fork():
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            os.dup2(1, 2)
            signal.alarm(SECONDS)
            os.write(into, json.dumps(ended(folders, name, some)).encode())
            os._exit(0)
        os.close(into)
        told[name] = json.loads(os.read(out, 1 << 16) or '["Killed", ""]')
        os.close(out)
        os.wait()
    json.dump(told, sys.stdout)
