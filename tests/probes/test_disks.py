"""Places that the stack writes to and the room there."""

import os
from pathlib import Path

import pytest

from tunedoctor.facts import Interpreter, Target, Unknown
from tunedoctor.probes.disks import Place, disks, hub_cache, measure, nearest, temporary


@pytest.mark.parametrize(
    ("variables", "path", "hint"),
    [
        ({"HF_HUB_CACHE": "/a", "HF_HOME": "/b"}, "/a", "HF_HUB_CACHE"),
        ({"HUGGINGFACE_HUB_CACHE": "/a"}, "/a", "HUGGINGFACE_HUB_CACHE"),
        ({"HF_HOME": "/b", "XDG_CACHE_HOME": "/c"}, "/b/hub", "HF_HOME"),
        ({"XDG_CACHE_HOME": "/c"}, "/c/huggingface/hub", "HF_HOME"),
        ({"HF_HOME": ""}, f"{Path.home()}/.cache/huggingface/hub", "HF_HOME"),
        ({"HF_HOME": "~/models"}, f"{Path.home()}/models/hub", "HF_HOME"),
    ],
)
def test_hub_cache(variables: dict[str, str], path: str, hint: str) -> None:
    assert hub_cache(variables) == Place("hf-cache", path, hint)


def test_temporary_files_go_to_the_first_folder_that_exists(tmp_path: Path) -> None:
    variables = {"TMPDIR": str(tmp_path / "missing"), "TMP": str(tmp_path)}
    assert temporary(variables, ("/",)).path == str(tmp_path)
    assert temporary({}, (str(tmp_path / "none"),)).path == str(tmp_path / "none")


def test_a_folder_still_to_be_made_is_measured_by_its_parent(tmp_path: Path) -> None:
    found = measure(Place("hf-cache", str(tmp_path / "a/b/c"), "HF_HOME"))
    here = measure(Place("work", str(tmp_path)))
    assert found is not None
    assert here is not None
    assert (found.exists, here.exists) == (False, True)
    assert found.path == str(tmp_path / "a/b/c")
    assert found.device == here.device != ""
    assert 0 < found.free <= found.total
    assert found.writable


def test_nearest_ends_at_the_root() -> None:
    assert nearest("/no/such/place") == "/"


def test_the_target_is_where_its_interpreter_says(tmp_path: Path) -> None:
    target = Target(asked=str(tmp_path / "bin"), chosen_by="--target")
    interpreter = Interpreter(executable="x", version="3.12.7", prefix=str(tmp_path))
    found = {disk.use: disk.path for disk in disks(target, interpreter).disks}
    assert found["target"] == str(tmp_path)
    assert found["work"] == os.getcwd()  # noqa: PTH109
    assert set(found) == {"hf-cache", "tmp", "target", "work"}


def test_without_an_interpreter_the_target_is_what_was_asked(tmp_path: Path) -> None:
    (tmp_path / "python").touch()
    target = Target(asked=str(tmp_path / "python"), chosen_by="--target")
    found = {disk.use: disk.path for disk in disks(target, Unknown(why="it hung")).disks}
    assert found["target"] == str(tmp_path)
    assert "target" not in {disk.use for disk in disks(Unknown(why="x"), None).disks}
