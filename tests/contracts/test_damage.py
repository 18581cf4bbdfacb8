"""Damage that an import dies of and that pip does not see: named with its cause, and not before it was done.

`doctor check` knows what a deep look found, for as long as nothing changed and the memory is the user's own.
Files of a case lie below the folder of the test, in which "site" is the environment's folder of packages.
"""

import json
import re
import venv
from pathlib import Path
from typing import Any

import pytest
from planting import plant
from typed import inside as doctor

from contracts.made import install


@pytest.fixture
def site(tmp_path):
    venv.create(tmp_path / "env", with_pip=False, symlinks=True)
    site = next((tmp_path / "env").glob("[Ll]ib/**/site-packages"))
    (tmp_path / "site").symlink_to(site)
    install(site, "trl", {"trl/__init__.py": "from transformers import Gone\n"}, "0.0.1")
    install(site, "transformers", {"transformers/__init__.py": "Here = 1\n"}, "99.0")
    return site


def report(root: Path, *options: str) -> dict[str, dict[str, Any]]:
    argv = ("check", "--target", str(root / "env"), "--format", "json", *options)
    ended = doctor(*argv, DOCTOR_STATE=str(root / "state"))
    return {one["id"]: one for one in json.loads(ended.stdout)["findings"]}


def clash(root: Path, *options: str) -> dict[str, Any] | None:
    return report(root, *options).get("import-contract-clash")


def test_a_deep_look_is_remembered_until_something_changes(site, tmp_path):
    assert not clash(tmp_path), "nothing was read yet"
    deep = clash(tmp_path, "--deep")
    assert deep
    assert "trl 0.0.1 imports Gone from transformers, which transformers 99.0 does" in deep["found"]
    assert clash(tmp_path) == deep
    record = site / "transformers-99.0.dist-info/RECORD"
    record.write_text(record.read_text() + "transformers/new.py,,\n")
    assert not clash(tmp_path)


@pytest.mark.parametrize(("whose", "version"), [("transformers", "99.0"), ("trl", "0.0.1")])
def test_files_that_another_wrote_over_are_put_in_anew(site, tmp_path, whose, version):
    before = clash(tmp_path, "--deep")
    assert before
    assert "--force-reinstall" not in before["cure"]["command"], "the control: both are as released"
    file = site / whose / "__init__.py"
    file.write_text(file.read_text() + "# another's\n")
    told = report(tmp_path, "--deep")
    assert "import-contract-clash" not in told, "a changed file is no evidence"
    found = told["broken-install"]
    assert found["title"] == f"{whose} is damaged: one of its files was replaced"
    assert found["cure"]["command"].endswith(f"--force-reinstall --no-deps {whose}=={version}")


@pytest.mark.usefixtures("site")
def test_a_memory_that_others_write_is_not_believed(tmp_path):
    assert clash(tmp_path, "--deep")
    (file,) = (tmp_path / "state").glob("*/looks.json")
    other, good = tmp_path / "other", file.read_bytes()
    for harm, heal in (
        (lambda: file.parent.chmod(0o777), lambda: file.parent.chmod(0o700)),
        (lambda: file.chmod(0o666), lambda: file.chmod(0o600)),
        (
            lambda: (file.rename(other), file.symlink_to(other)),
            lambda: (file.unlink(), other.rename(file)),
        ),
        (lambda: file.write_text("[" * 100_000), lambda: file.write_bytes(good)),
    ):
        assert clash(tmp_path), "the control: it is"
        harm()
        assert not clash(tmp_path)
        heal()


