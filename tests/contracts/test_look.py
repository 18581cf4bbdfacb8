"""What is a broken contract and what is none: each case is two made packages, and what an import of them does."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

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
PASSES = "from transformers.part import A, Any, Deco, Mixed, Other, D, F\n"
GONE = "transformers Gone"
BROKEN = {
    "a name": ("from transformers import Here, Gone", {}, GONE),
    "a name of a part": (
        "from transformers.part import Gone",
        {"transformers/part.py": "from . import Here\n"}, "transformers.part Gone",
    ),
    "a part": ("import transformers.gone.more", {}, "transformers.gone "),
    "a package": ("import rich_beyond", {}, "rich_beyond "),
    "an attribute": ("import transformers as t\nclass A(t.Here, t.Gone): pass", {}, GONE),
    "a decorator": ("import transformers\n@transformers.Gone(1)\ndef f(): pass", {}, GONE),
    "after type checking": (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    pass\nelse:\n    from transformers import Gone",
        {}, GONE,
    ),
    "for this Python": ("import sys\nif sys.version_info >= (3, 8):\n    from transformers import Gone", {}, GONE),
    "at last": ("try:\n    pass\nfinally:\n    from transformers import Gone", {}, GONE),
    "behind a star": (
        "from transformers import Gone",
        {"transformers/__init__.py": "from .part import *\n", "transformers/part.py": "a = 1\n"}, GONE,
    ),
    "not in the table": (
        "from transformers import SFTTrainer, Gone",
        {"transformers/__init__.py": LAZY, "transformers/deep.py": "Gone = 1\n"}, GONE,
    ),
    "in a class": ("import transformers\nclass A:\n    b = transformers.Gone", {}, GONE),
    "a keyword's default": ("import transformers\ndef f(*, a=transformers.Gone): pass", {}, GONE),
    "an attribute of a part": (
        "from transformers import part\nx = part.Gone",
        {"transformers/part.py": ""}, "transformers.part Gone",
    ),
    "tried and raised": (
        "try:\n    from transformers import Gone\nexcept ImportError as e:\n    raise RuntimeError from e",
        {}, GONE,
    ),
    "where it is there": (
        "if is_transformers_available() and is_transformers_available():\n    from transformers import Gone",
        {}, GONE,
    ),
    "a keyword": (
        "from transformers import F\ndef g():\n    if self.a:\n        x = F(new=1, old=2)",
        {"transformers/__init__.py": "from .part import F", "transformers/part.py": "def F(new): ..."}, "transformers.F old",
    ),
    "a keyword to a base": (
        "import transformers.part as t\nclass B(t.A):\n    def __init__(self):\n        super().__init__(old=2)",
        {"transformers/part.py": TAKES}, "transformers.part.A old",
    ),
    "a keyword to fields": (
        "import transformers\ndef f(): return transformers.part.D(new=1, more=2, old=3)",
        {"transformers/part.py": TAKES}, "transformers.part.D old",
    ),
    "written nowhere": (
        "from transformers import Gone",
        {"transformers/__init__.py": "def __getattr__(name): ...\n"}, GONE,
    ),
}  # fmt: skip
WHOLE = {
    "tried": ("try:\n    from transformers import Gone\nexcept ImportError:\n    pass", {}),
    "asked first": ("if there():\n    from transformers import Gone", {}),
    "in a function": ("def f():\n    from transformers import Gone\n    import gone", {}),
    "suppressed": ("with suppress(ImportError):\n    import gone", {}),
    "for type checkers": ("if TYPE_CHECKING:\n    from transformers import Gone", {}),
    "for another Python": ("import sys\nif sys.version_info < (3, 8):\n    import gone", {}),
    "for another system": ("import sys\nif not sys.platform == 'plan9':\n    pass\nelse:\n    import gone", {}),
    "an attribute that need not be": ("import transformers as t\nx = lambda: t.Gone\ny = x and t.Gone", {}),
    "where it is not there": ("if is_peft_available():\n    from peft import Gone\n    import transformers.gone", {}),
    "of another name": ("import transformers\nclass A:\n    transformers = B()\n    c = transformers.Gone", {}),
    "bound twice": ("import transformers\ntransformers = x\ny = transformers.Gone", {}),
    "what hides a part": ("from transformers import part\nx = part.Gone", {
        "transformers/__init__.py": "from .part import part", "transformers/part.py": "part = 1",
    }),
    "an annotation that is text": (
        "from __future__ import annotations\nimport transformers\ndef f(a: transformers.Gone): ...", {},
    ),
    **{
        f"keywords: {name}": (PASSES + text, {"transformers/part.py": TAKES})
        for name, text in {
            "taken": "def f():\n    A(new=1)\n    D(new=1, more=2)",
            "any": "def f():\n    Any(old=1)",
            "not told": "def f():\n    Deco(old=1)\n    Mixed(old=1)\n    Other(old=1)\n    F(old=1)",
            "asked": "def f():\n    if is_new():\n        A(old=1)\n    if NEW: A(old=1)\n    if t.version > 1: A(old=1)",
            "left before": "def f():\n    if is_new():\n        return A(new=1)\n    return A(old=1)",
            "tried": "def f():\n    try:\n        A(old=1)\n    except TypeError:\n        A(new=1)",
            "of another name": "def f(A):\n    A(old=1)\ndef g():\n    A = h()\n    A(old=1)",
            "need not be": "def f():\n    x and A(old=1)\n    A(old=1) if x else A(new=1)",
            "bases": "class B(A, Any):\n    def __init__(self):\n        super().__init__(old=1)",
        }.items()
    },
    "a part": ("from transformers import part\nimport transformers.part", {"transformers/part.py": ""}),
    "a compiled part": ("from transformers.part import Any", {"transformers/part.abi3.so": ""}),
    "a folder": ("import transformers.part.more", {"transformers/part/more.py": ""}),
    "in any branch": ("from transformers import A, B, C, D, E", {
        "transformers/__init__.py": "if x:\n    A = 1\ntry:\n    import B\nexcept E1:\n    C: int\n"
        "for D in y: pass\ndef f():\n    global E\n",
    }),
    "behind stars": ("from transformers import Gone", {
        "transformers/__init__.py": "from .part import *\n", "transformers/part.py": "from ._c import *\n",
        "transformers/_c.so": "",
    }),
    "in the table": ("from transformers import SFTTrainer, Other", {"transformers/__init__.py": LAZY}),
    "scanned": ("from transformers import Model", {
        "transformers/__init__.py": "import sys\nsys.modules[__name__] = _LazyModule(define_import_structure("
        "Path(__file__).parent / 'models'))\n",
        "transformers/models/a/b.py": "__all__ = [\n 'Model',\n]\n",
    }),
    "a stand-in": ("from transformers import Model", {
        "transformers/__init__.py": LAZY, "transformers/utils/dummy_pt.py": "class Model: pass\n",
    }),
    "made by code": ("from transformers import Gone", {
        "transformers/__init__.py": "def __getattr__(name): ...\n", "transformers/part.py": "class Gone: ...\n",
    }),
    "entered by code": ("import transformers.gone\nfrom transformers import gone", {
        "transformers/part.py": "import sys\nsys.modules['transformers.' + 'gone'] = 1\n",
        "transformers/__init__.py": "from . import part\nsys.modules\n",
    }),
    "set by itself": ("import transformers\ntransformers.Gone = 1\nfrom transformers import Gone", {}),
    "elsewhere": ("import transformers.gone", {
        "transformers/__init__.py": "__path__ = extend_path(__path__, __name__)\n",
    }),
    "editable": ("import gone", {"__editable___gone_finder.py": "MAPPING = {'gone': '/src/gone'}\n"}),
    "by a line of a .pth": ("import gone", {"x.pth": "import gone_maker; gone_maker.make('gone')\n"}),
    "standard": ("import json, os.path, __main__, sys\nfrom collections import Gone", {}),
}  # fmt: skip


def found(site: Path, *held: object) -> ImportContracts:
    told = look_at(sys.executable, [str(site)], [str(site)], packages(*held))  # type: ignore[arg-type]
    assert isinstance(told, ImportContracts), told
    return told


def pair(site: Path, text: str, neighbour: dict[str, str], entry: str = "") -> ImportContracts:
    files = {"trl/__init__.py": text} if not entry else {"trl/__init__.py": LAZY, entry: text}
    return found(
        site, install(site, "trl", files), install(site, "transformers", {**HERE, **neighbour})
    )


@pytest.mark.parametrize("entry", ["", "trl/part.py"], ids=["first", "lazy"])
@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_contract(tmp_path: Path, case: str, entry: str) -> None:
    text, neighbour, wanted = BROKEN[case]
    told = pair(tmp_path, text, neighbour, entry)
    assert [f"{b.module} {b.name}" for b in told.broken] == [wanted]
    (one,) = told.broken
    assert (one.library, one.file) == ("trl", entry or "trl/__init__.py")
    assert one.neighbour == ("" if one.kind == "missing" else "transformers")


@pytest.mark.parametrize("case", WHOLE)
def test_a_whole_contract(tmp_path: Path, case: str) -> None:
    assert not pair(tmp_path, *WHOLE[case]).broken


def test_what_other_checks_tell_is_left_to_them(tmp_path: Path) -> None:
    asks = {"trl/__init__.py": "import rich_beyond\nimport transformers.part"}
    one = install(tmp_path, "trl", asks, "1.0", "rich-beyond>=2")
    two = install(tmp_path, "transformers", {**HERE, "transformers/part.py": ""})
    (tmp_path / "transformers/part.py").unlink()
    assert not found(tmp_path, one, two).broken
    free = install(tmp_path, "trl", asks, "2.0")
    bare = install(tmp_path, "transformers", HERE, "2.0")
    assert len(found(tmp_path, free, bare).broken) == 2, "the control: nobody else tells"


HOSTILE = {
    "brackets": "[" * 100_000,
    "a sum": "x = " + "1+" * 50_000 + "1",
    "attributes": "x = a" + ".b" * 50_000,
    "calls": "a" + "()" * 50_000,
    "minus": "x = " + "-" * 100_000 + "1",
    "elifs": "if a: pass\n" + "elif a: pass\n" * 20_000,
    "nul": "import a\0b",
    "long": "# " + "x" * (5 << 20),
    "dots": "from " + "." * 5000 + " import a",
    "names": "import " + ".".join(["a"] * 20_000),
    "stars": "from trl import *\nfrom transformers import *\n" * 5000,
    "lines": "x = 'a'\n" * 100_000,
    "alls": "sys.modules\n" + "__all__ = [\n" * 50_000,
    "globals": " global " + "a, " * 100_000,
    "sets": "setattr(" * 50_000,
}


@pytest.mark.parametrize("where", ["trl", "transformers"])
@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_file_hides_nothing_else(tmp_path: Path, case: str, where: str) -> None:
    peft = install(tmp_path, "peft", {"peft/__init__.py": "from transformers.part import Gone"})
    files = {"transformers/__init__.py": "", "transformers/part.py": ""}
    two = install(tmp_path, "transformers", files)
    one = install(tmp_path, "trl", {"trl/__init__.py": "from transformers import Gone"})
    (tmp_path / where / "__init__.py").write_text(HOSTILE[case])
    began = time.monotonic()
    told = found(tmp_path, one, two, peft)
    assert time.monotonic() - began < 60
    assert ("peft", "Gone") in {(b.library, b.name) for b in told.broken}, told.cut


@pytest.mark.skipif(os.name != "posix", reason="FIFOs and links of POSIX")
def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    asks = "from transformers import Gone\nfrom transformers.loop.loop.loop import Gone\nfrom . import fifo, zero, dir"
    one = install(tmp_path, "trl", {"trl/__init__.py": asks})
    two = install(tmp_path, "transformers", HERE)
    os.mkfifo(tmp_path / "trl/fifo.py")
    (tmp_path / "trl/zero.py").symlink_to("/dev/zero")
    (tmp_path / "trl/dir.py").mkdir()
    (tmp_path / "transformers/loop").symlink_to(".")
    assert [b.name for b in found(tmp_path, one, two).broken] == ["Gone", "Gone"]


def test_any_bytes_are_answered() -> None:
    from tunedoctor.target.contracts import source

    chance = random.Random(7)  # noqa: S311
    whole = Path(source.__file__).read_bytes()
    for _ in range(150):
        text = bytearray(whole[: chance.randrange(len(whole))])
        for _ in range(chance.randrange(4)):
            text[chance.randrange(len(text) or 1) : chance.randrange(len(text) + 1)] = (
                chance.randbytes(chance.randrange(9))
            )
        assert isinstance(source.parsed(bytes(text)), source.Source | None)
    told = source.parsed(whole)
    assert told is not None
    assert "Source" in told.names, "the control: whole, it is read"


def _seconds(site: Path) -> float:
    from tunedoctor.target.contracts.look import look
    from tunedoctor.target.contracts.world import World

    began = time.process_time()
    look(World([str(site)], [str(site)]), "trl", [], time.monotonic() + 100)
    return time.process_time() - began


def test_time_grows_with_the_files(tmp_path: Path) -> None:
    for size in (1, 8):
        files = {f"trl/m{i}.py": "from transformers import Gone\n" * 50 for i in range(50 * size)}
        chain = {"trl/__init__.py": "".join(f"from . import m{i}\n" for i in range(50 * size))}
        install(tmp_path / str(size), "trl", {**files, **chain})
        text = "def __getattr__(n): ...\n" + "x = 1\n" * 500 * size
        install(tmp_path / str(size), "transformers", {"transformers/__init__.py": text})
    assert _seconds(tmp_path / "8") < 30 * max(_seconds(tmp_path / "1"), 0.01)


def test_nothing_of_the_target_is_run(tmp_path: Path) -> None:
    site, mark = tmp_path / "site", tmp_path / "ran"
    evil = f"open({str(mark)!r}, 'w').close()\nfrom transformers import Gone\n"
    names = ("sitecustomize", "usercustomize", "json", "ast", "contracts")
    files = {"trl/__init__.py": evil, "x.pth": f"import os; {evil.splitlines()[0]}"}
    one = install(site, "trl", {**files, **{f"{n}.py": evil for n in names}})
    assert found(site, one, install(site, "transformers", HERE)).broken
    assert not mark.exists()
    subprocess.run([sys.executable, "-c", evil], check=False, capture_output=True)
    assert mark.exists(), "the control: it would"
