"""Steps of a fix: their commands, their kinds, and where a variable is set."""

import pytest

from tunedoctor.facts import Host, Interpreter, Unknown
from tunedoctor.model.findings import Cure, advise, exact, pip, set_variable, tell
from tunedoctor.model.plan import variable_of

WINDOWS = Host(os="windows", name="Windows 11")
VENV = Interpreter(executable="/home/a da/.venv/bin/python", version="3.12.7", kind="venv")
CONDA = Interpreter(executable="/opt/c/bin/python", version="3.12.7", kind="conda")
SYSTEM = Interpreter(executable="/usr/bin/python3", version="3.12.7", kind="system")
TWO_PIP_STEPS = pip(None, "uninstall", "triton").then(
    pip(None, "install", "--no-deps", "torch==2.9.1")
)


@pytest.mark.parametrize(
    ("host", "value", "expected"),
    [
        (WINDOWS, "0", "$env:NAME = '0'"),
        (WINDOWS, None, "Remove-Item Env:NAME"),
        (Unknown(why="not told"), None, "unset NAME"),
    ],
)
def test_a_variable_is_set_and_removed_as_the_shell_of_the_system_does(host, value, expected):
    assert set_variable(host, "NAME", value).command == expected


@pytest.mark.parametrize(
    ("host", "interpreter", "where"),
    [
        (None, VENV, "activate"),
        (WINDOWS, VENV, "activate"),
        (None, CONDA, "conda"),
        (WINDOWS, CONDA, "conda"),
        (None, SYSTEM, "printed"),
        (WINDOWS, SYSTEM, "printed"),
        (None, None, "printed"),
        (WINDOWS, None, "printed"),
    ],
)
def test_a_variable_is_removed_where_the_environment_sets_it(host, interpreter, where):
    result = variable_of(set_variable(host, "PYTHONPATH", None), interpreter)
    assert result.value is None
    assert result.where == where


def test_a_fix_of_two_pip_steps_is_one_command():
    assert (
        TWO_PIP_STEPS.command
        == "python -m pip uninstall --yes triton && python -m pip install --no-deps torch==2.9.1"
    )


def test_a_fix_of_two_pip_steps_has_both():
    assert len(TWO_PIP_STEPS.pip) == 2


def test_an_install_keeps_its_flags():
    result = TWO_PIP_STEPS.installs
    assert [item.flags for item in result] == [("--no-deps",)]


def test_a_fix_with_a_step_of_the_user_is_no_pip_fix():
    assert TWO_PIP_STEPS.then(tell("sudo reboot")).pip == ()


def test_a_fix_of_pip_steps_sets_no_variable():
    assert variable_of(TWO_PIP_STEPS, VENV) is None


def test_an_install_with_other_flags_is_not_planned():
    result = pip(None, "install", "--no-build-isolation", "flash-attn").installs
    assert result == ()


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        (advise("Use a smaller model"), "advice"),
        (tell("nvidia-smi"), "command"),
    ],
)
def test_a_step_says_its_kind(step, kind):
    assert step.kind == kind


@pytest.mark.parametrize(
    ("step", "who"),
    [
        (tell("sudo reboot", "reboot"), "reboot"),
        (tell("sudo modprobe nvidia"), "root"),
    ],
)
def test_a_command_of_the_user_says_who_has_to_run_it(step, who):
    assert step.who == who


def test_an_empty_fix_is_false():
    assert bool(Cure()) is False


@pytest.mark.parametrize(
    ("requirement", "expected"),
    [
        ("torch==2.9.1+rocm6.4", ("torch", "2.9.1+rocm6.4")),
        ("numpy>=2", None),
    ],
)
def test_an_exact_requirement_is_a_name_and_a_version(requirement, expected):
    assert exact(requirement) == expected
