"""Damage that an import dies of and that pip does not see: named with its cause, and not before it was done.

`doctor check` knows what a deep look found, for as long as nothing changed and the memory is the user's own.
"""

import json
import os
import re
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contracts.made import install


@pytest.fixture
def env(tmp_path: Path) -> Path:
    venv.create(tmp_path / "env", with_pip=False, symlinks=os.name == "posix")
    site = next((tmp_path / "env").glob("[Ll]ib/**/site-packages"))
    install(site, "trl", {"trl/__init__.py": "from transformers import Gone\n"}, "0.0.1")
    install(site, "transformers", {"transformers/__init__.py": "Here = 1\n"}, "99.0")
    return tmp_path / "env"


def report(env: Path, *options: str) -> list[dict[str, Any]]:
    """Return the findings of a check."""
    argv = ["check", "--target", str(env), "--format", "json", *options]
    ended = subprocess.run(
        [sys.executable, "-m", "tunedoctor", *argv],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "DOCTOR_STATE": str(env.parent / "state")},
    )
    found: list[dict[str, Any]] = json.loads(ended.stdout)["findings"]
    return found


def check(env: Path, *options: str) -> list[dict[str, Any]]:
    return [f for f in report(env, *options) if f["id"] == "import-contract-clash"]


def test_a_deep_look_is_remembered_until_something_changes(env: Path) -> None:
    assert not check(env), "nothing was read yet"
    (deep,) = check(env, "--deep")
    assert "trl 0.0.1 imports Gone from transformers, which transformers 99.0 does" in deep["found"]
    assert check(env) == [deep]
    (record,) = env.glob("**/transformers-99.0.dist-info/RECORD")
    record.write_text(record.read_text() + "transformers/new.py,,\n")
    assert not check(env)


@pytest.mark.parametrize("whose", ["transformers", "trl"])
def test_files_that_another_wrote_over_are_put_in_anew(env: Path, whose: str) -> None:
    (before,) = check(env, "--deep")
    assert "--force-reinstall" not in before["cure"]["command"], "the control: both are as released"
    (file,) = env.glob(f"**/site-packages/{whose}/__init__.py")
    file.write_text(file.read_text() + "# another's\n")
    version = {"transformers": "99.0", "trl": "0.0.1"}[whose]
    (found,) = check(env, "--deep")
    assert found["title"] == f"Files of {whose} are not those of its release"
    assert found["cure"]["command"].endswith(f"--force-reinstall --no-deps {whose}=={version}")


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
@pytest.mark.parametrize("what", ["folder", "file", "link", "text"])
def test_a_memory_that_others_write_is_not_believed(env: Path, what: str) -> None:
    assert check(env, "--deep")
    (file,) = (env.parent / "state").glob("*/looks.json")
    assert check(env), "the control: it is"
    match what:
        case "folder":
            file.parent.chmod(0o777)
        case "file":
            file.chmod(0o666)
        case "link":
            file.rename(env.parent / "other")
            file.symlink_to(env.parent / "other")
        case _:
            file.write_text("[" * 100_000)
    assert not check(env)


Damage = Callable[[Path, Path], None]


def _nul(site: Path, _: Path) -> None:
    (site / "transformers/__init__.py").write_bytes(b"\0" * 9)


def _conflict(site: Path, _: Path) -> None:
    (site / "transformers/__init__.py").write_text("Here = 1\n<<<<<<< HEAD\n")


def _given_up(site: Path, _: Path) -> None:
    (site / "transformers/__init__.py").write_text("import helper\nHere = Gone = 1\n")
    install(site, "helper", {"helper/__init__.py": "import pkg_resources\n"}, "1.5")
    install(site, "setuptools", {"setuptools/__init__.py": ""}, "84.2.1")


def _old_copy(site: Path, apart: Path) -> None:
    install(apart, "transformers", {"transformers/__init__.py": "import nothing\n"}, "4.0")
    (site / "zz.pth").write_text(f"import sys; sys.path.insert(0, {str(apart)!r})\n")


def _half_upgraded(site: Path, _: Path) -> None:
    install(site, "pydantic", {"pydantic.py": ""}, "2.14.4", "pydantic-core==2.50.5")
    install(site, "pydantic-core", {"pydantic_core.py": ""}, "2.41.5")


def _clone_gone(site: Path, apart: Path) -> None:
    install(site, "tqdm", {}, "4.70.1")
    told = {"url": apart.as_uri() + "/clone", "dir_info": {"editable": True}}
    (site / "tqdm-4.70.1.dist-info/direct_url.json").write_text(json.dumps(told))


CASES: dict[str, tuple[Damage, str, str, str]] = {
    "zeros after a crash": (
        _nul,
        "import-contract-clash",
        "transformers/__init__.py of transformers 99.0 cannot be imported: SyntaxError",
        "install --force-reinstall --no-deps transformers==99.0",
    ),
    "a conflict of git": (
        _conflict,
        "import-contract-clash",
        "transformers/__init__.py of transformers 99.0 cannot be imported: SyntaxError",
        "install --force-reinstall --no-deps transformers==99.0",
    ),
    "a module that was given up": (
        _given_up,
        "import-contract-clash",
        "helper 1.5 imports pkg_resources, which setuptools 84.2.1 does not have",
        'install "setuptools<82"',
    ),
    "an old copy first": (
        _old_copy,
        "local-file-shadowing",
        "is imported in place of transformers 99.0",
        "zz.pth.off",
    ),
    "half of an upgrade": (
        _half_upgraded,
        "library-version-clash",
        "pydantic 2.14.4 requires pydantic-core==2.50.5, and pydantic-core 2.41.5 is installed",
        "install pydantic-core==2.50.5",
    ),
    "a clone that is gone": (
        _clone_gone,
        "broken-install",
        "the folder of its editable install, is gone",
        "install --force-reinstall --no-deps tqdm==4.70.1",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_damage_is_named_with_its_cure(env: Path, tmp_path: Path, case: str) -> None:
    damage, id_, found, cure = CASES[case]
    site = next(env.glob("[Ll]ib/**/site-packages"))
    damage(site, tmp_path / "apart")
    told = {f["id"]: f for f in report(env, "--deep")}
    assert found in told[id_]["found"]
    # these environments are without pip
    assert cure in re.sub(r" --python \S+", "", told[id_]["cure"]["command"])


def test_what_is_whole_is_not_accused(env: Path, tmp_path: Path) -> None:
    """The same kinds, done right: a copy behind the site folder, the exact part, a clone that is there."""
    site = next(env.glob("[Ll]ib/**/site-packages"))
    (site / "trl/__init__.py").write_text("")
    (site / "transformers/__init__.py").write_text("import helper\n")
    install(
        site,
        "helper",
        {"helper/__init__.py": "try:\n    import pkg_resources\nexcept ImportError: pass\n"},
    )
    install(site, "setuptools", {"setuptools/__init__.py": ""}, "84.2.1")
    install(tmp_path / "apart", "transformers", {"transformers/__init__.py": ""}, "4.0")
    (site / "zz.pth").write_text(f"{tmp_path / 'apart'}\n")
    install(site, "pydantic", {"pydantic.py": ""}, "2.14.4", "pydantic-core==2.50.5")
    install(site, "pydantic-core", {"pydantic_core.py": ""}, "2.50.5")
    (tmp_path / "apart/clone").mkdir()
    _clone_gone(site, tmp_path / "apart")
    told = {f["id"] for f in report(env, "--deep")}
    assert told.isdisjoint(one[1] for one in CASES.values())
