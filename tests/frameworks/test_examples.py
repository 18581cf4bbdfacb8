"""Examples that the frameworks ship, cut down to the keys that matter: doctor reads each as the framework does."""

import json
import shlex
from pathlib import Path

import pytest
import yaml

from tunedoctor.frameworks.detect import parse_configuration
from tunedoctor.frameworks.mistakes import FILE_CHECKS

ROWS = json.loads((Path(__file__).parent / "examples.json").read_text())["rows"]


def source_of(row):
    """Return a file name and the text of an example."""
    name = Path(row["path"]).name
    if "calls" in row:
        lines = [
            f"{call}(**{{}})"
            if not known
            else f"x = {call}({', '.join(f'{k}={v!r}' for k, v in known.items())})"
            for call, known in row["calls"]
        ]
        return f"{Path(name).stem}.py", "\n".join(lines)
    if "command" in row:
        variables = [f"{key}={value}" for key, value in row["variables"].items()]
        options = [f"--{key} {shlex.quote(str(value))}" for key, value in row["values"].items()]
        return name, " \\\n    ".join([*variables, " ".join(row["command"]), *options])
    if name.endswith(".json"):
        return name, json.dumps(row["values"], indent=1)
    return name, yaml.safe_dump(row["values"], sort_keys=False)


@pytest.mark.parametrize("row", ROWS, ids=[f"{row['repository']}/{row['path']}" for row in ROWS])
def test_example_is_read_without_a_false_alarm(row):
    name, text = source_of(row)
    found = parse_configuration(name, text.encode())
    plan = {key: getattr(found.plan, key) for key in row["plan"]}
    plan = {key: list(value) if isinstance(value, tuple) else value for key, value in plan.items()}
    assert plan == row["plan"]
    alarms = [
        id_ for id_, _, _, find in FILE_CHECKS if any(one.severity != "note" for one in find(found))
    ]
    assert alarms == row["findings"]


def test_every_framework_has_examples():
    assert len(ROWS) >= 40
    assert {row["plan"]["framework"] for row in ROWS} >= {
        "axolotl", "llama-factory", "torchtune", "ms-swift", "trl", "unsloth", "deepspeed", "accelerate",
    }  # fmt: skip
