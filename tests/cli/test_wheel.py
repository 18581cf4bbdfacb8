"""doctor wheel, as it is typed."""

import json
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from typed import doctor

from tunedoctor.cli.schema import schema_of


def asked(*options: str) -> dict[str, Any]:
    done = doctor("wheel", *options, "--format", "json")
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    jsonschema.validate(answer, schema_of("wheel"))
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


def test_what_no_option_tells_is_named() -> None:
    answer = asked("--platform", "windows", "--gpu", "8.9")
    own = f"Python {sys.version_info.major}.{sys.version_info.minor}"
    assert answer["assumed"] == [own, "x86_64", f"driver {answer['driver_floor']} or newer"]
    assert answer["machine"]["driver_version"] == ""
    assert "9999" not in json.dumps(answer)


def test_options_stand_over_this_machine() -> None:
    here = asked("--gpu", "none")
    there = asked("--gpu", "8.9", "--driver", "580.95.05", "--torch", "2.9")
    assert here["machine"]["platform"] == there["machine"]["platform"]
    assert here["machine"]["python"] == there["machine"]["python"]
    assert (there["torch_version"], there["variant"]) == ("2.9.1", "cu128")


def test_a_gpu_can_be_left_out() -> None:
    base = ["--platform", "linux", "--python", "3.12", "--driver", "580.95.05"]
    both = asked(*base, "--gpu", "6.1", "--gpu", "8.9")
    one = asked(*base, "--gpu", "6.1", "--gpu", "8.9", "--without", "6.1")
    assert (both["torch_version"], one["torch_version"]) == ("2.14.1", "2.15.0")
    assert "gpu_ignored" in one["says"]


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