@pytest.mark.parametrize(
    ("packages", "files", "check", "found", "cure"),
    [
        pytest.param(
            [],
            {"site/transformers/__init__.py": "\x00\x00\x00\x00\x00\x00\x00\x00\x00"},
            "broken-install",
            "transformers/__init__.py is not the file that transformers installed (SyntaxError",
            "install --force-reinstall --no-deps transformers==99.0",
            id="zeros after a crash",
        ),
        pytest.param(
            [],
            {"site/transformers/__init__.py": "Here = 1\n<<<<<<< HEAD\n"},
            "broken-install",
            "transformers/__init__.py is not the file that transformers installed (SyntaxError",
            "install --force-reinstall --no-deps transformers==99.0",
            id="a conflict of git",
        ),
        pytest.param(
            [
                ["site", "helper", {"helper/__init__.py": "import pkg_resources\n"}, "1.5"],
                ["site", "setuptools", {"setuptools/__init__.py": ""}, "84.2.1"],
            ],
            {"site/transformers/__init__.py": "import helper\nHere = Gone = 1\n"},
            "import-contract-clash",
            "helper 1.5 imports pkg_resources, which setuptools 84.2.1 does not have",
            'install "setuptools<82"',
            id="a module that was given up",
        ),
        pytest.param(
            [
                [
                    "apart/site-packages",
                    "transformers",
                    {"transformers/__init__.py": "import nothing\n"},
                    "4.0",
                ]
            ],
            {"site/zz.pth": "import sys; sys.path.insert(0, '@root/apart/site-packages')\n"},
            "local-file-shadowing",
            "is imported in place of transformers 99.0",
            "zz.pth.off",
            id="an old copy first",
        ),
        pytest.param(
            [
                ["site", "pydantic", {"pydantic.py": ""}, "2.14.4", "pydantic-core==2.50.5"],
                ["site", "pydantic-core", {"pydantic_core.py": ""}, "2.41.5"],
            ],
            {},
            "library-version-clash",
            "pydantic 2.14.4 requires pydantic-core==2.50.5, but pydantic-core 2.41.5 is installed",
            "install pydantic-core==2.50.5",
            id="half of an upgrade",
        ),
        pytest.param(
            [["site", "tqdm", {}, "4.70.1"]],
            {
                "site/tqdm-4.70.1.dist-info/direct_url.json": '{"url": "file://@root/apart/clone", "dir_info": {"editable": true}}'
            },
            "broken-install",
            "the folder of its editable install, no longer exists",
            "install --force-reinstall --no-deps tqdm",
            id="a clone that is gone",
        ),
    ],
)
def test_damage_is_named_with_its_cure(packages, files, check, found, cure, site, tmp_path):
    assert site.is_dir()
    for folder, *package in packages:
        install(tmp_path / folder, *package)
    plant(tmp_path, files)
    finding = report(tmp_path, "--deep")[check]
    assert found in finding["found"]
    # these environments are without pip
    assert cure in re.sub(r" --python \S+", "", finding["cure"]["command"])


def test_what_is_done_right_is_no_damage(site, tmp_path):
    """A copy behind the site folder, the exact part, and a clone that is there."""
    assert site.is_dir()
    for folder, *package in [
        [
            "site",
            "helper",
            {"helper/__init__.py": "try:\n    import pkg_resources\nexcept ImportError: pass\n"},
            "1.0",
        ],
        ["site", "setuptools", {"setuptools/__init__.py": ""}, "84.2.1"],
        ["apart", "transformers", {"transformers/__init__.py": ""}, "4.0"],
        ["site", "pydantic", {"pydantic.py": ""}, "2.14.4", "pydantic-core==2.50.5"],
        ["site", "pydantic-core", {"pydantic_core.py": ""}, "2.50.5"],
        ["site", "tqdm", {}, "4.70.1"],
    ]:
        install(tmp_path / folder, *package)
    plant(
        tmp_path,
        {
            "site/trl/__init__.py": "",
            "site/transformers/__init__.py": "import helper\n",
            "site/zz.pth": "@root/apart\n",
            "apart/clone": None,
            "site/tqdm-4.70.1.dist-info/direct_url.json": '{"url": "file://@root/apart/clone", "dir_info": {"editable": true}}',
        },
    )
    damage = {
        "broken-install",
        "import-contract-clash",
        "library-version-clash",
        "local-file-shadowing",
    }
    assert report(tmp_path, "--deep").keys().isdisjoint(damage)
