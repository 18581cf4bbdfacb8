"""Cures are read back as what wrote them."""

import shlex

from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.advice.cure_lines import exact, pip_lines_of, tell, variable_of
from tunedoctor.advice.shells import set_variable, unset_variable
from tunedoctor.facts import Host, Interpreter
from tunedoctor.findings import Finding
from tunedoctor.plan import SetEnv, Tell
from tunedoctor.wording import pip

VENV = Interpreter(executable="/home/a da/.venv/bin/python", version="3.12.7", kind="venv")
CONDA = Interpreter(executable="/opt/c/bin/python", version="3.12.7", kind="conda")
SYSTEM = Interpreter(executable="/usr/bin/python3", version="3.12.7", kind="system")
WINDOWS = Host(os="windows", name="Windows 11")

names = st.from_regex(r"[a-z][a-z0-9]{0,8}(-[a-z0-9]{1,4})?", fullmatch=True)
specs = st.sampled_from(["", "==1.2", ">=0.34.0,<1.0", "<2", "~=1.4", "!=3"])
requirement = st.builds(str.__add__, names, specs)


@given(st.lists(requirement, min_size=1, max_size=4))
def test_a_pip_command_gives_its_requirements(wanted: list[str]) -> None:
    (line,) = pip_lines_of(pip(VENV, "install", *wanted))
    assert (line.verb, line.requirements, line.anew) == ("install", tuple(wanted), False)


@given(st.text(max_size=60))
def test_any_text_is_read_or_left_alone(text: str) -> None:
    for line in pip_lines_of(text):
        assert line.verb in ("install", "uninstall")
    variable_of(text, VENV)


def test_options_are_told_apart() -> None:
    first, second = pip_lines_of(
        "python -m pip uninstall -y triton && python -m pip install --no-deps --force-reinstall "
        "torch==2.9.1+rocm6.4 --index-url https://download.pytorch.org/whl/rocm6.4"
    )
    assert (first.verb, first.requirements) == ("uninstall", ("triton",))
    assert (second.no_deps, second.anew, second.upgrade) == (True, True, False)
    assert second.source == "https://download.pytorch.org/whl/rocm6.4"
    assert exact(second.requirements[0]) == ("torch", "2.9.1+rocm6.4")
    assert exact("numpy>=2") is None


@given(st.lists(st.sampled_from([*"ab '\"\\\n;$&", " && ", " pip "]), max_size=8))
def test_a_path_parts_no_command_whatever_is_in_it(name: list[str]) -> None:
    place = Interpreter(
        executable=f"/home/{''.join(name)}/bin/python", version="3.12.7", kind="venv"
    )
    one = pip(place, "install", "peft>=0.18")
    lines = pip_lines_of(f"{one} && {one}\n{one}")
    assert [line.requirements for line in lines] == [("peft>=0.18",)] * 3


def test_what_does_more_than_pip_is_none() -> None:
    assert pip_lines_of("sudo apt-get install -y gcc g++") == ()
    assert pip_lines_of("python -m pip install numpy && sudo reboot") == ()
    assert pip_lines_of('python -m pip install "torch[device-gfx1103]"') == ()
    assert pip_lines_of("python -m pip list") == ()
    assert pip_lines_of("python -m pip install 'numpy") == ()


@given(st.text(st.characters(codec="ascii", min_codepoint=32), max_size=30))
def test_a_value_comes_back_as_it_was_set(value: str) -> None:
    step = variable_of(set_variable(None, "HF_HOME", value), VENV)
    assert step == SetEnv(
        name="HF_HOME",
        value=value,
        where="activate",
        command=f"export HF_HOME={shlex.quote(value)}",
    )


def test_where_a_variable_is_kept() -> None:
    cures = (unset_variable(None, "PYTHONPATH"), unset_variable(WINDOWS, "PYTHONPATH"))
    for cure in cures:
        found = [variable_of(cure, one) for one in (VENV, CONDA, SYSTEM, None)]
        assert [one and (one.value, one.where) for one in found] == [
            (None, "activate"),
            (None, "conda"),
            (None, "printed"),
            (None, "printed"),
        ]
    windows = variable_of(set_variable(WINDOWS, "HF_HOME", "D:\\hf"), VENV)
    assert windows is not None
    assert windows.value == "D:\\hf"


def test_what_a_shell_would_work_out_is_not_taken() -> None:
    assert variable_of("export CUDA_HOME=$(dirname nvcc)", VENV) is None
    assert variable_of('export PATH="$HOME/bin"', VENV) is None
    assert variable_of("export A=1 B=2", VENV) is None
    assert variable_of("export HF_HOME=/x", VENV, ["CUDA_HOME"]) is None


def test_who_runs_what_is_told() -> None:
    def who(cure: str, note: str = "") -> str:
        (step,) = tell(Finding(found="f", means="m", cure=cure, cure_note=note)).steps
        assert isinstance(step, Tell)
        assert step.command == cure
        return step.who

    assert who("sudo apt-get install -y gcc") == "root"
    assert who("sudo reboot") == "reboot"
    assert who("sudo apt-get install -y nvidia-open", "root; needs a reboot") == "reboot"
    assert who("docker run --gpus all IMAGE", "start the container anew") == "user"
    assert who("sudo dkms autoinstall", "root; a few minutes, no reboot") == "root"
