"""Damage that an import dies of and that pip does not see: named with its cause, and not before it was done.

`doctor check` knows what a deep look found, for as long as nothing changed and the memory is the user's own. A row of
damage.jsonl has files, "site" the environment's folder of packages, packages, and what is found, if anything.
"""

import json
import re
import venv
from pathlib import Path
from typing import Any

import pytest
from planting import plant
from rows import rows
from typed import inside as doctor

from contracts.made import install

ROWS = rows("contracts/damage.jsonl")


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


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_damage_is_named_with_its_cure(site, tmp_path, row):
    assert site.is_dir()
    for folder, *package in row.get("packages", ()):
        install(tmp_path / folder, *package)
    plant(tmp_path, row.get("files", {}))
    told = report(tmp_path, "--deep")
    if "id" not in row:
        assert told.keys().isdisjoint(one.get("id") for one in ROWS)
        return
    assert row["found"] in told[row["id"]]["found"]
    # these environments are without pip
    assert row["cure"] in re.sub(r" --python \S+", "", told[row["id"]]["cure"]["command"])
