"""Machines described in JSON: what is taken, and errors that name the field."""

import json

import pytest

from tunedoctor.model.machine import MachineError
from tunedoctor.wheels.described import machine_from, machines_from, wanted

PLAIN = {"platform": "linux", "arch": "x86_64", "python": "3.12", "driver_version": "580.65.06"}


def test_a_plain_machine() -> None:
    row = {**PLAIN, "gpus": [{"name": "NVIDIA L4", "memory_gib": 24}], "torch": ">=2.6"}
    (gpu,) = machine_from(row).gpus
    assert (gpu.name, gpu.memory_gib) == ("NVIDIA L4", 24)
    assert machine_from(row).torch == ">=2.6"


@pytest.mark.parametrize(
    ("torch", "range_"),
    [
        ("2.6", "==2.6.*"),
        ("2", "==2.*"),
        ("2.6.0", "==2.6.0"),
        ("2.6.0+cu124", "==2.6.0+cu124"),
        ("torch>=2.6,<2.9", ">=2.6,<2.9"),
        ("torch", ""),
        (" >=2.6 ", ">=2.6"),
    ],
)
def test_ranges_as_people_write_them(torch: str, range_: str) -> None:
    assert wanted(torch) == range_
    assert machine_from({**PLAIN, "torch": torch}).torch == range_


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"platform": "solaris"}, "platform"),
        ({"platform": None}, "platform"),
        ({"python": ""}, "python"),
        ({"python": ["3.12"]}, "python"),
        ({"gpus": {"name": "L4"}}, "gpus"),
        ({"gpus": ["L4"]}, "gpus[0]"),
        ({"gpus": [{}, {"compute_capability": "eight"}]}, "gpus[1].compute_capability"),
        ({"gpus": [{}] * 257}, "gpus"),
        ({"driver_version": "nvidia"}, "driver_version"),
        ({"torch": "latest"}, "torch"),
        ({"torch": "torchvision>=0.2"}, "torch"),
        ({"env": ["A=1"]}, "env"),
    ],
)
def test_an_error_names_the_field(fields: dict[str, object], named: str) -> None:
    with pytest.raises(MachineError, match=f"^{named.replace('[', '.').replace(']', '.')}"):
        machine_from({**PLAIN, **fields})


def test_one_object_a_list_and_lines() -> None:
    one = machine_from(PLAIN)
    text = json.dumps(PLAIN)
    assert machines_from(text) == [one]
    assert machines_from(f"[{text}, {text}]") == [one, one]
    assert machines_from(f"{text}\n\n{text}\n") == [one, one]
    with pytest.raises(MachineError, match="line 2"):
        machines_from(f"{text}\nnonsense")


def test_what_acts_on_a_terminal_is_taken_out() -> None:
    machine = machine_from({**PLAIN, "gpus": [{"name": "L4\x1b[31m\x07"}]})
    assert "\x1b" not in machine.gpus[0].name
    assert "\x07" not in machine.gpus[0].name
