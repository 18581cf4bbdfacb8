"""A machine is described in JSON: what is read from it, and which mistakes are named."""

import re
from textwrap import dedent

import pytest

from tunedoctor.model.machine import Gpu, MachineError
from tunedoctor.wheels.described import machine_from, machines_from, parse_range


def test_the_gpus_and_the_wish_for_torch_are_read():
    machine = machine_from(
        {
            "platform": "linux",
            "arch": "x86_64",
            "python": "3.12",
            "driver_version": "580.65.06",
            "gpus": [{"name": "NVIDIA L4", "memory_gib": 24}],
            "torch": ">=2.6",
        }
    )
    assert machine.torch == ">=2.6"
    assert machine.gpus == (Gpu(name="NVIDIA L4", memory_gib=24.0),)


def test_control_characters_are_removed_from_the_name_of_a_gpu():
    machine = machine_from(
        {
            "platform": "linux",
            "arch": "x86_64",
            "python": "3.12",
            "driver_version": "580.65.06",
            "gpus": [{"name": "L4\x1b[31m\x07"}],
        }
    )
    assert machine.gpus == (Gpu(name="L4"),)


@pytest.mark.parametrize(
    "memory_gib",
    [
        -1,
        "24 GB",
        None,
        [24],
        10**400,
    ],
)
def test_a_memory_size_that_cannot_be_right_counts_as_unknown(memory_gib):
    machine = machine_from(
        {
            "platform": "linux",
            "arch": "x86_64",
            "python": "3.12",
            "driver_version": "580.65.06",
            "gpus": [{"name": "A100", "memory_gib": memory_gib}],
        }
    )
    assert [gpu.memory_gib for gpu in machine.gpus] == [0.0]


@pytest.mark.parametrize(
    ("torch", "expected"),
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
def test_a_wish_for_torch_becomes_a_version_specifier(torch, expected):
    assert parse_range(torch) == expected


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            {
                "platform": "solaris",
                "arch": "x86_64",
                "python": "3.12",
                "driver_version": "580.65.06",
            },
            "platform ",
        ),
        (
            {"platform": None, "arch": "x86_64", "python": "3.12", "driver_version": "580.65.06"},
            "platform ",
        ),
        (
            {"platform": "linux", "arch": "x86_64", "python": "", "driver_version": "580.65.06"},
            "python ",
        ),
        (
            {
                "platform": "linux",
                "arch": "x86_64",
                "python": ["3.12"],
                "driver_version": "580.65.06",
            },
            "python ",
        ),
        (
            {
                "platform": "linux",
                "arch": "x86_64",
                "python": "3.12",
                "driver_version": "580.65.06",
                "gpus": {"name": "L4"},
            },
            "gpus ",
        ),
        (
            {
                "platform": "linux",
                "arch": "x86_64",
                "python": "3.12",
                "driver_version": "580.65.06",
                "gpus": ["L4"],
            },
            "gpus[0] ",
        ),
        (
            {
                "platform": "linux",
                "arch": "x86_64",
                "python": "3.12",
                "driver_version": "580.65.06",
                "gpus": [{}, {"compute_capability": "eight"}],
            },
            "gpus[1].compute_capability ",
        ),
        (
            {
                "platform": "linux",
                "arch": "x86_64",
                "python": "3.12",
                "driver_version": "580.65.06",
                "gpus": [{}] * 257,
            },
            "gpus ",
        ),
        (
            {"platform": "linux", "arch": "x86_64", "python": "3.12", "driver_version": "nvidia"},
            "driver_version ",
        ),
        (
            {
                "platform": "linux",
                "arch": "x86_64",
                "python": "3.12",
                "driver_version": "580.65.06",
                "torch": "latest",
            },
            "torch ",
        ),
        (
            {
                "platform": "linux",
                "arch": "x86_64",
                "python": "3.12",
                "driver_version": "580.65.06",
                "torch": "torchvision>=0.2",
            },
            "torch ",
        ),
        (
            {
                "platform": "linux",
                "arch": "x86_64",
                "python": "3.12",
                "driver_version": "580.65.06",
                "env": ["A=1"],
            },
            "env ",
        ),
    ],
)
def test_an_error_names_the_field_that_cannot_be_used(row, message):
    with pytest.raises(MachineError, match=re.escape(message)):
        machine_from(row)


@pytest.mark.parametrize(
    ("text", "driver_versions"),
    [
        (
            '{"platform": "linux", "arch": "x86_64", "python": "3.12", "driver_version": "580.65.06"}',
            ["580.65.06"],
        ),
        (
            (
                '[{"platform": "linux", "arch": "x86_64", "python": "3.12", "driver_version": '
                '"580.65.06"}, {"platform": "linux", "arch": "x86_64", "python": "3.12", '
                '"driver_version": "580.65.06"}]'
            ),
            ["580.65.06", "580.65.06"],
        ),
        (
            dedent("""\
                {"platform": "linux", "arch": "x86_64", "python": "3.12", "driver_version": "580.65.06"}

                {"platform": "linux", "arch": "x86_64", "python": "3.12", "driver_version": "580.65.06"}
            """),
            ["580.65.06", "580.65.06"],
        ),
    ],
)
def test_one_machine_a_list_and_a_line_for_each_machine_are_read(text, driver_versions):
    machines = machines_from(text)
    assert [item.driver_version for item in machines] == driver_versions


def test_an_error_in_a_line_names_the_line():
    with pytest.raises(MachineError, match="line 2"):
        machines_from(
            '{"platform": "linux", "arch": "x86_64", "python": "3.12", "driver_version": '
            '"580.65.06"}\nnonsense'
        )
