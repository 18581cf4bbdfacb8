"""Start a script of this folder: `python start.py MODULE ARGUMENTS`; MODULE is deep.look, contracts.look or smoke.main.

The scripts import each other as the package `doctor_target`, made here of this folder: no folder is put on sys.path, so
nothing of the user's is shadowed. This stands outside of `if __name__` because worker processes that are spawned
run this file again before they look for what they were sent.
"""

import importlib
import importlib.util
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGE = "doctor_target"

if PACKAGE not in sys.modules:
    if sys.path and os.path.abspath(sys.path[0] or ".") == HERE:
        del sys.path[0]
    spec = importlib.util.spec_from_file_location(
        PACKAGE, os.path.join(HERE, "__init__.py"), submodule_search_locations=[HERE]
    )
    if spec is not None:
        sys.modules[PACKAGE] = importlib.util.module_from_spec(spec)

if __name__ == "__main__":
    sys.dont_write_bytecode = True
    importlib.import_module(PACKAGE + "." + sys.argv.pop(1)).main()
