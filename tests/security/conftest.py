"""Trainers in a target, as tests/target has them."""

import importlib.util
from pathlib import Path

_PLACE = Path(__file__).parents[1] / "target" / "conftest.py"
_spec = importlib.util.spec_from_file_location("trainers", _PLACE)
assert _spec
assert _spec.loader
_trainers = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_trainers)
torch_python, server, train = _trainers.torch_python, _trainers.server, _trainers.train
tiny_model, options = _trainers.tiny_model, _trainers.options
