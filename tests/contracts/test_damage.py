"""Damage that an import dies of and that pip does not see: named with its cause, and not before it was done."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from contracts.made import install
from contracts.test_command import env, report

__all__ = ["env"]
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
