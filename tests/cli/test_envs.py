"""Which environment a command is about where nobody names one: real ones, and layouts of the tools that keep them."""

import base64
import hashlib
import json
import os
import sys
import venv
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from planting import plant
from typed import Inside, Ran, ran

from tunedoctor.facts.target import ONLY, PROJECTS

CFG = "home = /usr/bin\nversion = 3.12.3\n"
TORCH = f"lib/python3.{sys.version_info[1]}/site-packages/torch-2.9.1.dist-info/METADATA"


@pytest.fixture
def home(tmp_path):
    """Return the folder of a user who has nothing but a folder to work in."""
    (tmp_path / "home" / "work").mkdir(parents=True)
    return tmp_path / "home"


def real(folder: Path) -> Path:
    """Make a virtual environment that runs."""
    venv.create(folder, symlinks=True)
    return folder


def made(folder: Path, torch: bool = True) -> Path:
    """Make the files of one."""
    link = {"bin/python": {"link": sys.executable}}
    plant(folder, {"pyvenv.cfg": CFG, **link, **({TORCH: ""} if torch else {})})
    return folder


class User(NamedTuple):
    home: Path
    inside: Inside

    def types(self, *argv: str, cwd: str = "work", **env: str) -> Ran:
        return self.inside(*argv, cwd=self.home / cwd, HOME=str(self.home), **env)

    def target(self, cwd: str = "work", **env: str) -> dict[str, Any]:
        """Return the target of a check, without what is not asked for."""
        argv = ("check", "--only", "python-old", "--format", "json")
        return json.loads(self.types(*argv, cwd=cwd, **env).stdout)["target"]


@pytest.fixture
def user(home, inside):
    return User(home, inside)


def hashed(path: Path) -> str:
    """Return what Poetry and Pipenv name an environment of a path by."""
    return base64.urlsafe_b64encode(hashlib.sha256(os.fsencode(path)).digest())[:8].decode()


def test_the_only_one_is_taken_and_changed_only_once_it_is_named(home, user):
    path = real(home / "llm" / ".venv")
    said = user.types("check").stdout
    assert f"in ~/llm/.venv; {ONLY}\n" in said
    assert "--target ~/llm/.venv\n" in said
    assert user.target()["chosen_by"] == ONLY
    for words in (("fix", "--yes"), ("fix", "missing-dependency", "-y"), ("undo",), ("undo", "x")):
        refused = user.types(*words)
        assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)
        assert f"--target {path}" in refused.stderr.partition("name it: doctor ")[2]
    named = refused.stderr.rpartition("name it: doctor ")[2].split()
    assert "changes the environment of" in user.types(*named).stderr
    # what changes nothing, or asks, goes on, and says what it starts
    for words in (("fix", "--dry-run", "--no-import"), ("set", "--offline"), ("undo", "--list")):
        went = user.types(*words)
        assert "name it" not in went.stderr
        assert words[0] == "undo" or f"starts {path}/bin/python, which is {ONLY}" in went.stderr


@pytest.mark.parametrize("name", [".venv", "venv", "env", ".venv-gpu", ".pixi/envs/default"])
def test_the_folder_s_own_needs_no_name(home, user, name):
    made(home / "other" / ".venv")
    made(home / "work" / ".pixi/envs/zoo")
    if not name.startswith((".venv", ".pixi")) or name == ".venv-gpu":
        (home / "work" / ".pixi/envs/zoo/pyvenv.cfg").unlink()
    made(home / "work" / name)
    told = user.target()
    assert (told["asked"], told["chosen_by"]) == (f"~/work/{name}", f"./{name}")
    assert "name it" not in user.types("undo").stderr


