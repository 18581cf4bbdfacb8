"""Requirements that are declared anywhere below the stack and not met are found, as pip check finds them."""

import json
import venv
from pathlib import Path
from typing import Any

import pytest
from typed import inside as doctor

from contracts.made import install
from tunedoctor import facts as kinds
from tunedoctor.contracts.requirements import unmet_by_all
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.readers.facts_block import find_facts, text_of

IMPORTS = {
    "plainly": ("import mpmath\n", "error"),
    "by a part of it": ("from mpmath.libmp import mpf\n", "error"),
    "among others": ("import os, mpmath\n", "error"),
    "in a try": ("try:\n    import mpmath\nexcept ImportError:\n    pass\n", "warning"),
    "in a function": ("def late():\n    import mpmath\n", "warning"),
    "never": ("x = 1\n", "warning"),
}


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Return the site folder of an environment with a tiny torch that needs sympy."""
    venv.create(tmp_path / "env", with_pip=False, symlinks=True)
    site = next((tmp_path / "env").glob("[Ll]ib/**/site-packages"))
    torch = {
        "torch/__init__.py": "import torch.shapes\n",
        "torch/shapes.py": "import sympy\n",
        "torch/version.py": "__version__ = '2.13.0'\ncuda = None\n",
    }
    install(site, "torch", torch, "2.13.0", "sympy>=1.13.3", "filelock; extra == 'all'")
    return site


def sympy(site: Path, core: str, *requires: str) -> None:
    """Install a sympy whose __init__ imports a module with this text."""
    files = {
        "sympy/__init__.py": "from .core import (\n    one,\n    two,\n)\n",
        "sympy/core.py": core,
    }
    install(site, "sympy", files, "1.14.0", *requires)


def findings(root: Path) -> dict[str, dict[str, Any]]:
    argv = ("check", "--target", str(root / "env"), "--format", "json")
    ended = doctor(*argv, DOCTOR_STATE=str(root / "state"))
    return {one["id"]: one for one in json.loads(ended.stdout)["findings"]}


@pytest.mark.parametrize(("text", "severity"), IMPORTS.values(), ids=IMPORTS)
def test_what_is_required_over_two_steps_is_missed(site, tmp_path, text, severity):
    sympy(site, text, "mpmath<1.4,>=1.1.0")
    found = findings(tmp_path)["missing-dependency"]
    assert found["severity"] == severity
    assert "sympy 1.14.0 requires mpmath<1.4,>=1.1.0, which is not installed" in found["found"]
    assert found["cure"]["command"].endswith('install "mpmath<1.4,>=1.1.0"') or "mpmath" in str(
        found["cure"]["steps"]
    )


def test_a_package_that_the_stack_only_requires_and_never_imports_stops_nothing(site, tmp_path):
    (site / "torch" / "shapes.py").write_text("x = 1\n")
    sympy(site, "import mpmath\n", "mpmath")
    assert findings(tmp_path)["missing-dependency"]["severity"] == "warning"


def test_a_library_of_the_stack_may_import_what_only_another_package_requires(site, tmp_path):
    sympy(site, "x = 1\n", "mpmath")
    install(site, "datasets", {"datasets/__init__.py": "import mpmath\n"}, "5.2.0")
    assert findings(tmp_path)["missing-dependency"]["severity"] == "error"


def test_what_only_a_command_or_a_test_imports_stops_nothing(site, tmp_path):
    sympy(site, "x = 1\n")
    text = "import click\n"
    files = {"peft/__init__.py": "", "peft/cli/main.py": text, "peft/tests/a.py": text}
    install(site, "peft", files, "0.21.2", "click")
    assert findings(tmp_path)["missing-dependency"]["severity"] == "warning"


@pytest.mark.parametrize(
    "requirement",
    ['mpmath; python_version < "3"', 'mpmath; extra == "fast"', 'mpmath; sys_platform == "plan9"'],
)
def test_markers_and_extras_are_respected(site, tmp_path, requirement):
    sympy(site, "import mpmath\n", requirement)
    assert findings(tmp_path).get("missing-dependency", {"severity": "note"})["severity"] == "note"


def test_what_the_stack_does_not_reach_is_left_alone(site, tmp_path):
    sympy(site, "x = 1\n")
    install(site, "notebook", {"notebook/__init__.py": "import tornado\n"}, "7.0", "tornado")
    assert findings(tmp_path).get("missing-dependency", {"severity": "note"})["severity"] == "note"


def test_another_version_than_required_over_two_steps_is_a_warning(site, tmp_path):
    sympy(site, "import mpmath\n", "mpmath<1.4,>=1.1.0")
    install(site, "mpmath", {"mpmath.py": ""}, "1.4.0")
    found = findings(tmp_path)
    assert "missing-dependency" not in found or found["missing-dependency"]["severity"] == "note"
    assert found["library-version-clash"]["severity"] == "warning"
    assert (
        "sympy 1.14.0 requires mpmath<1.4,>=1.1.0, but mpmath 1.4.0"
        in found["library-version-clash"]["found"]
    )


@pytest.mark.parametrize(("text", "severity"), [("import rich\n", "error"), ("x = 1\n", "warning")])
def test_a_requirement_that_a_library_of_the_stack_never_names_is_a_warning(
    site, tmp_path, text, severity
):
    sympy(site, "x = 1\n")
    install(site, "trl", {"trl/__init__.py": text}, "1.16.0", "rich")
    assert findings(tmp_path)["missing-dependency"]["severity"] == severity


def test_a_pasted_report_keeps_the_lines_that_lead_to_a_missing_requirement():
    def package(name: str, *requires: str) -> kinds.Distribution:
        return kinds.Distribution(name=name, version="1.0", location="/s", requires=requires)

    packages = kinds.Packages(
        distributions=(
            package("torch", "sympy"),
            package("sympy", "helper>=1", "networkx"),
            package("helper", "six; python_version > '3'", "networkx"),
            package("networkx"),
        ),
        missing_imports=(
            kinds.MissingImport(owner="helper", name="six", file="helper.py", line=1),
        ),
    )
    there = find_facts(text_of(Snapshot.of([packages]))).snapshot
    again = there.find(kinds.Packages)
    assert [(one.owner.name, one.name) for one in unmet_by_all(again, None)] == [("helper", "six")]
    assert again.missing_imports == packages.missing_imports
    assert not again.get("networkx").requires
