"""Plants faults in an interpreter: those that PLANTED names, in the modules after whose import they belong."""

import importlib.abc
import importlib.machinery
import os
import sys


class AfterImport(importlib.abc.MetaPathFinder):
    """Runs functions when a module has been imported."""

    def __init__(self, wanted):
        self.wanted = wanted

    def find_spec(self, name, path=None, target=None):
        if name not in self.wanted:
            return None
        plant = self.wanted.pop(name)
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is None or spec.loader is None:
            return spec
        run = spec.loader.exec_module

        def exec_module(module):
            run(module)
            plant(module)

        spec.loader.exec_module = exec_module
        return spec


if os.environ.get("PLANTED"):
    import faults

    for planted in os.environ["PLANTED"].split(","):
        sys.meta_path.insert(0, AfterImport(dict(faults.FAULTS[planted])))