@pytest.mark.parametrize(
    ("files", "place", "env"),
    [
        ({"pyproject.toml": "", "uv.lock": ""}, "{root}/.venv", {}),
        ({".git/HEAD": ""}, "{root}/venv", {}),
        ({"uv.lock": ""}, "{root}/out/env", {"UV_PROJECT_ENVIRONMENT": "out/env"}),
        ({"poetry.lock": ""}, "{home}/.cache/pypoetry/virtualenvs/tune-{hash}-py3.12", {}),
        (
            {"pyproject.toml": ""},
            "{home}/p/virtualenvs/tune-{hash}-py3.12",
            {"POETRY_CACHE_DIR": "{home}/p"},
        ),
        ({"Pipfile": ""}, "{home}/.local/share/virtualenvs/root-{pipfile}", {}),
        ({"pixi.toml": ""}, "{root}/.pixi/envs/default", {}),
        ({".python-version": "llm\n"}, "{home}/.pyenv/versions/llm", {}),
    ],
)
def test_the_project_s_is_taken_from_below_its_root(home, user, files, place, env):
    root = home / "code" / "root"
    plant(root, {**files, "src/deep/x.py": ""})
    names = {"home": home, "root": root, "hash": hashed(root), "pipfile": hashed(root / "Pipfile")}
    path = made(Path(place.format(**names)))
    for other in ("a/.venv", ".cache/pypoetry/virtualenvs/tune-AAAAAAAA-py3.12"):
        made(home / other)
    settings = {name: value.format(**names) for name, value in env.items()}
    told = user.target(cwd="code/root/src/deep", **settings)
    assert (told["asked"], told["chosen_by"]) == (f"~/{path.relative_to(home)}", PROJECTS)
    assert "name it" not in user.types("undo", cwd="code/root/src/deep", **settings).stderr


def test_beyond_the_root_nothing_is_the_project_s(home, user):
    plant(home / "code", {"pyproject.toml": "", "root/.git/HEAD": "", "root/src/x": ""})
    made(home / "code" / "env")
    made(home / "b" / ".venv")
    assert user.target(cwd="code/root/src")["chosen_by"] == ONLY


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="root gives files away")
def test_what_another_user_owns_is_named_and_never_taken(home, user):
    plant(home / "theirs", {"pyproject.toml": "", "mine/x": ""})
    made(home / "theirs" / ".venv")
    made(home / "shared" / "venv")
    for folder in (home / "theirs", home / "shared" / "venv"):
        os.chown(folder, 12345, 12345)
    assert user.target(cwd="theirs/mine")["chosen_by"] == "none"
    told = user.target(cwd="shared")
    assert (told["chosen_by"], told["nearby"][0]["path"]) == ("none", "./venv")


@pytest.mark.parametrize(
    ("place", "files"),
    [
        (
            "{root}/conda/envs/llm",
            {"home/.conda/environments.txt": "{root}/gone\n{root}/conda/envs/llm\n"},
        ),
        ("{home}/micromamba/envs/llm", {}),
        ("{home}/.virtualenvs/llm", {}),
        (
            "{root}/kernel",
            {
                "home/.local/share/jupyter/kernels/llm/kernel.json": '{"argv": ["{root}/kernel/bin/python"]}'
            },
        ),
        (
            "{home}/.pyenv/versions/3.12.3",
            {
                "home/.pyenv/shims/python": "#!/bin/sh\ntouch started\n",
                "home/.local/share/jupyter/kernels/shim/kernel.json": '{"argv": ["{home}/.pyenv/shims/python"]}',
            },
        ),
    ],
)
def test_what_a_tool_keeps_is_the_only_one(tmp_path, home, user, place, files):
    def at(text):
        return text.replace("{root}", str(tmp_path)).replace("{home}", str(home))

    path = made(Path(at(place)))
    bare, is_conda = "pyenv" in place, "conda" in place or "mamba" in place
    if bare or is_conda:
        (path / "pyvenv.cfg").unlink()
    plant(path, {"conda-meta/pytorch-2.9.1-py3.12_0.json": "{}"} if is_conda else {})
    plant(tmp_path, {name: at(text) for name, text in files.items()})
    told = user.target()
    python = f"{path}/bin/python".replace(str(home), "~")
    assert (told["python"], told["chosen_by"]) == (python, ONLY)
    assert not [*tmp_path.rglob("started")]
    # a Python of pyenv is no second environment; another one is
    made(home / ".pyenv/versions/3.11.1").joinpath("pyvenv.cfg").unlink()
    assert user.target()["chosen_by"] == ("none" if bare else ONLY)
    (home / ".venv-other").symlink_to(path)  # the same by another name
    made(home / "second" / "venv")
    assert user.target()["chosen_by"] == (ONLY if bare else "none")


