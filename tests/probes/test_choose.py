"""Which environment doctor examines, and what is wrong with one that was named."""

import pytest
from planting import Link, plant

from tunedoctor.facts import Nearby, Target
from tunedoctor.probes.targeting import choose

LINKED = {
    "base/bin/python": "#!/bin/sh\n",
    "env/bin/python3": "#!/bin/sh\n",
    "env/bin/python": Link("@root/base/bin/python"),
}
SEVERAL = {
    "work/mine/bin/python": "#!/bin/sh\n",
    "venv/bin/python": "#!/bin/sh\n",
    "conda/bin/python": "#!/bin/sh\n",
    "work/.venv/bin/python": "#!/bin/sh\n",
    "own/bin/python": "#!/bin/sh\n",
}
WITH_DOCTORS_OWN = {
    "work/.venv-doctor/bin/python": "#!/bin/sh\n",
    "work/.venv": Link(".venv-doctor"),
    "work/.venv-empty": None,
    "work/.venv-doctor/pyvenv.cfg": "",
    "work/venv/pyvenv.cfg": "",
    "work/env/pyvenv.cfg": "",
    "conda/bin/python": "#!/bin/sh\n",
}


@pytest.mark.parametrize(
    ("files", "python"),
    [
        ({"env/bin/python": "#!/bin/sh\n"}, "env/bin/python"),
        ({"env/Scripts/python.exe": "#!/bin/sh\n"}, "env/Scripts/python.exe"),
        ({"env/python.exe": "#!/bin/sh\n"}, "env/python.exe"),
        ({"env/bin/python3": "#!/bin/sh\n"}, "env/bin/python3"),
    ],
)
def test_the_interpreter_of_a_folder_is_found(files, python, tmp_path):
    plant(tmp_path, files)
    result = choose("env", {}, str(tmp_path), "/own/python")
    assert result.python == f"{tmp_path}/{python}"
    assert result.problem == ""


def test_python_goes_before_python3(tmp_path):
    plant(tmp_path, LINKED)
    assert choose("env", {}, str(tmp_path), "/own/python").python == f"{tmp_path}/env/bin/python"


def test_the_interpreter_is_named_by_its_path(tmp_path):
    plant(tmp_path, LINKED)
    result = choose(f"{tmp_path}/env/bin/python", {}, str(tmp_path), "/own/python")
    assert result.python == f"{tmp_path}/env/bin/python"


def test_a_tilde_is_the_home(tmp_path):
    plant(tmp_path, LINKED)
    result = choose("~/env", {"HOME": str(tmp_path)}, str(tmp_path), "/own/python")
    assert result.python == f"{tmp_path}/env/bin/python"


def test_a_command_of_path_is_found(tmp_path):
    plant(tmp_path, {"bin/python9.9": "#!/bin/sh\n"})
    result = choose("python9.9", {"PATH": f"/nowhere:{tmp_path}/bin"}, str(tmp_path), "/own/python")
    assert result.python == f"{tmp_path}/bin/python9.9"


@pytest.mark.parametrize(
    ("asked", "environ", "path"),
    [
        (
            "python9.8",
            {"PATH": "/nowhere"},
            "python9.8 does not exist, and PATH has no command python9.8.",
        ),
        ("./nothing", {}, "nothing does not exist."),
    ],
)
def test_a_name_without_an_interpreter_is_refused(asked, environ, path, tmp_path):
    result = choose(asked, environ, str(tmp_path), "/own/python")
    assert result.python == ""
    assert result.problem == f"{tmp_path}/{path}"


def test_a_folder_without_an_interpreter_is_refused(tmp_path):
    plant(tmp_path, {"empty": None})
    result = choose("empty", {}, str(tmp_path), "/own/python")
    assert result.python == ""
    assert result.problem == f"There is no Python interpreter in {tmp_path}/empty."


def test_a_file_that_is_no_program_is_refused(tmp_path):
    plant(tmp_path, {"script": "also no program"})
    result = choose("./script", {}, str(tmp_path), "/own/python")
    assert result.python == ""
    assert result.problem == f"{tmp_path}/script is not a program that this system can run."


def test_a_broken_link_is_named(tmp_path):
    plant(tmp_path, {"stale/bin/python": Link("/gone/python3.9")})
    result = choose("stale", {}, str(tmp_path), "/own/python")
    assert result.python == ""
    assert result.problem == f"{tmp_path}/stale/bin/python is a broken link to /gone/python3.9."


def test_a_link_to_itself_is_named(tmp_path):
    plant(tmp_path, {"round": Link("about"), "about": Link("round")})
    result = choose("./round", {}, str(tmp_path), "/own/python")
    assert result.python == ""
    assert result.problem == f"{tmp_path}/round is a link that points to itself."


@pytest.mark.parametrize(
    "asked",
    [
        " ",
        "a\x00b",
    ],
)
def test_an_empty_or_broken_name_is_refused(asked, tmp_path):
    result = choose(asked, {}, str(tmp_path), "/own/python")
    assert result.python == ""
    assert result.problem == "--target names no interpreter or folder."


