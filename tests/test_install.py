"""Every way of installing gives a doctor that works, and nothing else in site-packages."""

import ast
import os
import re
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest
from checkout import IS_ONE, ROOT, WHY_NOT, committed, copied
from typed import ran

pytestmark = pytest.mark.skipif(not IS_ONE, reason=WHY_NOT)


def _run(*argv: str, cwd: Path) -> str:
    environ = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    ended = ran(*argv, cwd=cwd, env=environ)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def _fresh(place: Path) -> Path:
    """A virtual environment that sees the dependencies of this one, but not the doctor in it."""
    venv.create(place, with_pip=False, symlinks=True)
    python = place / "bin" / "python"
    site = next((place / "lib").glob("python*/site-packages"))
    here = Path(sys.prefix) / site.relative_to(place)
    for one in here.iterdir():
        if "tunedoctor" not in one.name.lower():
            (site / one.name).symlink_to(one)
    return python


PIP = ("-m", "pip", "install", "--no-deps", "--no-build-isolation", "-q")
OURS = {"tunedoctor"}


def test_pip_installs(tmp_path):
    """From a clone of the working tree as it stands, links and all; the wheel is built from the sdist."""
    source, out = committed(copied(tmp_path / "source" / "tunedoctor")), tmp_path / "dist"
    _run(sys.executable, "-m", "build", "--no-isolation", "-o", str(out), str(source), cwd=ROOT)
    (wheel,) = map(str, out.glob("*.whl"))
    for way, words in (
        ("editable", ["-e", str(source)]),
        ("git", [f"git+file://{source}"]),
        ("wheel", [wheel]),
    ):
        python = _fresh(tmp_path / way)
        _run(str(python), *PIP, *words, cwd=tmp_path)
        site = next((python.parents[1] / "lib").glob("python*/site-packages"))
        ours = {p.name for p in site.iterdir() if not p.is_symlink() and p.name != "__pycache__"}
        ours = {name.split("-")[0].removesuffix(".pth") for name in ours}
        assert ours == (OURS | {"_editable_impl_tunedoctor"} if way == "editable" else OURS)
        for name, *more in (("doctor",), ("tunedoctor",), ("python", "-m", "tunedoctor")):
            said = _run(str(python.parent / name), *more, "explain", "--list", cwd=tmp_path)
            assert "driver-too-old" in said
        code = "import tunedoctor.checks.driver as m; print(m.__name__)"
        assert _run(str(python), "-c", code, cwd=tmp_path).strip() == "tunedoctor.checks.driver"
    _messages_name_what_is_there(python, site / "tunedoctor")


def test_the_links_are_committed():
    for name in ("checks", "docs", "fixes"):
        assert os.readlink(ROOT / "src" / "tunedoctor" / name) == f"../../{name}"


SHOW = """
import sys
from tunedoctor.cli.app import run
for line in sys.stdin.read().splitlines():
    try:
        code = run(line.split())
    except SystemExit as ended:
        code = ended.code
    assert not code, line
"""
NAMED = re.compile(r"doctor ((?:explain|help) [a-z][\w-]*)")


def _messages(package: Path) -> Iterator[str]:
    """All text that the installed doctor can say: strings of its code but docstrings, and its tables."""
    for path in package.rglob("*.json"):
        yield path.read_text("utf-8")
    for path in package.rglob("*.py"):
        tree = ast.parse(path.read_bytes())
        notes = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and id(node) not in notes:
                yield str(node.value)


def _messages_name_what_is_there(python: Path, package: Path) -> None:
    said = "\n".join(_messages(package))
    docs = {page.stem for page in (ROOT / "docs").glob("*.md")}
    assert not re.search(rf"(?<![\w/.])(?:docs/)?(?:{'|'.join(docs)})\.md\b", said)
    named = {*NAMED.findall(said), *(f"explain {name}" for name in docs)}
    assert NAMED.findall(said)
    ended = ran(python, "-c", SHOW, stdin="\n".join(named))
    assert ended.returncode == 0, ended.stderr
    assert set(re.findall(r"(?<!Next): doctor explain (\w+)", ended.stdout)) <= docs
