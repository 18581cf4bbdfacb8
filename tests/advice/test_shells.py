"""Variables are set as the shell of the system takes it."""

import subprocess

from tunedoctor.advice.shells import set_variable, unset_variable
from tunedoctor.facts import Host, Unknown

WINDOWS = Host(os="windows", name="Windows 11")


def test_bash_gets_the_value_as_it_is() -> None:
    value = "GPU-1 'x' $HOME"
    command = set_variable(None, "NAME", value)
    shell = ["bash", "-c", f'{command}; printf %s "$NAME"']
    assert subprocess.run(shell, capture_output=True, text=True, check=True).stdout == value


def test_powershell_has_words_of_its_own() -> None:
    assert set_variable(WINDOWS, "NAME", "0") == "$env:NAME = '0'"
    assert unset_variable(WINDOWS, "NAME") == "Remove-Item Env:NAME"


def test_an_unknown_system_is_taken_for_a_unix() -> None:
    assert unset_variable(Unknown(why="not told"), "NAME") == "unset NAME"
