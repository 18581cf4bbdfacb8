"""What is a broken contract and what is none: each row is two made packages, and what an import of them does.

A row of look.jsonl has the text of trl and files of transformers, and of a contract that is broken what is.
"""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from planting import plant
from rows import rows

from contracts.made import install, packages
from tunedoctor.contracts.look import look_at
from tunedoctor.facts import ImportContracts

LAZY = """
import sys
from typing import TYPE_CHECKING
_import_structure = {"part": ["SFTTrainer"], "more": ["Other"]}
if TYPE_CHECKING:
    from .part import SFTTrainer
else:
    sys.modules[__name__] = _LazyModule(__name__, globals()["__file__"], _import_structure)
"""
HERE = {"transformers/__init__.py": "class Here: pass\n"}
TAKES = """
class Base:
    def __init__(self, new): ...
class A(Base): ...
class Any(Base):
    def __init__(self, new, **more): ...
class Deco(Base):
    @deprecated("old")
    def __init__(self, new): ...
class Mixed(A, Any): ...
class Other(Elsewhere): ...
@dataclass
class C:
    new: int
@dataclass
class D(C):
    more: int = 0
if new_python:
    def F(new): ...
else:
    def F(old): ...
"""


def found(site: Path, *held: object) -> ImportContracts:
    told = look_at(sys.executable, [str(site)], [str(site)], packages(*held))
    assert isinstance(told, ImportContracts), told
    return told


ROWS = rows("contracts/look.jsonl")
FIRST, LATER = "trl/__init__.py", "trl/part.py"
LATE = [row for row in ROWS if row["name"] in ("a name", "an attribute", "a keyword to a base")]
"""These are broken in a part too, which the first file names in a table."""


@pytest.mark.parametrize(
    ("row", "file"),
    [*((row, FIRST) for row in ROWS), *((row, LATER) for row in LATE)],
    ids=lambda one: one["name"] if isinstance(one, dict) else one,
)
def test_a_contract(tmp_path, row, file):
    shared = {"LAZY": LAZY, "TAKES": TAKES}
    beside = {name: shared.get(text, text) for name, text in row.get("files", {}).items()}
    one = install(tmp_path, "trl", {FIRST: LAZY, file: row["text"]})
    told = found(tmp_path, one, install(tmp_path, "transformers", {**HERE, **beside}))
    assert [f"{b.module} {b.name}" for b in told.broken] == [
        row[k] for k in ("broken",) if k in row
    ]
    for b in told.broken:
        assert (b.library, b.file) == ("trl", file)
        assert b.neighbour == ("" if b.kind == "missing" else "transformers")


def test_what_other_checks_tell_is_left_to_them(tmp_path):
    asks = {"trl/__init__.py": "import rich_beyond\nimport transformers.part"}
    one = install(tmp_path, "trl", asks, "1.0", "rich-beyond>=2")
    two = install(tmp_path, "transformers", {**HERE, "transformers/part.py": ""})
    (tmp_path / "transformers/part.py").unlink()
    assert not found(tmp_path, one, two).broken
    free = install(tmp_path, "trl", asks, "2.0")
    bare = install(tmp_path, "transformers", HERE, "2.0")
    assert len(found(tmp_path, free, bare).broken) == 2, "the control: nobody else tells"


@pytest.mark.parametrize("where", ["trl", "transformers"])
@pytest.mark.parametrize(
    "code",
    [
        pytest.param("[" * 100000, id="brackets"),
        pytest.param("x = " + "1+" * 50000 + "1", id="a sum"),
        pytest.param("x = a" + ".b" * 50000, id="attributes"),
        pytest.param("a" + "()" * 50000, id="calls"),
        pytest.param("x = " + "-" * 100000 + "1", id="minus"),
        pytest.param("if a: pass\n" + "elif a: pass\n" * 20000, id="elifs"),
        pytest.param("import a\x00b" * 1, id="nul"),
        pytest.param("# " + "x" * 5242880, id="long"),
        pytest.param("from " + "." * 5000 + " import a", id="dots"),
        pytest.param("import a" + ".a" * 19999, id="names"),
        pytest.param("from trl import *\nfrom transformers import *\n" * 5000, id="stars"),
        pytest.param("x = 'a'\n" * 100000, id="lines"),
        pytest.param("sys.modules\n" + "__all__ = [\n" * 50000, id="alls"),
        pytest.param(" global " + "a, " * 100000, id="globals"),
        pytest.param("setattr(" * 50000, id="sets"),
    ],
)
def test_a_hostile_file_hides_nothing_else(tmp_path, code, where):
    peft = install(tmp_path, "peft", {"peft/__init__.py": "from transformers.part import Gone"})
    files = {"transformers/__init__.py": "", "transformers/part.py": ""}
    two = install(tmp_path, "transformers", files)
    one = install(tmp_path, "trl", {"trl/__init__.py": "from transformers import Gone"})
    (tmp_path / where / "__init__.py").unlink()
    plant(tmp_path / where, {"__init__.py": code})
    began = time.monotonic()
    told = found(tmp_path, one, two, peft)
    assert time.monotonic() - began < 600
    # the clash with a changed transformers counts as damage of transformers
    clashes = {(b.library, b.name) for b in told.broken}
    clashes |= {(who, n) for d in told.damaged for who in d.dependents for n in d.names}
    assert ("peft", "Gone") in clashes, told.cut


def test_what_is_no_file_is_not_opened(tmp_path):
    asks = "from transformers import Gone\nfrom transformers.loop.loop.loop import Gone\nfrom . import fifo, zero, dir"
    one = install(tmp_path, "trl", {"trl/__init__.py": asks})
    two = install(tmp_path, "transformers", HERE)
    os.mkfifo(tmp_path / "trl/fifo.py")
    (tmp_path / "trl/zero.py").symlink_to("/dev/zero")
    (tmp_path / "trl/dir.py").mkdir()
    (tmp_path / "transformers/loop").symlink_to(".")
    assert [b.name for b in found(tmp_path, one, two).broken] == ["Gone", "Gone"]


def test_any_bytes_are_answered():
    from tunedoctor.target.contracts import source

    chance = random.Random(7)  # noqa: S311
    whole = Path(source.__file__).read_bytes()
    for _ in range(150):
        text = bytearray(whole[: chance.randrange(len(whole))])
        for _ in range(chance.randrange(4)):
            text[chance.randrange(len(text) or 1) : chance.randrange(len(text) + 1)] = (
                chance.randbytes(chance.randrange(9))
            )
        assert isinstance(source.parsed(bytes(text)), source.ParsedSource | None)
    told = source.parsed(whole)
    assert "ParsedSource" in told.names, "the control: whole, it is read"


def test_nothing_of_the_target_is_run(tmp_path):
    site, mark = tmp_path / "site", tmp_path / "ran"
    evil = f"open({str(mark)!r}, 'w').close()\nfrom transformers import Gone\n"
    names = ("sitecustomize", "usercustomize", "json", "ast", "contracts")
    files = {"trl/__init__.py": evil, "x.pth": f"import os; {evil.splitlines()[0]}"}
    one = install(site, "trl", {**files, **{f"{n}.py": evil for n in names}})
    assert found(site, one, install(site, "transformers", HERE)).broken
    assert not mark.exists()
    subprocess.run([sys.executable, "-c", evil], check=False, capture_output=True)
    assert mark.exists(), "the control: it would"
