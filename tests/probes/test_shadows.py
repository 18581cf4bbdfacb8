"""What hides a module is found as Python's own imports would meet it."""

import json
import subprocess
import sys
from collections.abc import Callable
from importlib.machinery import PathFinder
from pathlib import Path

import pytest

from tunedoctor.facts import Interpreter, Packages, Shadow, Target
from tunedoctor.probes.interpreter import interpreter
from tunedoctor.probes.packages import packages
from tunedoctor.probes.shadows import shadows

Install = Callable[..., Path]


class World:
    """A working folder, a standard library, and folders of a path."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.work, self.stdlib, self.site = (root / n for n in ("work", "stdlib", "site"))
        for folder in (self.work, self.stdlib, self.site):
            folder.mkdir()
        for name in ("random", "code", "queue"):
            (self.stdlib / f"{name}.py").write_text(f"# {name}\n")
        (self.stdlib / "json").mkdir()
        (self.stdlib / "json" / "__init__.py").touch()

    def interpreter(self, *ahead: Path, behind: tuple[Path, ...] = ()) -> Interpreter:
        return Interpreter(
            executable="/e/bin/python",
            version="3.12.1",
            stdlib=str(self.stdlib),
            soabi="cpython-312-x86_64-linux-gnu",
            path=tuple(map(str, (*ahead, self.stdlib, self.site, *behind))),
            site_packages=(str(self.site), *map(str, behind)),
            pythonpath=tuple(map(str, ahead)),
        )

    def look(
        self, *ahead: Path, behind: tuple[Path, ...] = (), work: Path | None = None
    ) -> tuple[Shadow, ...]:
        one = self.interpreter(*ahead, behind=behind)
        found = packages(one)
        assert isinstance(found, Packages)
        return shadows(one, found, work=str(work or self.work)).shadows


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_file_in_the_working_folder(world: World, install: Install) -> None:
    install(world.site, "transformers", "5.0")
    for name in ("transformers.py", "random.py"):
        (world.work / name).write_text("mine\n")
    random, transformers = world.look()
    assert random.hides == str(world.stdlib / "random.py")
    assert transformers == Shadow(
        module="transformers", path=str(world.work / "transformers.py"), hides=str(world.site / "transformers"), where="work"
    )  # fmt: skip


def test_second_installed_copy_is_no_shadow_and_a_stray_package_is(
    world: World, install: Install
) -> None:
    other = world.root / "other"
    info = install(world.site, "numpy", "2.3")
    install(other, "numpy", "1.26")
    assert world.look(behind=(other,)) == ()
    info.rename(world.root / "gone")
    assert [(one.module, one.where) for one in world.look(behind=(other,))] == [("numpy", "path")]


def editable(world: World, install: Install, home: Path) -> None:
    info = install(world.site, "trl", "1.0", module="unused")
    told = {"url": home.as_uri(), "dir_info": {"editable": True}}
    (info / "direct_url.json").write_text(json.dumps(told))
    (home / "trl").mkdir(parents=True)
    (home / "trl" / "__init__.py").touch()


def test_editable_install(world: World, install: Install) -> None:
    home = world.root / "trl"
    editable(world, install, home)
    assert world.look(work=home) == ()
    # the clone's own folder is a namespace to Python, and comes before the hook of the install
    shadow = Shadow(module="trl", path=str(home), hides=str(home), where="work")
    assert world.look(work=world.root) == (shadow,)
    (world.work / "trl.py").touch()
    assert [(one.module, one.hides) for one in world.look()] == [("trl", str(home))]


ORACLE = """
import json, sys
from importlib.machinery import PathFinder
asked = json.loads(sys.argv[1])
specs = [PathFinder.find_spec(module, [folder, *sys.path[1:]]) for folder, module in asked]
print(json.dumps([str(spec and spec.origin) for spec in specs]))
"""


def test_agrees_with_a_real_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)
    own = interpreter(Target(asked="", chosen_by="own", python=sys.executable))
    assert isinstance(own, Interpreter)
    told = packages(own)
    modules = ("random", "select", "json", "tokenize", "types", "yaml", "packaging")
    asked: list[tuple[str, str]] = []
    for number, form in enumerate(("{}.py", "{}/__init__.py", "{}/data.txt")):
        for module in modules:
            path = tmp_path / f"{number}{module}" / form.format(module)
            path.parent.mkdir(parents=True)
            path.touch()
            asked.append((str(tmp_path / f"{number}{module}"), module))
    argv = [sys.executable, "-c", ORACLE, json.dumps(asked)]
    said = subprocess.run(argv, capture_output=True, text=True, check=True, cwd=tmp_path).stdout
    for (folder, module), origin in zip(asked, json.loads(said), strict=True):
        found = {one.module for one in shadows(own, told, work=folder).shadows}
        elsewhere = PathFinder.find_spec(module, list(own.path)) is not None
        assert (module in found) == (origin.startswith(folder) and elsewhere), (folder, origin)