def test_a_variable_that_names_a_missing_environment_is_said(tmp_path):
    result = choose(None, {"VIRTUAL_ENV": f"{tmp_path}/gone"}, str(tmp_path), "/own/python")
    assert result.python == ""
    assert (
        result.problem == f"VIRTUAL_ENV names an environment that does not exist: {tmp_path}/gone"
    )


def test_the_target_option_goes_before_variables(tmp_path):
    plant(tmp_path, SEVERAL)
    result = choose(
        "mine",
        {"VIRTUAL_ENV": f"{tmp_path}/venv", "CONDA_PREFIX": f"{tmp_path}/conda"},
        f"{tmp_path}/work",
        f"{tmp_path}/own/bin/python",
    )
    assert result == Target(
        asked=f"{tmp_path}/work/mine",
        chosen_by="--target",
        python=f"{tmp_path}/work/mine/bin/python",
    )


def test_virtual_env_goes_before_conda(tmp_path):
    plant(tmp_path, SEVERAL)
    result = choose(
        None,
        {"VIRTUAL_ENV": f"{tmp_path}/venv", "CONDA_PREFIX": f"{tmp_path}/conda"},
        f"{tmp_path}/work",
        f"{tmp_path}/own/bin/python",
    )
    assert result.python == f"{tmp_path}/venv/bin/python"
    assert result.chosen_by == "VIRTUAL_ENV"


def test_conda_goes_before_the_folder(tmp_path):
    plant(tmp_path, SEVERAL)
    result = choose(
        None,
        {"CONDA_PREFIX": f"{tmp_path}/conda"},
        f"{tmp_path}/work",
        f"{tmp_path}/own/bin/python",
    )
    assert result.python == f"{tmp_path}/conda/bin/python"
    assert result.chosen_by == "CONDA_PREFIX"


def test_the_folder_of_the_project_is_last(tmp_path):
    plant(tmp_path, SEVERAL)
    result = choose(None, {}, f"{tmp_path}/work", f"{tmp_path}/own/bin/python")
    assert result.python == f"{tmp_path}/work/.venv/bin/python"
    assert result.chosen_by == "./.venv"


def test_without_any_environment_nothing_is_chosen(tmp_path):
    plant(tmp_path, SEVERAL)
    result = choose(None, {}, str(tmp_path), f"{tmp_path}/own/bin/python")
    assert result.python == ""
    assert result.chosen_by == "none"
    assert result.problem == "no environment was looked at."


def test_doctors_own_environment_is_not_chosen_if_active(tmp_path):
    plant(tmp_path, WITH_DOCTORS_OWN)
    result = choose(
        None,
        {"VIRTUAL_ENV": f"{tmp_path}/work/.venv-doctor"},
        f"{tmp_path}/work",
        f"{tmp_path}/work/.venv-doctor/bin/python",
    )
    assert result.python == ""
    assert result.chosen_by == "none"
    assert result.nearby == (Nearby(path="./venv"), Nearby(path="./env"))
    assert result.own == f"{tmp_path}/work/.venv-doctor"


def test_doctors_own_environment_is_not_chosen_by_conda(tmp_path):
    plant(tmp_path, WITH_DOCTORS_OWN)
    result = choose(
        None,
        {"CONDA_PREFIX": f"{tmp_path}/work/.venv-doctor/."},
        f"{tmp_path}/work",
        f"{tmp_path}/work/.venv-doctor/bin/python",
    )
    assert result.python == ""
    assert result.chosen_by == "none"
    assert result.nearby == (Nearby(path="./venv"), Nearby(path="./env"))
    assert f"{tmp_path}/work/.venv" in result.own


def test_doctors_own_environment_is_not_chosen_by_a_link(tmp_path):
    plant(tmp_path, WITH_DOCTORS_OWN)
    result = choose(None, {}, f"{tmp_path}/work", f"{tmp_path}/work/.venv-doctor/bin/python")
    assert result.python == ""
    assert result.chosen_by == "none"
    assert result.nearby == (Nearby(path="./venv"), Nearby(path="./env"))
    assert f"{tmp_path}/work/.venv" in result.own


def test_conda_is_chosen_beside_doctors_own_environment(tmp_path):
    plant(tmp_path, WITH_DOCTORS_OWN)
    result = choose(
        None,
        {"VIRTUAL_ENV": f"{tmp_path}/work/.venv-doctor", "CONDA_PREFIX": f"{tmp_path}/conda"},
        f"{tmp_path}/work",
        f"{tmp_path}/work/.venv-doctor/bin/python",
    )
    assert result.chosen_by == "CONDA_PREFIX"


def test_doctors_own_environment_can_be_named(tmp_path):
    plant(tmp_path, WITH_DOCTORS_OWN)
    result = choose(
        f"{tmp_path}/work/.venv-doctor/bin/python",
        {},
        f"{tmp_path}/work",
        f"{tmp_path}/work/.venv-doctor/bin/python",
    )
    assert result.python == f"{tmp_path}/work/.venv-doctor/bin/python"


def test_the_option_self_chooses_it(tmp_path):
    plant(tmp_path, WITH_DOCTORS_OWN)
    result = choose(
        f"{tmp_path}/work/.venv-doctor/bin/python",
        {},
        f"{tmp_path}/work",
        f"{tmp_path}/work/.venv-doctor/bin/python",
        "--self",
    )
    assert result.chosen_by == "--self"