def test_several_are_named_a_line_each_and_none_is_taken(home, user):
    for number in range(3):
        made(home / f"p{number}" / ".venv", torch=number == 1)
    said = user.types("check")
    assert said.returncode == 0
    assert user.types("check", "--require-environment").returncode == 2
    assert user.types("check", "--profile", "project").returncode == 2
    assert " nearby  ~/p0/.venv  Python 3.12.3, no torch\n" in said.stdout
    assert "         ~/p1/.venv  Python 3.12.3, torch 2.9.1\n" in said.stdout
    assert "Next: check this environment\n  doctor check --target ~/p1/.venv\n" in said.stdout
    for number in range(3, 9):
        made(home / f"p{number}" / ".venv")
    said = user.types("check")
    assert "~/p4/.venv" in said.stdout
    assert "~/p5" not in said.stdout
    assert "Or:   list all environments\n  doctor envs\n" in said.stdout
    assert user.types("envs", "--quick").stdout.count("Python 3.12.3") == 9
    plant(home / "work", {"t.toml": "", "out/final/adapter_config.json": "{}"})
    for words in (["smoke"], ["train", "t.toml"]):
        refused = user.types(*words)
        assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)
        assert "p1/.venv (Python 3.12.3, torch 2.9.1)" in refused.stderr
        assert "doctor envs lists more; --target PATH names one" in refused.stderr


def test_with_none_the_next_step_makes_one_and_the_doctor_s_own_is_left_out(home, user):
    assert (
        "Next: create a Python environment for training\n  doctor fix --new .venv\n"
        in user.types("check").stdout
    )
    assert "doctor fix --new .venv creates one" in user.types("smoke").stderr
    (home / "doctor").mkdir()
    (home / "doctor" / ".venv").symlink_to(sys.prefix)
    told = user.target()
    assert (told["chosen_by"], told["own"]) == ("none", "~/doctor/.venv")
    assert "doctor fix --new .venv-llm\n" in user.types("check", cwd="doctor").stdout


@pytest.mark.parametrize("many", [0, 50])
def test_finding_takes_less_than_20_ms(home, many):
    for number in range(many):
        made(
            home / (".cache/pypoetry/virtualenvs" if number % 2 else ".virtualenvs") / f"e{number}"
        )
        (home / f"folder{number}").mkdir()
    code = (
        "import sys, time, tunedoctor.probes.live; from tunedoctor.probes import targeting, packages\n"
        "a = time.process_time(); targeting.choose(None, {'HOME': sys.argv[1]}, sys.argv[1], sys.executable)\n"
        "print(time.process_time() - a)"
    )
    assert any(float(ran(sys.executable, "-c", code, home).stdout) < 0.02 for _ in range(40))


@pytest.mark.parametrize("left_out", ['skip = ["torch-missing"]', 'only = ["python-old"]'])
def test_check_and_fix_judge_what_is_named_alike(home, user, left_out):
    real(home / "work" / ".venv")
    plant(home / "work", {"pyproject.toml": f"[tool.doctor]\n{left_out}\n"})

    def ids(*words):
        told = json.loads(user.types(*words, "--format", "json", PIP_NO_INDEX="1").stdout)
        return [one["id"] for one in told["findings"]]

    assert (
        ids("check", "--only", "torch-missing")
        == ids("fix", "torch-missing", "--dry-run")
        == ["torch-missing"]
    )
    assert "torch-missing" not in ids("check")
