"""doctor wheel, as it is typed."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from typed import doctor

from tunedoctor.wheels.answer import schema


def asked(*options: str) -> dict[str, Any]:
    done = doctor("wheel", *options, "--format", "json")
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    jsonschema.validate(answer, schema())
    return answer


@pytest.mark.parametrize(
    ("options", "action", "build"),
    [
        (["--gpu", "8.9", "--driver", "550.54.14"], "install", "2.14.1+cu126"),
        (["--gpu", "RTX 4090", "--driver", "none"], "install_driver", ""),
        (["--gpu", "1080 Ti", "--gpu", "4090"], "install", "2.14.1+cu126"),
        (["--gpu", "gfx1100"], "install", "2.14.1+rocm7.2"),
        (["--gpu", "none"], "install", "2.15.0+cpu"),
        (["--gpu", "8.9", "--driver", "440.33"], "upgrade_driver", ""),
        (["--gpu", "8.9", "--torch", "2.6"], "install", "2.6.0+cu124"),
        (["--musl", "--gpu", "8.9"], "unsupported_platform", ""),
    ],
)
def test_a_described_machine_gets_its_build(options: list[str], action: str, build: str) -> None:
    answer = asked("--platform", "linux", "--python", "3.12", *options)
    assert answer["action"] == action
    assert f"{answer['torch_version']}+{answer['variant']}" == (build or "None+None")
    assert (answer["commands"] is None) == (build == "")


def test_several_machines_get_a_line_each() -> None:
    one = {"platform": "linux", "python": "3.12", "glibc": "2.35"}
    other = {"platform": "macos", "python": "3.12", "macos": "15.1"}
    text = "\n".join(map(json.dumps, (one, other)))
    done = doctor("wheel", "--from", "-", "--format", "json", stdin=text)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [a["variant"] for a in answers] == ["cpu", "mps"]
    screens = doctor("wheel", "--from", "-", stdin=text).stdout
    assert screens.count("machine  ") == 2


def test_a_snapshot_is_a_description_too(tmp_path: Path) -> None:
    file = tmp_path / "machine.json"
    assert doctor("snapshot", "-o", str(file)).returncode == 0
    answer = json.loads(doctor("wheel", "--from", str(file), "--format", "json").stdout)
    here = asked()
    assert (answer["torch_version"], answer["variant"]) == (here["torch_version"], here["variant"])
