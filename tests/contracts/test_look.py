"""What is a broken contract and what is none, in two made packages: trl imports, transformers has or lacks."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from planting import plant

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


FIRST, LATER = "trl/__init__.py", "trl/part.py"


@pytest.mark.parametrize(
    ("text", "files", "broken", "file"),
    [
        pytest.param(
            "from transformers import Here, Gone", {}, ["transformers Gone"], FIRST, id="a name"
        ),
        pytest.param(
            "from transformers.part import Gone",
            {"transformers/part.py": "from . import Here\n"},
            ["transformers.part Gone"],
            FIRST,
            id="a name of a part",
        ),
        pytest.param(
            "import transformers.gone.more", {}, ["transformers.gone "], FIRST, id="a part"
        ),
        pytest.param("import rich_beyond", {}, ["rich_beyond "], FIRST, id="a package"),
        pytest.param(
            "import transformers as t\nclass A(t.Here, t.Gone): pass",
            {},
            ["transformers Gone"],
            FIRST,
            id="an attribute",
        ),
        pytest.param(
            "import transformers\n@transformers.Gone(1)\ndef f(): pass",
            {},
            ["transformers Gone"],
            FIRST,
            id="a decorator",
        ),
        pytest.param(
            (
                "from typing import TYPE_CHECKING\n"
                "if TYPE_CHECKING:\n"
                "    pass\n"
                "else:\n"
                "    from transformers import Gone"
            ),
            {},
            ["transformers Gone"],
            FIRST,
            id="after type checking",
        ),
        pytest.param(
            ("import sys\nif sys.version_info >= (3, 8):\n    from transformers import Gone"),
            {},
            ["transformers Gone"],
            FIRST,
            id="for this Python",
        ),
        pytest.param(
            "try:\n    pass\nfinally:\n    from transformers import Gone",
            {},
            ["transformers Gone"],
            FIRST,
            id="at last",
        ),
        pytest.param(
            "from transformers import Gone",
            {
                "transformers/__init__.py": "from .part import *\n",
                "transformers/part.py": "a = 1\n",
            },
            ["transformers Gone"],
            FIRST,
            id="behind a star",
        ),
        pytest.param(
            "from transformers import SFTTrainer, Gone",
            {"transformers/__init__.py": LAZY, "transformers/deep.py": "Gone = 1\n"},
            ["transformers Gone"],
            FIRST,
            id="not in the table",
        ),
        pytest.param(
            "import transformers\nclass A:\n    b = transformers.Gone",
            {},
            ["transformers Gone"],
            FIRST,
            id="in a class",
        ),
        pytest.param(
            "import transformers\ndef f(*, a=transformers.Gone): pass",
            {},
            ["transformers Gone"],
            FIRST,
            id="a keyword's default",
        ),
        pytest.param(
            "from transformers import part\nx = part.Gone",
            {"transformers/part.py": ""},
            ["transformers.part Gone"],
            FIRST,
            id="an attribute of a part",
        ),
        pytest.param(
            (
                "try:\n"
                "    from transformers import Gone\n"
                "except ImportError as e:\n"
                "    raise RuntimeError from e"
            ),
            {},
            ["transformers Gone"],
            FIRST,
            id="tried and raised",
        ),
        pytest.param(
            (
                "if is_transformers_available() and is_transformers_available():\n"
                "    from transformers import Gone"
            ),
            {},
            ["transformers Gone"],
            FIRST,
            id="where it is there",
        ),
        pytest.param(
            ("from transformers import F\ndef g():\n    if self.a:\n        x = F(new=1, old=2)"),
            {
                "transformers/__init__.py": "from .part import F",
                "transformers/part.py": "def F(new): ...",
            },
            ["transformers.F old"],
            FIRST,
            id="a keyword",
        ),
        pytest.param(
            (
                "import transformers.part as t\n"
                "class B(t.A):\n"
                "    def __init__(self):\n"
                "        super().__init__(old=2)"
            ),
            {"transformers/part.py": TAKES},
            ["transformers.part.A old"],
            FIRST,
            id="a keyword to a base",
        ),
        pytest.param(
            ("import transformers\ndef f(): return transformers.part.D(new=1, more=2, old=3)"),
            {"transformers/part.py": TAKES},
            ["transformers.part.D old"],
            FIRST,
            id="a keyword to fields",
        ),
        pytest.param(
            "from transformers import Gone",
            {"transformers/__init__.py": "def __getattr__(name): ...\n"},
            ["transformers Gone"],
            FIRST,
            id="written nowhere",
        ),
        pytest.param(
            "try:\n    from transformers import Gone\nexcept ImportError:\n    pass",
            {},
            [],
            FIRST,
            id="whole: tried",
        ),
        pytest.param(
            "if there():\n    from transformers import Gone", {}, [], FIRST, id="whole: asked first"
        ),
        pytest.param(
            "def f():\n    from transformers import Gone\n    import gone",
            {},
            [],
            FIRST,
            id="whole: in a function",
        ),
        pytest.param(
            "with suppress(ImportError):\n    import gone", {}, [], FIRST, id="whole: suppressed"
        ),
        pytest.param(
            "if TYPE_CHECKING:\n    from transformers import Gone",
            {},
            [],
            FIRST,
            id="whole: for type checkers",
        ),
        pytest.param(
            "import sys\nif sys.version_info < (3, 8):\n    import gone",
            {},
            [],
            FIRST,
            id="whole: for another Python",
        ),
        pytest.param(
            ("import sys\nif not sys.platform == 'plan9':\n    pass\nelse:\n    import gone"),
            {},
            [],
            FIRST,
            id="whole: for another system",
        ),
        pytest.param(
            "import transformers as t\nx = lambda: t.Gone\ny = x and t.Gone",
            {},
            [],
            FIRST,
            id="whole: an attribute that need not be",
        ),
        pytest.param(
            ("if is_peft_available():\n    from peft import Gone\n    import transformers.gone"),
            {},
            [],
            FIRST,
            id="whole: where it is not there",
        ),
        pytest.param(
            ("import transformers\nclass A:\n    transformers = B()\n    c = transformers.Gone"),
            {},
            [],
            FIRST,
            id="whole: of another name",
        ),
        pytest.param(
            "import transformers\ntransformers = x\ny = transformers.Gone",
            {},
            [],
            FIRST,
            id="whole: bound twice",
        ),
        pytest.param(
            "from transformers import part\nx = part.Gone",
            {
                "transformers/__init__.py": "from .part import part",
                "transformers/part.py": "part = 1",
            },
            [],
            FIRST,
            id="whole: what hides a part",
        ),
        pytest.param(
            (
                "from __future__ import annotations\n"
                "import transformers\n"
                "def f(a: transformers.Gone): ..."
            ),
            {},
            [],
            FIRST,
            id="whole: an annotation that is text",
        ),
        pytest.param(
            (
                "from transformers.part import A, Any, Deco, Mixed, Other, D, F\n"
                "def f():\n"
                "    A(new=1)\n"
                "    D(new=1, more=2)"
            ),
            {"transformers/part.py": TAKES},
            [],
            FIRST,
            id="whole: keywords: taken",
        ),
        pytest.param(
            (
                "from transformers.part import A, Any, Deco, Mixed, Other, D, F\n"
                "def f():\n"
                "    Any(old=1)"
            ),
            {"transformers/part.py": TAKES},
            [],
            FIRST,
            id="whole: keywords: any",
        ),
        pytest.param(
            (
                "from transformers.part import A, Any, Deco, Mixed, Other, D, F\n"
                "def f():\n"
                "    Deco(old=1)\n"
                "    Mixed(old=1)\n"
                "    Other(old=1)\n"
                "    F(old=1)"
            ),
            {"transformers/part.py": TAKES},
            [],
            FIRST,
            id="whole: keywords: not told",
        ),
        pytest.param(
            (
                "from transformers.part import A, Any, Deco, Mixed, Other, D, F\n"
                "def f():\n"
                "    if is_new():\n"
                "        A(old=1)\n"
                "    if NEW: A(old=1)\n"
                "    if t.version > 1: A(old=1)"
            ),
            {"transformers/part.py": TAKES},
            [],
            FIRST,
            id="whole: keywords: asked",
        ),
        pytest.param(
            (
                "from transformers.part import A, Any, Deco, Mixed, Other, D, F\n"
                "def f():\n"
                "    if is_new():\n"
                "        return A(new=1)\n"
                "    return A(old=1)"
            ),
            {"transformers/part.py": TAKES},
            [],
            FIRST,
            id="whole: keywords: left before",
        ),
        pytest.param(
            (
                "from transformers.part import A, Any, Deco, Mixed, Other, D, F\n"
                "def f():\n"
                "    try:\n"
                "        A(old=1)\n"
                "    except TypeError:\n"
                "        A(new=1)"
            ),
            {"transformers/part.py": TAKES},
            [],
            FIRST,
            id="whole: keywords: tried",
        ),
        pytest.param(
            (
                "from transformers.part import A, Any, Deco, Mixed, Other, D, F\n"
                "def f(A):\n"
                "    A(old=1)\n"
                "def g():\n"
                "    A = h()\n"
                "    A(old=1)"
            ),
            {"transformers/part.py": TAKES},
            [],
            FIRST,
            id="whole: keywords: of another name",
        ),
        pytest.param(
            (
                "from transformers.part import A, Any, Deco, Mixed, Other, D, F\n"
                "def f():\n"
                "    x and A(old=1)\n"
                "    A(old=1) if x else A(new=1)"
            ),
            {"transformers/part.py": TAKES},
            [],
            FIRST,
            id="whole: keywords: need not be",
        ),
        pytest.param(
            (
                "from transformers.part import A, Any, Deco, Mixed, Other, D, F\n"
                "class B(A, Any):\n"
                "    def __init__(self):\n"
                "        super().__init__(old=1)"
            ),
            {"transformers/part.py": TAKES},
            [],
            FIRST,
            id="whole: keywords: bases",
        ),
        pytest.param(
            "from transformers import part\nimport transformers.part",
            {"transformers/part.py": ""},
            [],
            FIRST,
            id="whole: a part",
        ),
        pytest.param(
            "from transformers.part import Any",
            {"transformers/part.abi3.so": ""},
            [],
            FIRST,
            id="whole: a compiled part",
        ),
        pytest.param(
            "import transformers.part.more",
            {"transformers/part/more.py": ""},
            [],
            FIRST,
            id="whole: a folder",
        ),
        pytest.param(
            "from transformers import A, B, C, D, E",
            {
                "transformers/__init__.py": (
                    "if x:\n"
                    "    A = 1\n"
                    "try:\n"
                    "    import B\n"
                    "except E1:\n"
                    "    C: int\n"
                    "for D in y: pass\n"
                    "def f():\n"
                    "    global E\n"
                )
            },
            [],
            FIRST,
            id="whole: in any branch",
        ),
        pytest.param(
            "from transformers import Gone",
            {
                "transformers/__init__.py": "from .part import *\n",
                "transformers/part.py": "from ._c import *\n",
                "transformers/_c.so": "",
            },
            [],
            FIRST,
            id="whole: behind stars",
        ),
        pytest.param(
            "from transformers import SFTTrainer, Other",
            {"transformers/__init__.py": LAZY},
            [],
            FIRST,
            id="whole: in the table",
        ),
        pytest.param(
            "from transformers import Model",
            {
                "transformers/__init__.py": (
                    "import sys\n"
                    "sys.modules[__name__] = _LazyModule(define_import_structure(Path(__file__).parent / 'models'))\n"
                ),
                "transformers/models/a/b.py": "__all__ = [\n 'Model',\n]\n",
            },
            [],
            FIRST,
            id="whole: scanned",
        ),
        pytest.param(
            "from transformers import Model",
            {
                "transformers/__init__.py": LAZY,
                "transformers/utils/dummy_pt.py": "class Model: pass\n",
            },
            [],
            FIRST,
            id="whole: a stand-in",
        ),
        pytest.param(
            "from transformers import Gone",
            {
                "transformers/__init__.py": "def __getattr__(name): ...\n",
                "transformers/part.py": "class Gone: ...\n",
            },
            [],
            FIRST,
            id="whole: made by code",
        ),
        pytest.param(
            "import transformers.gone\nfrom transformers import gone",
            {
                "transformers/part.py": "import sys\nsys.modules['transformers.' + 'gone'] = 1\n",
                "transformers/__init__.py": "from . import part\nsys.modules\n",
            },
            [],
            FIRST,
            id="whole: entered by code",
        ),
        pytest.param(
            ("import transformers\ntransformers.Gone = 1\nfrom transformers import Gone"),
            {},
            [],
            FIRST,
            id="whole: set by itself",
        ),
        pytest.param(
            "import transformers.gone",
            {"transformers/__init__.py": "__path__ = extend_path(__path__, __name__)\n"},
            [],
            FIRST,
            id="whole: elsewhere",
        ),
        pytest.param(
            "import gone",
            {"__editable___gone_finder.py": "MAPPING = {'gone': '/src/gone'}\n"},
            [],
            FIRST,
            id="whole: editable",
        ),
        pytest.param(
            "import gone",
            {"x.pth": "import gone_maker; gone_maker.make('gone')\n"},
            [],
            FIRST,
            id="whole: by a line of a .pth",
        ),
        pytest.param(
            "import json, os.path, __main__, sys\nfrom collections import Gone",
            {},
            [],
            FIRST,
            id="whole: standard",
        ),
        pytest.param(
            "from transformers import Here, Gone",
            {},
            ["transformers Gone"],
            LATER,
            id="a name in a later part",
        ),
        pytest.param(
            "import transformers as t\nclass A(t.Here, t.Gone): pass",
            {},
            ["transformers Gone"],
            LATER,
            id="an attribute in a later part",
        ),
        pytest.param(
            (
                "import transformers.part as t\n"
                "class B(t.A):\n"
                "    def __init__(self):\n"
                "        super().__init__(old=2)"
            ),
            {"transformers/part.py": TAKES},
            ["transformers.part.A old"],
            LATER,
            id="a keyword to a base in a later part",
        ),
    ],
)
def test_names_that_a_library_imports_and_its_neighbour_lacks_are_found(
    tmp_path, text, files, broken, file
):
    one = install(tmp_path, "trl", {FIRST: LAZY, file: text})
    told = found(tmp_path, one, install(tmp_path, "transformers", {**HERE, **files}))
    assert [f"{b.module} {b.name}" for b in told.broken] == broken
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
