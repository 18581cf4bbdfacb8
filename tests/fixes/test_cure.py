"""A cure is steps; the line for a shell is printed from them, and means what they say."""

import shlex
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.facts import Host, Interpreter, Unknown
from tunedoctor.model.findings import Cure, advise, exact, pip, set_variable, tell
from tunedoctor.model.plan import SetEnv, variable_of

VENV = Interpreter(executable="/home/a da/.venv/bin/python", version="3.12.7", kind="venv")
CONDA = Interpreter(executable="/opt/c/bin/python", version="3.12.7", kind="conda")
SYSTEM = Interpreter(executable="/usr/bin/python3", version="3.12.7", kind="system")
WINDOWS = Host(os="windows", name="Windows 11")
INDEX = "https://download.pytorch.org/whl/cu128"

names = st.from_regex(r"[a-z][a-z0-9]{0,8}(-[a-z0-9]{1,4})?", fullmatch=True)
specs = st.sampled_from(
    ["", "==1.2", ">=0.34.0,<1.0", "<2", "~=1.4", "!=3", "[x]>=1", ";python_version<'3'"]
)
paths = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=30)


@given(st.lists(st.builds(str.__add__, names, specs), min_size=1, max_size=4), paths)
def test_a_shell_reads_the_words_of_a_step(wanted: list[str], place: str) -> None:
    own = Interpreter(executable=f"/{place}/python", version="3.12.7")
    cure = pip(own, "install", "--upgrade", *wanted, index=INDEX)
    words = shlex.split(cure.command)
    expected = [f"/{place}/python", "-m", "pip", "install", "--upgrade", *wanted]
    assert words == [*expected, "--index-url", INDEX]
    assert cure.installs[0].requirements == tuple(wanted)
    assert cure.installs[0].upgrade


@given(st.text(st.characters(codec="ascii", min_codepoint=32), max_size=30))
def test_bash_sets_the_value_of_a_step(value: str) -> None:
    cure = set_variable(None, "HF_HOME", value)
    assert shlex.split(cure.command) == ["export", f"HF_HOME={value}"]
    step = variable_of(cure, VENV)
    assert step == SetEnv(name="HF_HOME", value=value, where="activate", command=cure.command)


def test_bash_takes_it_as_it_is() -> None:
    value = "GPU-1 'x' $HOME"
    shell = ["bash", "-c", f'{set_variable(None, "NAME", value).command}; printf %s "$NAME"']
    assert subprocess.run(shell, capture_output=True, text=True, check=True).stdout == value


def test_powershell_has_words_of_its_own() -> None:
    assert set_variable(WINDOWS, "NAME", "0").command == "$env:NAME = '0'"
    assert set_variable(WINDOWS, "NAME", None).command == "Remove-Item Env:NAME"
    assert set_variable(Unknown(why="not told"), "NAME", None).command == "unset NAME"


@pytest.mark.parametrize(
    ("own", "where"),
    [(VENV, "activate"), (CONDA, "conda"), (SYSTEM, "printed"), (None, "printed")],
    ids=["venv", "conda", "system", "not known"],
)
def test_where_a_variable_is_kept(own: Interpreter | None, where: str) -> None:
    for host in (None, WINDOWS):
        step = variable_of(set_variable(host, "PYTHONPATH", None), own)
        assert step is not None
        assert (step.value, step.where) == (None, where)


def test_several_steps_are_one_line_and_pip_alone_is_carried_out() -> None:
    both = pip(None, "uninstall", "triton").then(pip(None, "install", "--no-deps", "torch==2.9.1"))
    assert both.command == (
        "python -m pip uninstall --yes triton && python -m pip install --no-deps torch==2.9.1"
    )
    assert (len(both.pip), len(both.installs), both.installs[0].no_deps) == (2, 1, True)
    assert both.then(tell("sudo reboot")).pip == ()
    assert pip(None, "install", "--no-build-isolation", "flash-attn").installs == ()
    assert variable_of(both, VENV) is None


def test_advice_is_no_command() -> None:
    assert (advise("Use a smaller model").kind, tell("nvidia-smi").kind) == ("advice", "command")
    assert (tell("sudo reboot", "reboot").who, tell("sudo modprobe nvidia").who) == (
        "reboot",
        "root",
    )
    assert not Cure()


def test_exact_versions() -> None:
    assert exact("torch==2.9.1+rocm6.4") == ("torch", "2.9.1+rocm6.4")
    assert exact("numpy>=2") is None
